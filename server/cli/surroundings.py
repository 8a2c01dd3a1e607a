"""Checks of what a configuration names beside its models: the port, keys, Redis, the collector, files."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from yarl import URL

from server.keys import Keyring
from server.settings import PrmSettings, Settings
from server.settings.gateway import CONFIG
from server.wiring.process import listening

from .checkup import Check, Doubt, Trouble

_SECONDS = 5.0

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_COLLECTOR = "http://localhost:4318"
"""Where OpenTelemetry sends traces when nobody says."""


def checks_of(settings: Settings, environment: Mapping[str, str]) -> Iterator[Check]:
    """Give the checks of all that the settings name."""
    yield Check("variables", partial(_variables, environment), _SECONDS)
    yield Check("port", partial(_port, settings.host, settings.port), _SECONDS)
    if settings.keys:
        yield Check("keys", partial(_keys, settings.keys), _SECONDS)
    if settings.redis:
        yield Check("redis", partial(_redis, settings.redis.get_secret_value()), _SECONDS)
    if settings.traces == "otlp":
        yield Check("traces", partial(_collector, environment), _SECONDS)
    if settings.decisions:
        yield Check("decisions", partial(_decisions, settings.decisions), _SECONDS)


async def _variables(environment: Mapping[str, str]) -> str:
    known = {f"COGITATE_{name}".upper() for name in Settings.model_fields} | {CONFIG}
    known |= {f"COGITATE_PRM_{name}".upper() for name in PrmSettings.model_fields}
    given = {name for name in environment if name.upper().startswith("COGITATE_")}
    if unknown := sorted(name for name in given if name.upper() not in known):
        raise Doubt(f"nothing reads {', '.join(unknown)}: is it a slip of the pen?")
    return f"{len(given)} set, all known" if given else "none set: the defaults apply"


async def _port(host: str, port: int) -> str:
    try:
        with listening(host, port):
            return f"{host}:{port} is free" if port else f"{host}, any free port"
    except ValueError as fault:
        raise Trouble(f"{fault}; does another server, or this one, run there already?") from None


async def _keys(path: Path) -> str:
    keys = (await asyncio.to_thread(Keyring.read, path)).keys
    expired = [key.name for key in keys if key.expired()]
    if len(expired) == len(keys):
        raise Doubt(f"{path} has no key that is good: `cogitate keys create` makes one")
    return f"{len(keys)} in {path}" + (f", of which expired: {', '.join(expired)}" if expired else "")


async def _redis(url: str) -> str:
    """Ask whether it answers. Raises Trouble without the password in it."""
    place = str(URL(url).with_user(None))
    client = Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)  # pyright: ignore[reportUnknownMemberType]
    try:
        await client.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]
    except (RedisError, OSError) as fault:
        secret = URL(url).password
        said = str(fault).replace(secret, "***") if secret else str(fault)
        raise Trouble(f"{place} does not answer as it should: {said or type(fault).__name__}") from None
    finally:
        await client.aclose()
    return f"{place} answers"


async def _collector(environment: Mapping[str, str]) -> str:
    if not find_spec("opentelemetry.sdk"):
        raise Trouble("traces need OpenTelemetry: pip install 'cogitate[tracing]'")
    name = next((name for name in _ENDPOINTS if environment.get(name)), None)
    url = URL(environment[name] if name else _COLLECTOR)
    place = f"{url.host}:{url.port}"
    try:
        _, writer = await asyncio.open_connection(url.host, url.port)
    except OSError as fault:
        told = name or f"{_ENDPOINTS[1]}, which is not set,"
        raise Trouble(f"nothing listens at {place} ({fault.strerror or fault}): {told} says where to") from None
    writer.close()
    return f"{place} takes connections"


async def _decisions(path: Path) -> str:
    if not await asyncio.to_thread(_writable, path):
        raise Trouble(f"{path} cannot be written: it must be a file, in a folder that this user may write")
    return f"{path} can be written"


def _writable(path: Path) -> bool:
    place = path if path.exists() else path.parent
    return not path.is_dir() and place.exists() and os.access(place, os.W_OK)
