"""One line a request. Never what was asked or answered."""

import logging

from server.report import Outcome, Report
from server.web.log import Fields

from .redaction import Mask

_log = logging.getLogger("cogitate.requests")


class Log:
    """Writes a line for each request that has ended: `key=value` pairs, or an object where the log is JSON."""

    def started(self) -> None:
        """Nothing is known yet that would be worth a line."""

    def ended(self, report: Report) -> None:
        """Write the line: a warning where the server is at fault."""
        ours = report.outcome in {Outcome.INTERNAL, Outcome.GENERATOR}
        level = logging.WARNING if ours else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, Fields("request", _fields(report)))


def _fields(report: Report) -> dict[str, object]:
    upstream, queued = report.upstream, report.queued
    return {
        "id": report.request_id,
        "trace_id": report.trace_id,
        "key": report.key,
        "status": report.status,
        "outcome": report.outcome.value,
        "shed": report.shed,
        "model": report.model,
        "stream": report.stream,
        "preset": report.preset,
        "asked": report.asked.samples if report.asked else None,
        "granted": report.budget.samples if report.budget else None,
        **_answered(report),
        "seconds": round(report.seconds, 4),
        "upstream": round(upstream, 4),
        "queued": round(queued, 4),
        "overhead": round(max(0.0, report.seconds - upstream - queued), 4),
        "cause": Mask(report).cause(),
    }


def _answered(report: Report) -> dict[str, object]:
    answer = report.answer
    if answer is None:
        return {}
    return {
        "strategy": answer.plan.name or "probe",
        "samples": answer.spent.samples,
        "tokens": answer.spent.tokens,
        "scorer_tokens": answer.spent.scorer_tokens,
        "stopped": answer.stopped,
        "lost": answer.lost,
        "degraded": bool(answer.degraded),
    }
