"""Budgets: what is asked for, granted and spent."""

from router.answering import Answer
from router.budget import Budget
from server.report import Report

from .buckets import COUNTS, RATIOS, TOKENS
from .catalogue import Catalogue
from .labels import DEGRADED, PRESET, STRATEGY


class Budgets:
    """Samples and compute of each request. Compute is in generator-token equivalents."""

    def __init__(self, catalogue: Catalogue) -> None:
        c = catalogue
        self._presets = c.counter("cogitate_budgets_total", "Budgets asked for, by preset.", PRESET)
        self._asked = c.histogram("cogitate_asked_samples", "Samples asked for.", COUNTS).at()
        self._granted = c.histogram("cogitate_granted_samples", "Samples granted.", COUNTS).at()
        self._granted_tokens = c.histogram(
            "cogitate_granted_tokens", "Compute granted, where it was bounded.", TOKENS
        ).at()
        self._spent = c.histogram("cogitate_spent_samples", "Samples a search has used.", COUNTS, STRATEGY)
        self._spent_tokens = c.histogram("cogitate_spent_tokens", "Compute a search has used.", TOKENS, STRATEGY)
        self._used = c.histogram("cogitate_budget_used_ratio", "Samples spent, of those granted.", RATIOS, STRATEGY)
        self._degraded = c.counter(
            "cogitate_degraded_total", "Answers found with less than was asked for, by what was missing.", DEGRADED
        )

    def ended(self, report: Report, strategy: str) -> None:
        """Count a request's budget, as far as it got one."""
        if report.preset is not None:
            self._presets.at(report.preset).inc()
        if report.asked and report.asked.samples:
            self._asked.observe(report.asked.samples)
        if report.budget:
            self._grants(report.budget)
        if report.answer:
            self._spends(report.answer, report.budget, strategy)

    def _grants(self, budget: Budget) -> None:
        if budget.samples:
            self._granted.observe(budget.samples)
        if budget.tokens:
            self._granted_tokens.observe(budget.tokens)

    def _spends(self, answer: Answer, budget: Budget | None, strategy: str) -> None:
        self._spent.at(strategy).observe(answer.spent.samples)
        self._spent_tokens.at(strategy).observe(answer.spent.compute)
        if budget and budget.samples:
            self._used.at(strategy).observe(answer.spent.samples / budget.samples)
        if answer.degraded:
            for reason in {degraded.partition(":")[0] for degraded in answer.degraded}:
                self._degraded.at(reason).inc()
