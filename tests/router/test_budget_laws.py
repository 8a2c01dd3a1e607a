"""Laws of the books that hold under any interleaving."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from router.budget import Budget, Hold, Ledger, Spent
from router.testing import run

from .test_budget import same, take, twice


@dataclass(frozen=True)
class Client:
    """Asks for samples at `start`, uses a share of each, and may be cancelled."""

    start: int
    count: int
    tokens: int
    seconds: int
    share: float
    lost: bool
    judged: bool
    cancelled: int | None


CLIENTS = st.lists(
    st.builds(
        Client,
        start=st.integers(0, 5),
        count=st.integers(1, 5),
        tokens=st.integers(1, 12),
        seconds=st.integers(0, 5),
        share=st.floats(0, 1),
        lost=st.booleans(),
        judged=st.booleans(),
        cancelled=st.none() | st.integers(0, 8),
    ),
    min_size=1,
    max_size=8,
)
BUDGETS = st.builds(Budget, samples=st.none() | st.integers(1, 8), tokens=st.none() | st.integers(1, 120))


class Office:
    """Lets clients loose on a ledger, and looks into the books after every one of their moves."""

    def __init__(self, budget: Budget, longest: int) -> None:
        self.ledger = Ledger(budget, longest)
        self.tokens = self.scorer_tokens = self.compute = self.paths = 0
        self.refused = 0

    def check(self) -> None:
        ledger = self.ledger
        assert ledger.samples_left >= 0
        assert ledger.tokens_left >= 0
        assert ledger.compute_left >= 0
        assert ledger.held >= 0
        assert ledger.overrun == 0
        assert ledger.spent == Spent(self.paths, self.tokens, self.scorer_tokens, self.compute)

    async def visit(self, client: Client) -> None:
        await asyncio.sleep(client.start)
        wanted = client.count
        while wanted > 0:
            hold = await self.ledger.reserve(wanted, client.tokens, twice if client.judged else same)
            if hold is None:
                self.refused += 1
                return
            assert 1 <= hold.count <= wanted
            wanted -= hold.count
            self.paths += hold.count
            try:
                self.check()
                await self.use(hold, client)
            finally:
                hold.release()
                self.check()

    async def use(self, hold: Hold, client: Client) -> None:
        each, price = hold.tokens // hold.count, hold.compute // hold.count
        for _ in range(hold.count):
            part = hold.split(each, price)
            try:
                await asyncio.sleep(client.seconds)
                self.spend(part, round(each * client.share), judged=client.judged)
                if client.lost:
                    self.ledger.hand_on()
                    self.paths -= 1
            finally:
                part.release()
            self.check()

    def spend(self, part: Hold, tokens: int, *, judged: bool) -> None:
        part.generated(tokens)
        self.tokens += tokens
        self.compute += tokens
        part.keep(tokens)
        if judged:
            part.judged(1, tokens)
            self.scorer_tokens += 1
            self.compute += tokens
        self.check()

    async def open(self, clients: list[Client]) -> None:
        tasks = [asyncio.create_task(self.visit(client)) for client in clients]
        loop = asyncio.get_running_loop()
        for task, client in zip(tasks, clients, strict=True):
            if client.cancelled is not None:
                loop.call_at(client.cancelled, task.cancel)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome


@settings(max_examples=400, deadline=None)
@given(BUDGETS, st.integers(12, 20), CLIENTS)
def test_the_books_balance_and_nobody_sleeps_forever_under_any_interleaving(
    budget: Budget, longest: int, clients: list[Client]
):
    office = Office(budget, longest)
    run(office.open(clients))  # raises where a waiter is left asleep
    office.check()
    assert office.ledger.held == 0
    if budget.samples is not None:
        assert office.ledger.tokens_left == budget.samples * longest - office.tokens
    if budget.tokens is None and budget.samples is None:
        assert office.refused == 0


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 4), st.integers(0, 20))
def test_a_shortened_sample_is_the_longest_that_fits(budget: int, tokens: int, ratio: int, prompt: int):
    def price(t: int) -> int:
        return t + ratio * (prompt + t)

    hold = take(Ledger(Budget(tokens=budget), tokens), 1, tokens, price)
    longest = max((t for t in range(1, tokens + 1) if price(t) <= budget), default=None)
    assert (hold.tokens if hold else None) == longest
