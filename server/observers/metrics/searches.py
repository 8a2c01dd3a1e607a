"""Searches: what was planned and why it ended, how hard questions are, what became of candidates."""

from collections import Counter
from collections.abc import Sequence

from router.answering import Answer
from router.events import Aborted, Answered, Event, Lost, Probed, Pruned, Sampled
from router.types import Finish
from server.report import Report

from .buckets import COUNTS, RATIOS
from .catalogue import Catalogue
from .labels import LEVEL, STATE, STOPPED, STRATEGY, Label


class Searches:
    """What the router did, from its answer and its events."""

    def __init__(self, catalogue: Catalogue, model: Label) -> None:
        c = catalogue
        self._searches = c.counter(
            "cogitate_searches_total", "Searches that found an answer, by plan and end.", model, STRATEGY, STOPPED
        )
        self._width = c.histogram("cogitate_search_width", "The plan's n, in samples.", COUNTS, STRATEGY)
        self._probes = c.counter("cogitate_probes_total", "Questions probed, by the level of difficulty seen.", LEVEL)
        self._predicted = c.histogram(
            "cogitate_predicted_agreement_ratio", "Agreement of the probe's samples.", RATIOS, LEVEL
        )
        self._realised = c.histogram(
            "cogitate_realised_agreement_ratio", "Votes for the answer, of all solutions in the end.", RATIOS, LEVEL
        )
        self._candidates = c.counter("cogitate_candidates_total", "What became of candidates.", STATE)

    def ended(self, report: Report, model: str, strategy: str) -> None:
        """Count a search, and the candidates even of one that found nothing."""
        if report.answer:
            self._found(report.answer, model, strategy)
        if report.steps:
            self._course([step.event for step in report.steps])

    def _found(self, answer: Answer, model: str, strategy: str) -> None:
        self._searches.at(model, strategy, answer.stopped).inc()
        self._width.at(strategy).observe(answer.plan.n)

    def _course(self, events: Sequence[Event]) -> None:
        for state, count in _fates(events).items():
            self._candidates.at(state).inc(count)
        probed = next((e.difficulty for e in events if isinstance(e, Probed)), None)
        if probed is None:
            return
        level = str(probed.level)
        self._probes.at(level).inc()
        if isinstance(end := events[-1], Answered):  # what was promised and what came of it, of the same questions
            self._predicted.at(level).observe(probed.agreement)
            self._realised.at(level).observe(end.votes / end.solutions)


def _fates(events: Sequence[Event]) -> Counter[str]:
    """Return how many candidates ended in which way."""
    fates = Counter[str]()
    for event in events:
        match event:
            case Sampled(finish=finish) if finish is not Finish.STEP:
                fates["finished"] += 1
            case Pruned(paths=paths):
                fates["pruned"] += len(paths)
            case Lost(samples=samples):
                fates["lost"] += samples
            case Aborted(samples=samples):
                fates["aborted"] += samples
            case _:
                pass
    return fates
