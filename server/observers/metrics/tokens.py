"""Tokens: what answers cost, what was saved, and what was spent on requests that got no answer."""

from router.answering import Answer
from router.budget import Budget
from server.report import Outcome, Port, Report

from .catalogue import Catalogue
from .labels import STRATEGY, UNANSWERED, Label


class Tokens:
    """Generated and wasted tokens together are all that generators have written."""

    def __init__(self, catalogue: Catalogue, model: Label) -> None:
        c, by = catalogue, (model, STRATEGY)
        self._prompt = c.counter("cogitate_prompt_tokens_total", "Prompts of answers, each counted once.").at()
        self._generated = c.counter("cogitate_generated_tokens_total", "Generated for answers.", *by)
        self._scorer = c.counter("cogitate_scorer_tokens_total", "Read by the scorer for answers.", *by)
        self._compute = c.counter(
            "cogitate_compute_tokens_total", "Compute of answers, in generator-token equivalents.", *by
        )
        self._saved = c.counter(
            "cogitate_saved_tokens_total",
            "Compute that granted but undrawn samples would have taken, at the price of the drawn ones.",
            *by,
        )
        self._wasted = c.counter(
            "cogitate_wasted_tokens_total", "Generated for requests that got no answer.", model, UNANSWERED
        )
        self._overrun = c.counter(
            "cogitate_overrun_tokens_total", "Compute beyond what was set aside: more than 0 is a fault."
        ).at()

    def ended(self, report: Report, model: str, strategy: str) -> None:
        """Count what a request took, under its answer or as wasted."""
        if report.outcome is not Outcome.ANSWERED:
            wasted = sum(call.tokens for call in report.calls if call.port is Port.GENERATE)
            self._wasted.at(model, report.outcome).inc(wasted)
        if report.answer:
            self._overrun.inc(report.answer.overrun)
            if report.outcome is Outcome.ANSWERED:
                self._answered(report.answer, report.budget, model, strategy)

    def _answered(self, answer: Answer, budget: Budget | None, model: str, strategy: str) -> None:
        spent = answer.spent
        self._prompt.inc(answer.prompt_tokens)
        self._generated.at(model, strategy).inc(spent.tokens)
        self._scorer.at(model, strategy).inc(spent.scorer_tokens)
        self._compute.at(model, strategy).inc(spent.compute)
        undrawn = (budget.samples or 0) - spent.samples if budget else 0
        if undrawn > 0 and spent.samples > 0:
            self._saved.at(model, strategy).inc(undrawn * spent.compute / spent.samples)
