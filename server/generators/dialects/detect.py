"""Which dialect a server speaks: /v1/models tells who serves the model, under which name, and how long it may be."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import httpx

from server.upstream import UpstreamError

from ..options import GeneratorOptions
from .chat import Chat
from .dialect import Dialect
from .llamacpp import LlamaCpp
from .vllm import VLLM

_OWNERS = ("vllm", "llamacpp")


class Undetected(UpstreamError):
    """The server does not say what is needed to speak to it."""


async def detect(client: httpx.AsyncClient, url: str, options: GeneratorOptions) -> Dialect:
    """Ask the server at `url`. Raises UpstreamError when it does not answer, or does not serve the model."""
    try:
        entry = _chosen(await _get(client, f"{url}/v1/models"), options)
        kind = options.dialect if options.dialect != "auto" else _kind(entry)
        if kind == "vllm":
            return VLLM(entry["id"], system=options.system, samples_per_call=options.samples_per_call)
        context = options.context or _context(entry)
        if kind == "llamacpp":
            return LlamaCpp(entry["id"], context=context, system=options.system)
        return Chat(
            entry["id"],
            context=context,
            system=options.system,
            prefill=options.prefill,
            samples_per_call=options.samples_per_call,
        )
    except httpx.HTTPError as error:
        raise Undetected(f"{url} does not answer: {type(error).__name__} {error}".strip()) from error


async def _get(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    response = await client.get(url)
    if response.status_code >= 400:
        raise Undetected(f"{url} answered {response.status_code}")
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Undetected(f"{url} answered without an object")
    return cast("Mapping[str, Any]", body)


def _chosen(models: Mapping[str, Any], options: GeneratorOptions) -> Mapping[str, Any]:
    """Return the entry of the model that is wanted, the first one if none is named."""
    listed = models.get("data")
    entries = cast("Sequence[Mapping[str, Any]]", listed if isinstance(listed, list) else ())
    served = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    for entry in served:
        if options.model in (None, entry["id"]):
            return entry
    if options.model is not None and all(_kind(entry) == "chat" for entry in served):
        return {"id": options.model}  # hosted services do not list all they serve
    names = ", ".join(entry["id"] for entry in served) or "nothing"
    raise Undetected(f"the server serves {names}, not {options.model or 'a model'}")


def _kind(entry: Mapping[str, Any]) -> str:
    owner = entry.get("owned_by")
    return owner if owner in _OWNERS else "chat"


def _context(entry: Mapping[str, Any]) -> int | None:
    places = (("max_model_len",), ("context_length",), ("meta", "n_ctx"), ("meta", "n_ctx_train"))
    return next((context for place in places if (context := _number(entry, *place))), None)


def _number(entry: Any, *path: str) -> int | None:
    for name in path:
        entry = cast("Mapping[str, Any]", entry).get(name) if isinstance(entry, dict) else None
    return entry if isinstance(entry, int) and entry > 0 else None
