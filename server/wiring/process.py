"""The process that serves the gateway."""

from collections.abc import Callable

from server.settings import Settings
from server.web.process import Server, config_of, start_log

from .app import build


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal to stop; then finish what is under way. `announce` is told the address once it is open."""
    start_log(settings.log_level)
    app, readiness = build(settings)
    config = config_of(app, settings.host, settings.port, settings.log_level, settings.max_deadline)
    Server(config, readiness, settings.drain_seconds, announce).run()
