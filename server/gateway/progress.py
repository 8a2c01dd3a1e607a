"""A search in a few lines of plain text: the reasoning a client sees."""

from collections import Counter

from router.events import Answered, Degraded, Event, Lost, Planned, Probed, Pruned, Sampled, Scored
from router.types import Difficulty, Finish

_EVERY = 8
"""Solutions between two lines about who leads."""

_TELLING = 2
"""Fewest samples whose agreement says anything."""


class Narrator:
    """Turns the events of one search into lines. A single sample that simply answers needs no line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._solutions = 0
        self._answers = Counter[str]()
        self._told = 0
        self._probed = False

    @property
    def text(self) -> str:
        """The whole account."""
        return "".join(self.lines)

    def observe(self, event: Event) -> None:
        """Keep the line this event is worth."""
        self.hear(event)

    def hear(self, event: Event) -> str:
        """Return the line this event is worth, or nothing."""
        line = self._line(event)
        if line:
            line += "\n"
            self.lines.append(line)
        return line

    def _line(self, event: Event) -> str:
        match event:
            case Probed():
                return self._graded(event.difficulty)
            case Planned():
                return self._planned(event)
            case Sampled():
                return self._sampled(event)
            case Scored() if event.best is not None and event.candidates > 1:
                return f"Scored {event.candidates} candidates: the best has {event.best:.2f}."
            case Pruned():
                return f"Pruned {len(event.paths)} paths."
            case Lost():
                return f"Lost {event.samples} samples."
            case Degraded():
                return "Degraded: the scorer failed, going on without it."
            case Answered() if self.lines:
                return _answered(event)
            case _:
                return ""

    def _planned(self, event: Planned) -> str:
        if event.strategy is None:
            return f"Enough: {event.reason}." if self._solutions > 1 else ""
        if event.n == 1 and not self._solutions:
            return ""
        if event.n == 0:
            return "Judging what there is."
        reason = event.reason.replace("_", " ")
        return f"Plan: {event.strategy.replace('_', ' ')} with n = {event.n} ({reason})."

    def _graded(self, d: Difficulty) -> str:
        """Tell how hard it looks: in full at first, then in a few words. One sample shows too little to tell."""
        if d.samples < _TELLING:
            return ""
        rate = "" if d.pass_rate is None else f", pass rate {d.pass_rate:.2f}"
        if self._probed:
            return f"After {d.samples}: agreement {d.agreement:.2f}{rate}, difficulty {d.level} of 5."
        self._probed = True
        value = "" if d.value is None else f", mean value {d.value:.2f}"
        return f"Probe: {d.samples} samples, agreement {d.agreement:.2f}{value}{rate}: difficulty {d.level} of 5."

    def _sampled(self, event: Sampled) -> str:
        if event.finish is Finish.STEP:
            return ""
        self._solutions += 1
        if event.answer is not None:
            self._answers[event.answer] += 1
        if self._solutions - self._told < _EVERY or not self._answers:
            return ""
        self._told = self._solutions
        leader, votes = self._answers.most_common(1)[0]
        return f"{self._solutions} solutions: {_short(leader)} leads with {votes}."


def _answered(event: Answered) -> str:
    if event.answer is None:
        return f"No solution of {event.solutions} states a final answer ({event.stopped})."
    share = f"{event.votes} of {event.solutions} solutions"
    return f"Answer: {_short(event.answer)} ({share}, confidence {event.confidence:.2f}, {event.stopped})."


def _short(answer: str) -> str:
    return answer if len(answer) <= 60 else f"{answer[:57]}..."
