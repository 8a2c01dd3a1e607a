"""The paths of one search: those that have ended, those that go on, and the votes they have brought."""

from .aggregation import Aggregate
from .equality import Equivalence
from .stopping import Agreed, Stopping, Watch, watch
from .types import Candidate

Path = tuple[int, ...]


class Paths:
    """What a search has come to so far."""

    def __init__(self, equivalence: Equivalence) -> None:
        self._equivalence = equivalence
        self._solutions = dict[Path, Candidate]()
        self._open = dict[Path, Candidate]()
        self._stuck = dict[Path, Candidate]()
        self._watch: Watch | None = None

    def __len__(self) -> int:
        return len(self._solutions)

    @property
    def solutions(self) -> list[Candidate]:
        """The finished candidates, ordered by path: not by the accident of arrival."""
        return [self._solutions[path] for path in sorted(self._solutions)]

    @property
    def unfinished(self) -> list[Candidate]:
        """Paths that were neither finished nor pruned, the longest first."""
        return sorted([*self._open.values(), *self._stuck.values()], key=lambda c: (-c.tokens, c.path))

    @property
    def shortest(self) -> int:
        """The fewest tokens a solution took; 1 before the first."""
        return min((s.tokens for s in self._solutions.values()), default=1)

    def record(self, candidate: Candidate) -> None:
        """Keep a candidate, in place of what was known of its path."""
        if candidate.tokens:  # what was cut before its first token is no solution
            (self._solutions if candidate.finished else self._open)[candidate.path] = candidate

    def prune(self, path: Path) -> bool:
        """Let an open path go; tell whether it was one."""
        return self._open.pop(path, None) is not None

    def leave(self, parent: Candidate) -> bool:
        """Go on from a candidate, which may be all there is until a child has come; tell whether it was open."""
        was_open = self.prune(parent.path)
        if parent.path:
            self._stuck[parent.path] = parent
        return was_open

    def arrive(self, parent: Candidate) -> None:
        """Forget a candidate that its children stand for."""
        self._stuck.pop(parent.path, None)

    def stop_when(self, stopping: Stopping | None, n: int, how: Aggregate, *, verified: bool) -> None:
        """Put this rule to work on the votes so far and those of `n` paths to come."""
        valued = verified or any(s.value is not None for s in self._solutions.values())
        self._watch = watch(stopping, how, len(self) + n, self._equivalence, valued=valued)
        if self._watch:
            for solution in self._solutions.values():
                self._watch.count(solution)

    def count(self, candidates: list[Candidate], compute: int) -> None:
        """Count votes, where all so far has taken `compute`. Raises Agreed where the rest is not worth it."""
        if not self._watch:
            return
        counted = [self._watch.count(c) for c in candidates if c.path in self._solutions]
        if any(counted) and self._watch.enough(compute / len(self)):
            raise Agreed
