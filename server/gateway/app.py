"""The application: its routes. It holds no state beside its dependencies."""

from fastapi import Depends, FastAPI
from starlette.routing import Route

from server.web import models
from server.web.app import empty_app

from . import budgets, health, metrics, page
from .access import guard
from .chat import Chat
from .deps import Deps


def create_app(deps: Deps) -> FastAPI:
    """Return the application. Raises ValueError when its default budget cannot be read."""
    budgets.check_default(deps.limits)
    app = empty_app("Cogitate", deps.version, deps.running)
    app.include_router(page.routes((model.id for model in deps.models), keyed=deps.keyring is not None))
    app.include_router(health.routes(deps.readiness, deps.models))
    may_list, may_scrape = (Depends(guard(deps.keyring, scope)) for scope in ("models", "metrics"))
    app.include_router(models.routes([m.id for m in deps.models], deps.readiness.since), dependencies=[may_list])
    app.include_router(metrics.routes(deps.exposition), dependencies=[may_scrape])
    app.router.routes.append(Route("/v1/chat/completions", Chat(deps), methods=["POST"]))
    return app
