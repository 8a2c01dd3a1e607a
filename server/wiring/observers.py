"""From settings to what hears of requests: metrics, the log, decision records, traces."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from server.observers import Decisions, Log, Metrics, Tracing, Untraced, otlp
from server.report import RequestObserver
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears of each request, and what traces it."""

    observers: tuple[RequestObserver, ...]
    tracing: Tracing
    decisions: Decisions | None

    @contextmanager
    def open(self) -> Generator[None]:
        """Hear until the end of the context, then write out what has not been written yet."""
        try:
            yield
        finally:
            self.tracing.close()
            if self.decisions:
                self.decisions.close()


def ears_of(settings: Settings, metrics: Metrics, version: str) -> Ears:
    """Return the observers that the settings ask for. Raises ValueError for what cannot be had."""
    tracing = otlp(settings.trace_ratio, version) if settings.traces == "otlp" else Untraced()
    decisions = _decisions(settings)
    return Ears((metrics, Log(), *([decisions] if decisions else [])), tracing, decisions)


def _decisions(settings: Settings) -> Decisions | None:
    if settings.decisions is None:
        return None
    try:
        return Decisions(settings.decisions, log_prompts=settings.log_prompts)
    except OSError as fault:
        raise ValueError(f"COGITATE_DECISIONS names {settings.decisions}: {fault.strerror}") from None
