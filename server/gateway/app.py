"""The application: routes, errors, the outermost layer. It holds no state beside its dependencies."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from . import budgets, errors, health, metrics, models, page
from .chat import Chat
from .deps import Deps
from .edge import Edge


def create_app(deps: Deps) -> FastAPI:
    """Return the application. Raises ValueError when its default budget cannot be read."""
    budgets.check_default(deps.limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        async with deps.running():
            yield

    app = FastAPI(
        title="Cogitate",
        version=deps.version,
        lifespan=lifespan,
        openapi_url=None,  # the request is OpenAI's, described in docs/api.md
        redirect_slashes=False,
        exception_handlers={HTTPException: _refused, errors.ApiError: _told},
    )
    app.include_router(page.routes())
    app.include_router(health.routes(deps.readiness))
    app.include_router(models.routes(deps))
    app.include_router(metrics.routes(deps.exposition))
    app.router.routes.append(Route("/v1/chat/completions", Chat(deps), methods=["POST"]))
    app.add_middleware(Edge)
    return app


async def _refused(_request: Request, refusal: HTTPException) -> Response:
    return errors.of_status(refusal.status_code, refusal.headers).response()


async def _told(_request: Request, error: errors.ApiError) -> Response:
    return error.response()
