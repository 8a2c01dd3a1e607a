"""`GET /`: one page to try the server in a browser. It stands alone: nothing is loaded from elsewhere."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from router.policy.names import STRATEGIES

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


_KEY = '<label>Key <input id="key" type="password" autocomplete="off" required></label>'


def routes(models: Iterable[str], *, keyed: bool = False) -> APIRouter:
    """Return the route of the page, on which one of `models` can be chosen; `keyed`, it asks for an API key."""
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    page = page.replace("@@STRATEGIES@@", _options(STRATEGIES)).replace("@@MODELS@@", _options(models))
    page = page.replace("@@KEY@@", _KEY if keyed else "")
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    async def show() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse(page, headers=_HEADERS)

    return router


def _options(names: Iterable[str]) -> str:
    return "".join(f"<option>{escape(name)}</option>" for name in names)
