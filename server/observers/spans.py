"""The spans of one request, as its report tells them: when each began and ended, and its attributes. Never a text."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from router.answering import Answer
from router.events import Answered, Event, Lost, Planned, Probed, Pruned, Sampled
from server.report import Call, Outcome, Port, Report

Value = str | int | float | bool
Attributes = Mapping[str, Value | None]
"""Attributes; those of None are not known."""

ROOT = "invoke_workflow cogitate"
_PROVIDER = "cogitate"

_MOST_CALLS = 256
"""Calls of one request that have spans of their own."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` in seconds after the request's arrival; `call` where a model was called.

    `error` is the kind of its failure, in one word.
    """

    name: str
    start: float
    end: float
    attributes: Attributes
    call: bool = False
    error: str | None = None
    children: tuple["Span", ...] = ()


class _Part(NamedTuple):
    """A probe or a round: what calls belong to."""

    name: str
    start: float
    end: float
    attributes: Attributes


def spans(report: Report) -> tuple[Span, ...]:
    """Return what belongs right below the request's own span, by start: measure, probe, plans, rounds, aggregate."""
    calls = sorted(report.calls, key=lambda call: call.start)[:_MOST_CALLS]
    parts, others = list[_Part](), list[Span]()
    _sort(report, parts, others)
    starts = [part.start for part in parts]
    inner = [list[Span]() for _ in parts]
    for call in calls:
        place = -1 if call.port is Port.MEASURE else bisect_right(starts, call.start) - 1
        (inner[place] if place >= 0 else others).append(_called(call, report.model))
    whole = [Span(*part, children=tuple(below)) for part, below in zip(parts, inner, strict=True)]
    return tuple(sorted([*whole, *others], key=lambda span: (span.start, span.end)))


def attributes(report: Report) -> dict[str, Value]:
    """Return the attributes of the request's own span."""
    asked, granted = report.asked or report.budget, report.budget
    known: dict[str, Value | None] = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": _PROVIDER,
        "gen_ai.provider.name": _PROVIDER,
        "gen_ai.request.model": report.model,
        "gen_ai.request.seed": report.seed,
        "http.response.status_code": report.status,
        "error.type": None if report.outcome is Outcome.ANSWERED else report.outcome.value,
        "cogitate.request_id": report.request_id,
        "cogitate.outcome": report.outcome.value,
        "cogitate.stream": report.stream,
        "cogitate.budget": report.preset,
        "cogitate.asked.samples": asked.samples if asked else None,
        "cogitate.granted.samples": granted.samples if granted else None,
        "cogitate.granted.tokens": granted.tokens if granted else None,
        "cogitate.granted.deadline": granted.deadline if granted else None,
        "cogitate.policy": report.policy,
        "cogitate.shed": report.shed,
        "cogitate.queued": report.queued,
        "cogitate.upstream": report.upstream,
        "cogitate.calls_without_span": max(0, len(report.calls) - _MOST_CALLS) or None,
        **(_answered(report.answer) if report.answer else {}),
    }
    return {name: value for name, value in known.items() if value is not None}


def _answered(answer: Answer) -> dict[str, Value | None]:
    return {
        "gen_ai.usage.input_tokens": answer.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.spent.tokens,
        "cogitate.strategy": answer.plan.name or "probe",
        "cogitate.n": answer.plan.n,
        "cogitate.samples": answer.spent.samples,
        "cogitate.scorer_tokens": answer.spent.scorer_tokens,
        "cogitate.compute_tokens": answer.spent.compute,
        "cogitate.difficulty": answer.difficulty.level if answer.difficulty else None,
        "cogitate.confidence": answer.verdict.confidence,
        "cogitate.stopped": answer.stopped,
        "cogitate.lost": answer.lost,
        "cogitate.degraded": bool(answer.degraded),
    }


def _sort(report: Report, parts: list[_Part], others: list[Span]) -> None:
    """Put probe and rounds into `parts`, by start, and plans and the aggregation into `others`."""
    ends = sorted(call.end for call in report.calls)
    active = 0.0  # when something has happened last, thinking of what to do aside
    begun: tuple[float, Planned] | None = None
    seen = list[Event]()
    for step in report.steps:
        now, event = step.seconds, step.event
        idle = max(active, ends[place - 1] if (place := bisect_right(ends, now)) else 0.0)
        match event:
            case Probed() if any(isinstance(e, Sampled) for e in seen) and not (parts or begun or others):
                parts.append(_Part("probe", _measured(report), now, _probed(event)))
                active = now
            case Planned() | Answered():
                if begun:
                    parts.append(_round(begun, idle, parts, seen))
                begun = (now, event) if isinstance(event, Planned) and event.strategy else None
                others.append(_planned(event, idle, now) if isinstance(event, Planned) else _voted(event, idle, now))
                active, seen = now, []
            case Probed():
                pass
            case _:
                active = now
        seen.append(event)
    if begun:
        parts.append(_round(begun, max([active, *ends]), parts, seen))


def _measured(report: Report) -> float:
    """Return when the prompt had been measured."""
    return max((c.end for c in report.calls if c.port is Port.MEASURE), default=0.0)


def _round(begun: tuple[float, Planned], end: float, before: list[_Part], seen: list[Event]) -> _Part:
    start, plan = begun
    return _Part(
        "round",
        start,
        max(start, end),
        {
            "cogitate.round": sum(part.name == "round" for part in before) + 1,
            "cogitate.strategy": plan.strategy,
            "cogitate.n": plan.n,
            "cogitate.samples": sum(isinstance(e, Sampled) for e in seen),
            "cogitate.pruned": sum(len(e.paths) for e in seen if isinstance(e, Pruned)),
            "cogitate.lost": sum(e.samples for e in seen if isinstance(e, Lost)),
        },
    )


def _probed(event: Probed) -> Attributes:
    shown = event.difficulty
    return {
        "cogitate.samples": shown.samples,
        "cogitate.agreement": shown.agreement,
        "cogitate.difficulty": shown.level,
        "cogitate.difficulty.score": shown.score,
    }


def _planned(event: Planned, start: float, end: float) -> Span:
    known: Attributes = {
        "gen_ai.operation.name": "plan",
        "gen_ai.provider.name": _PROVIDER,
        "cogitate.strategy": event.strategy,
        "cogitate.n": event.n,
        "cogitate.aggregate": str(event.aggregate),
        "cogitate.reason": event.reason,
    }
    return Span("plan", start, end, known)


def _voted(event: Answered, start: float, end: float) -> Span:
    known: Attributes = {
        "cogitate.votes": event.votes,
        "cogitate.solutions": event.solutions,
        "cogitate.confidence": event.confidence,
        "cogitate.stopped": event.stopped,
    }
    return Span("aggregate", start, end, known)


def _called(call: Call, model: str | None) -> Span:
    known = dict(_call(call, model))
    known["error.type"] = call.failed
    name = f"chat {model}" if call.port is Port.GENERATE and model else call.port.value
    # a call that is no longer wanted has not failed
    return Span(name, call.start, call.end, known, call=True, error=None if call.failed == "cancelled" else call.failed)


def _call(call: Call, model: str | None) -> Iterator[tuple[str, Value | None]]:
    generates = call.port is Port.GENERATE
    yield "gen_ai.operation.name", "chat" if generates else call.port.value
    yield "gen_ai.provider.name", _PROVIDER
    yield "gen_ai.request.model", model if call.port is not Port.SCORE else None
    if generates:
        yield "gen_ai.usage.output_tokens", call.tokens
        yield "cogitate.samples", call.samples
    elif call.port is Port.SCORE:
        yield "cogitate.candidates", call.samples
        yield "cogitate.scorer_tokens", call.tokens
