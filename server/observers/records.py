"""The record of one request's decisions, as plain data: what was asked, what was found step by step, what came of it.

Answers are letters. Only where questions may be told, their texts stand beside.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from router.answering import Answer
from router.budget import Budget
from router.events import Event, Planned
from router.types import Candidate
from server.report import Report

from .letters import Letters
from .redaction import Mask

VERSION = 1
"""Of the form of a record; it grows where a reader of an older form would misunderstand."""

_AS_IT_IS = frozenset({
    "difficulty", "strategy", "n", "aggregate", "path", "paths", "tokens", "finish", "candidates", "best", "samples",
    "votes", "solutions", "confidence", "stopped",
})  # fmt: skip
"""Members of events that hold nothing of a question or an answer. Others are left out until they are known here."""


def record(report: Report, *, told: bool) -> dict[str, Any]:
    """Return the record of a request, fit for JSON; with `told` it holds the question and the answers."""
    letters, mask = Letters(), Mask(report)
    tell = str if told else mask
    data = _request(report)
    data["cause"] = report.cause if told else mask.cause()
    data["steps"] = [{"t": round(s.seconds, 4)} | _step(s.event, letters, tell) for s in report.steps]
    data["calls"] = [
        {
            "port": call.port.value,
            "start": round(call.start, 4),
            "end": round(call.end, 4),
            "samples": call.samples,
            "tokens": call.tokens,
            "failed": call.failed,
        }
        for call in report.calls
    ]
    if report.answer:
        data |= _answered(report.answer, letters)
    if told:
        data |= _texts(report, letters)
    return data


def _request(report: Report) -> dict[str, Any]:
    return {
        "v": VERSION,
        "id": report.request_id,
        "trace_id": report.trace_id,
        "time": datetime.fromtimestamp(report.began, UTC).isoformat(timespec="milliseconds"),
        "key": report.key,
        "model": report.model,
        "policy": report.policy,
        "seed": report.seed,
        "stream": report.stream,
        "status": report.status,
        "outcome": report.outcome.value,
        "shed": report.shed,
        "seconds": round(report.seconds, 4),
        "first_token": report.first_token,
        "upstream": round(report.upstream, 4),
        "queued": round(report.queued, 4),
        "preset": report.preset,
        "asked": _budget(report.asked or report.budget),
        "granted": _budget(report.budget),
    }


def _budget(budget: Budget | None) -> dict[str, Any] | None:
    return asdict(budget) if budget else None


def _step(event: Event, letters: Letters, tell: Callable[[str], str]) -> dict[str, Any]:
    """Return an event as data, its `kind` the name of its class."""
    step: dict[str, Any] = {"kind": type(event).__name__.lower()}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "answer":
            step["answer"] = letters.of(value)
        elif field.name == "reason":  # a plan's are the policy's own words, others may be a backend's
            step["reason"] = value if isinstance(event, Planned) else tell(value)
        elif field.name in _AS_IT_IS:
            step[field.name] = value
    return step


def _answered(answer: Answer, letters: Letters) -> dict[str, Any]:
    verdict, plan = answer.verdict, answer.plan
    votes = [{"answer": letters.of(v.answer), "count": v.count, "weight": v.weight} for v in verdict.votes]
    return {
        "plan": {"strategy": plan.name, "n": plan.n, "aggregate": plan.aggregate.value, "reduce": plan.reduce.value},
        "difficulty": answer.difficulty,
        "verdict": {
            "answer": letters.of(verdict.answer),
            "confidence": verdict.confidence,
            "votes": votes,
            "ranking": [_ranked(c) for c in verdict.ranking],
        },
        "spent": answer.spent,
        "overrun": answer.overrun,
        "prompt_tokens": answer.prompt_tokens,
        "stopped": answer.stopped,
        "degraded": bool(answer.degraded),
        "lost": answer.lost,
        "solutions": answer.solutions,
    }


def _ranked(candidate: Candidate) -> dict[str, Any]:
    return {"path": candidate.path, "tokens": candidate.tokens, "finish": candidate.finish, "value": candidate.value}


def _texts(report: Report, letters: Letters) -> Mapping[str, Any]:
    messages = report.problem.messages if report.problem else ()
    return {
        "messages": [asdict(m) for m in messages],
        "answers": letters.answers,
        "text": report.answer.verdict.chosen.text if report.answer else None,
    }
