"""The scoring service with a fake model, as a process: `python -m tests.server.prm.process PORT SECONDS`."""

import sys

import uvicorn

from server.prm.app import Service, create_app
from server.prm.batching import BatchLimits
from server.prm.loading import Loading
from server.prm.metrics import Metrics
from server.web.process import Server

from .fakes import FakeFamily, FakeHost


def main(port: int, seconds: float) -> None:
    metrics = Metrics("0")
    loading = Loading(FakeFamily(), lambda: FakeHost(seconds=seconds), BatchLimits(), metrics)
    app = create_app(Service("fake", "0", loading, metrics))
    config = uvicorn.Config(app, port=port, log_level="critical", ws="none", timeout_graceful_shutdown=30)
    Server(config, loading.readiness, 0.0, lambda url: print(url, flush=True)).run()  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
