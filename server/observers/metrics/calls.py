"""Calls: what one answer asks of generators and scorers."""

from server.report import Call, Port, Report

from .buckets import COUNTS, SECONDS, TOKENS
from .catalogue import Catalogue
from .labels import CALL, Label


class Calls:
    """Calls of the router's ports. Measuring a prompt is not counted: it asks nothing of a model."""

    def __init__(self, catalogue: Catalogue, model: Label) -> None:
        c = catalogue
        self._generating = c.histogram(
            "cogitate_generator_call_duration_seconds", "Drawing samples.", SECONDS, model, CALL
        )
        self._samples = c.histogram("cogitate_generator_call_samples", "Samples that a call brought.", COUNTS, model)
        self._scoring = c.histogram(
            "cogitate_scorer_call_duration_seconds", "Judging candidates.", SECONDS, model, CALL
        )
        self._candidates = c.histogram(
            "cogitate_scorer_call_candidates", "Candidates judged by a call that went well.", COUNTS, model
        )
        self._tokens = c.histogram(
            "cogitate_scorer_call_tokens", "Tokens a call that went well made the scorer read.", TOKENS, model
        )

    def ended(self, report: Report, model: str) -> None:
        """Count the calls of a request."""
        for call in report.calls:
            if call.port is Port.GENERATE:
                self._generating.at(model, _outcome(call)).observe(call.end - call.start)
                self._samples.at(model).observe(call.samples)
            elif call.port is Port.SCORE:
                self._scored(call, model)

    def _scored(self, call: Call, model: str) -> None:
        self._scoring.at(model, _outcome(call)).observe(call.end - call.start)
        if call.failed is None:
            self._candidates.at(model).observe(call.samples)
            self._tokens.at(model).observe(call.tokens)


def _outcome(call: Call) -> str:
    return "ok" if call.failed is None else "cancelled" if call.failed == "cancelled" else "failed"
