"""One line a request. Never what was asked or answered."""

import json
import logging

from server.report import Outcome, Report

_log = logging.getLogger("cogitate.requests")

_LONGEST = 300
"""Characters of a cause."""


class Log:
    """Writes a line of `key=value` pairs for each request that has ended."""

    def started(self) -> None:
        """Nothing is known yet that would be worth a line."""

    def ended(self, report: Report) -> None:
        """Write the line: a warning where the server is at fault."""
        ours = report.outcome in {Outcome.INTERNAL, Outcome.GENERATOR}
        _log.log(logging.WARNING if ours else logging.INFO, "%s", _line(report))


def _line(report: Report) -> str:
    pairs: dict[str, object] = {
        "id": report.request_id,
        "outcome": report.outcome.value,
        "seconds": f"{report.seconds:.3f}",
        "stream": report.stream,
        "model": report.model,
        "budget": report.preset,
    }
    if report.answer:
        answer = report.answer
        pairs |= {
            "strategy": answer.plan.name or "probe",
            "samples": answer.spent.samples,
            "tokens": answer.spent.tokens,
            "scorer_tokens": answer.spent.scorer_tokens,
            "stopped": answer.stopped,
            "lost": answer.lost,
            "degraded": bool(answer.degraded),
        }
    if cause := report.cause or (", ".join(report.answer.degraded) if report.answer else ""):
        pairs["cause"] = json.dumps(cause[:_LONGEST], ensure_ascii=False)  # in quotes, on one line
    return " ".join(f"{name}={value}" for name, value in pairs.items())
