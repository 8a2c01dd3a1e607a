"""What a comparison can say, and what it may cost."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """UNDECIDED is no DIFFERENT: the pair was too long, too deep, too large or too slow, or nobody can read it."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class GraderOptions:
    """Limits of a Grader. Time is seconds of a worker's wall clock; waiting for a free worker is not counted.

    `seconds_per_item` bounds one look at one answer or pair, `seconds_per_call` all of them in one `cluster`;
    `memory` is bytes of address space of a worker; `remembered` verdicts are kept.
    """

    workers: int = 2
    seconds_per_item: float = 1.0
    seconds_per_call: float = 2.0
    memory: int = 512 * 2**20
    remembered: int = 4096

    def __post_init__(self) -> None:
        if min(self.workers, self.seconds_per_item, self.seconds_per_call, self.memory, self.remembered) <= 0:
            raise ValueError("every limit of a grader is above zero")
