"""Checks of a configuration: each has a name and a time-out, and ends in findings, never in an exception."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found: `said` is one line for a person, with what to do where it is not well."""

    check: str
    result: Result
    said: str

    def record(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self) | {"result": self.result.lower()}


class Trouble(Exception):
    """The server will not work like this."""


class Doubt(Exception):
    """It will work, and probably not as it is meant to."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at: `look` says what it has seen, or raises Trouble or Doubt. At most `seconds`."""

    name: str
    look: Callable[[], Awaitable[str]]
    seconds: float = 15.0

    async def run(self) -> Finding:
        """Look, and return what was found whatever happens."""
        try:
            async with asyncio.timeout(self.seconds):
                return Finding(self.name, Result.OK, await self.look())
        except Doubt as doubt:
            return Finding(self.name, Result.WARNING, str(doubt))
        except TimeoutError:
            return Finding(self.name, Result.FAILED, f"no answer within {self.seconds:g} s")
        except Exception as fault:  # noqa: BLE001 - one check must not cost the others
            return Finding(self.name, Result.FAILED, str(fault) or type(fault).__name__)


async def run(checks: Sequence[Check]) -> list[Finding]:
    """Run them beside each other; return what they found, in their order."""
    return list(await asyncio.gather(*(check.run() for check in checks)))
