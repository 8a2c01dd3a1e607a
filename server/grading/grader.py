"""Answers compared and grouped: what is plain is decided here, what needs algebra is asked of a worker process."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from router.equality import key, number

from .limits import LONGEST
from .plain import algebraic, settle
from .pool import Allowance, Pool
from .verdict import GraderOptions, Verdict
from .wording import canonical


class Grader:
    """Grades within `async with`; any number of tasks may ask. Raises ImportError where math-verify is missing."""

    def __init__(self, options: GraderOptions | None = None) -> None:
        if find_spec("math_verify") is None:
            raise ImportError("comparing answers needs math-verify: pip install 'cogitate[grading]'")
        self._options = options or GraderOptions()
        self._pool = Pool(self._options)
        self._known = OrderedDict[tuple[str, ...], str | None]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def start(self) -> None:
        """Start a worker now, so that the first pair that needs one does not wait for it."""
        await self._pool.ask(("1",), self._allowance())

    async def compare(self, answer: str, truth: str) -> Verdict:
        """Tell whether `answer` is `truth`: within `seconds_per_item`, once a worker is up and free."""
        settled = settle(answer, truth)
        return settled if isinstance(settled, Verdict) else await self._judged(settled, self._allowance())

    async def cluster(self, answers: Sequence[str]) -> tuple[int, ...]:
        """Return the group number of each answer, groups numbered by first sight. The undecided stand alone."""
        first, names = dict[Hashable, str](), list[Hashable]()
        for answer in answers:
            text = canonical(answer) if len(answer) <= LONGEST else answer.strip()
            names.append(key(text) if len(text) <= LONGEST else text)
            first.setdefault(names[-1], text)
            await asyncio.sleep(0)  # reading takes up to a millisecond
        merged = await self._merged(list(first.values()))
        groups = dict[str, int]()
        return tuple(groups.setdefault(merged[first[name]], len(groups)) for name in names)

    async def _merged(self, texts: Sequence[str]) -> dict[str, str]:
        """Return for each text the first that is equal to it. Only texts of one mark are compared."""
        merged = {text: text for text in texts}
        readable = [text for text in texts if algebraic(text) or number(text) is not None]
        if not any(number(text) is None for text in readable):
            return merged
        allowance = self._allowance()
        buckets = defaultdict[str | None, list[str]](list)
        for text in readable:
            bucket = buckets[await self._asked((text,), allowance)]
            for other in bucket:
                if await self._judged((text, other), allowance) is Verdict.EQUAL:
                    merged[text] = other
                    break
            else:
                bucket.append(text)
        return merged

    async def _judged(self, pair: tuple[str, str], allowance: Allowance) -> Verdict:
        reply = await self._asked(pair, allowance)
        return Verdict.UNDECIDED if reply is None else Verdict(reply)

    async def _asked(self, texts: tuple[str, ...], allowance: Allowance) -> str | None:
        if texts in self._known:
            self._known.move_to_end(texts)
            return self._known[texts]
        if allowance.left <= 0:
            return None
        whole = allowance.whole
        reply = await self._pool.ask(texts, allowance)
        if reply is not None or whole:  # what was cut short may be asked again; what took its whole time may not
            self._known[texts] = reply
            while len(self._known) > self._options.remembered:
                self._known.popitem(last=False)
        return reply

    def _allowance(self) -> Allowance:
        return Allowance(self._options.seconds_per_item, self._options.seconds_per_call)
