"""A file of pools, filled question by question, many at a time, with what comes in the way counted."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from router.calibration.pools import PoolFile
from router.evaluation.sweep import Models
from router.ports import GeneratorError

from .drawing import Asked, Shape, Skipped, draw

_FEW = 4
_LONGEST_REASON = 200


class Skips:
    """Why questions were skipped. Raises GeneratorError once `patience` in a row were, for the backend failed."""

    def __init__(self, patience: int) -> None:
        self.reasons = Counter[str]()
        self._patience = patience
        self._in_a_row = 0

    def add(self, skipped: Skipped) -> None:
        """Count one that was skipped."""
        self.reasons[str(skipped)[:_LONGEST_REASON]] += 1
        self._in_a_row += skipped.failed
        if self._in_a_row >= self._patience:
            raise GeneratorError(
                f"the last {self._in_a_row} questions all failed, so that nothing more is asked: {skipped}"
            )

    def forget(self) -> None:
        """Count one that was not."""
        self._in_a_row = 0


async def fill(
    file: PoolFile,
    asked: Sequence[Asked],
    models: Models,
    shape: Shape,
    concurrency: int,
    on_question: Callable[[bool], None],
) -> Counter[str]:
    """Write the pool of every question that has none yet; return why others were skipped, and how many.

    `on_question` is told after each whether it has a pool. Raises GeneratorError when the backend does nothing of what
    is asked of it, and OSError when the file cannot be written.
    """
    skips = Skips(max(_FEW, concurrency))
    waiting = iter([one for one in asked if not file.has(one.item)])

    async def work() -> None:
        for one in waiting:
            try:
                file.add(await draw(one, models, shape))
            except Skipped as reason:
                skips.add(reason)
                on_question(False)
            else:
                skips.forget()
                on_question(True)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except ExceptionGroup as faults:
        raise _first(faults) from None
    if skips.reasons and not file.pools:
        raise GeneratorError(f"every question was skipped: {skips.reasons.most_common(1)[0][0]}")
    return skips.reasons


def _first(faults: BaseException) -> BaseException:
    while isinstance(faults, BaseExceptionGroup):
        faults = cast("BaseExceptionGroup[BaseException]", faults).exceptions[0]
    return faults
