"""An application before it has routes: its life, how it tells errors, and its outermost layer."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .edge import Edge
from .errors import ApiError, of_status


def empty_app(title: str, version: str, running: Callable[[], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return the application. `running` is entered when the server starts and left when it has stopped."""
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lambda _app: running(),
        openapi_url=None,  # what clients send is described in docs/api.md
        redirect_slashes=False,
        exception_handlers={HTTPException: _refused, ApiError: _told},
    )
    app.add_middleware(Edge)
    return app


async def _refused(_request: Request, refusal: HTTPException) -> Response:
    return of_status(refusal.status_code, refusal.headers).response()


async def _told(_request: Request, error: ApiError) -> Response:
    return error.response()
