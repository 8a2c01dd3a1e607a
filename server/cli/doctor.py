"""`cogitate doctor`: whether a server with these settings would work, before it is started."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Sequence

import orjson

from server.settings import Settings
from server.wiring.exposure import refusals

from . import backends, surroundings
from .checkup import Finding, Result, run
from .faults import words
from .serve import PREFIX

_SETTINGS = "settings"


def doctor(*, as_json: bool = False) -> int:
    """Check, and print a line for each check; return the exit status.

    That is 0 where all is well or only doubtful, 1 where something failed, 2 for settings that make no sense.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # what the pools say is told here
    findings = asyncio.run(_findings())
    sys.stdout.write(_json(findings) if as_json else _lines(findings))
    failed = [finding.check for finding in findings if finding.result is Result.FAILED]
    return 2 if _SETTINGS in failed else int(bool(failed))


async def _findings() -> list[Finding]:
    try:
        settings = Settings()
    except ValueError as fault:
        return _failed(words(fault, PREFIX))
    found = _failed(refusals(settings)) or [Finding(_SETTINGS, Result.OK, _summary(settings))]
    around = list(surroundings.checks_of(settings, os.environ))
    try:
        models = await backends.checks_of(settings)
    except ValueError as fault:
        return found + await run(around) + [Finding("models", Result.FAILED, str(fault))]
    return found + await run([*around, *models])


def _failed(said: Iterable[str]) -> list[Finding]:
    return [Finding(_SETTINGS, Result.FAILED, line) for line in said]


def _summary(settings: Settings) -> str:
    keys = "keys asked for" if settings.keys else "nobody asked for a key"
    workers = f"{settings.workers} workers" if settings.workers > 1 else "1 process"
    return f"make sense: {', '.join(settings.backends)}; {keys}; {workers}"


def _json(findings: Sequence[Finding]) -> str:
    return orjson.dumps([finding.record() for finding in findings], option=orjson.OPT_INDENT_2).decode() + "\n"


def _lines(findings: Sequence[Finding]) -> str:
    return "".join(f"{f.result:<8} {f.check}: {f.said}\n" for f in findings)
