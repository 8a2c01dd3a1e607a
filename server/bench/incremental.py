r"""How many tokens a reward model computes in a beam search, with what it computed before kept and without.

    python -m server.bench.incremental
    python -m server.bench.incremental --problems 40 --temperature 1.6 --json incremental.json

A real search of the router, 16 beams in groups of 4, over the embedded generator; the scorer is the embedded verifier
on torch, as the scoring service hosts it. The search follows the host that keeps what it computed. One that keeps
nothing judges the same candidates beside it, so that every reward can be compared: two searches would part where two
candidates of the same text tie and the last bit decides.

What theory predicts. Let the prompt have P tokens and every step s, and let N candidates be judged in each of R
rounds. A stateless scorer reads the prompt and the whole path every time,

    T_stateless = sum over r = 1..R of N (P + r s) = N (R P + s R (R + 1) / 2),

an incremental one the prompt once and then only what is new,

    T_incremental = P + N R s.

For N R s much larger than P the factor is therefore

    T_stateless / T_incremental = P / s + (R + 1) / 2:

each token is read once instead of once in every later round, and the prompt once instead of N R times. That is
`closed_form`. Steps are not all of one length and paths end at different times; with the lengths of the candidates
that really came, `predicted` is sum(P + path) / (P + sum(new)). Siblings that begin alike, or are alike, cost less
than that: if each distinct beginning counts once, `counted` remains, and the measured factor must be exactly that.
At the usual temperature the small embedded generator repeats itself so much that this is most of the saving; a high
temperature shows the prediction by itself.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from router.budget import Budget, Ledger
from router.extraction import split_steps
from router.ports import Scores
from router.search import Search
from router.strategies.beam_search import BeamSearch
from router.types import Candidate, Finish, Message, Problem
from server.embedded import Embedded, load
from server.embedded.problems import family as problems
from server.prm.families import load_family
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.ports import Family, Host, Item, Passage
from server.prm.prefixes import PrefixTree

_VERIFIER = Path(__file__).parents[1] / "embedded" / "weights" / "verifier"
_BEAMS, _GROUP = 16, 4

Steps = tuple[int, ...]


@dataclass(slots=True)
class Side:
    """One host, and what it answered: rewards by path, tokens computed, seconds taken."""

    host: Host
    rewards: dict[Steps, tuple[float, ...]] = field(default_factory=dict[Steps, tuple[float, ...]])
    computed: int = 0
    seconds: float = 0.0

    async def read(self, family: Family, paths: Sequence[Steps], passages: Sequence[Passage]) -> int:
        """Judge passages and return how many tokens that took."""
        start = perf_counter()
        readings = await self.host.read(passages)
        self.seconds += perf_counter() - start
        for path, passage, reading in zip(paths, passages, readings, strict=True):
            self.rewards[path] = family.rewards(passage, reading.values)
        computed = sum(reading.computed for reading in readings)
        self.computed += computed
        return computed


@dataclass(slots=True)
class TwoSided:
    """The router's scorer for one search: answers as `keeping` does, and asks `forgetting`, too."""

    family: Family
    keeping: Side
    forgetting: Side
    seen: PrefixTree[Any]
    """Every text of this run: a prompt begins like the one before it, too."""
    ratio: float = 1.0
    name: str = "two-sided"
    prompt: int = 0
    rounds: int = 0
    lengths: dict[Steps, int] = field(default_factory=dict[Steps, int])
    distinct: int = 0

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Return what one candidate can take."""
        return 2 * (prompt_tokens + tokens) + 64

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge candidates from their text, as the scoring service does."""
        paths = [candidate.path for candidate in candidates]
        passages = [self.family.lay_out(_item(problem, candidate)) for candidate in candidates]
        self.rounds += 1
        for path, passage in zip(paths, passages, strict=True):
            self.prompt = passage.reads[0]
            self.lengths[path] = len(passage.tokens)
            self.distinct += self.seen.insert(passage.tokens)
        await self.forgetting.read(self.family, paths, passages)
        computed = await self.keeping.read(self.family, paths, passages)
        return Scores(tuple(self.keeping.rewards[path] for path in paths), computed)

    @property
    def whole(self) -> int:
        """Tokens of all that was asked."""
        return sum(self.lengths.values())

    @property
    def new(self) -> int:
        """The prompt, and what each candidate added to its parent."""
        parents = (self.lengths.get(path[:-1], self.prompt) for path in self.lengths)
        return self.prompt + self.whole - sum(parents)


@dataclass(frozen=True, slots=True)
class Row:
    """All problems together: `rounds` and `prompt` per problem, `step` per candidate, the others are sums."""

    problems: int
    rounds: float
    prompt: float
    step: float
    candidates: int
    stateless: int
    incremental: int
    factor: float
    counted: float
    predicted: float
    closed_form: float
    rewards: int
    largest_difference: float
    stateless_seconds: float
    incremental_seconds: float


async def _search(models: Embedded, scorer: TwoSided, problem: Problem, seed: int) -> None:
    measure = await models.generator.measure(problem)
    ledger = Ledger(Budget(samples=_BEAMS), measure.room)
    search = Search(problem, measure, ledger, models.generator, scorer, longest=measure.room, seed=seed)
    try:
        await BeamSearch(_BEAMS, _GROUP)(search)
    finally:
        search.close()
    if search.degraded:
        raise RuntimeError(f"the scorer failed: {', '.join(search.degraded)}")


async def measure(count: int, temperature: float | None, threads: int) -> Row:
    """Search for the answers to `count` hard problems."""
    family = load_family("implicit", _VERIFIER)
    keeping, forgetting = (
        TransformersHost(_VERIFIER, family.head, TransformersOptions(threads=threads, cache_tokens=tokens))
        for tokens in (200_000, 0)
    )
    models, rng, searched, seen = load(), Random(7), list[TwoSided](), PrefixTree[Any](0)
    models.start()
    try:
        await keeping.start()
        await forgetting.start()
        for seed in range(count):
            question = problems.make(rng, level=3 + seed % 3).question
            searched.append(TwoSided(family, Side(keeping), Side(forgetting), seen))
            problem = Problem((Message("user", question),), temperature=temperature)
            await _search(models, searched[-1], problem, seed)
        return _summed(searched)
    finally:
        for closing in (models, keeping, forgetting):
            await closing.aclose()


def _summed(searched: Sequence[TwoSided]) -> Row:
    count, candidates = len(searched), sum(len(s.lengths) for s in searched)
    stateless, incremental = sum(s.forgetting.computed for s in searched), sum(s.keeping.computed for s in searched)
    rounds, prompts = sum(s.rounds for s in searched) / count, sum(s.prompt for s in searched)
    new = sum(s.new for s in searched)
    step = (new - prompts) / candidates
    differences = [
        abs(a - b)
        for s in searched
        for path, rewards in s.keeping.rewards.items()
        for a, b in zip(rewards, s.forgetting.rewards[path], strict=True)
    ]
    return Row(
        problems=count,
        rounds=rounds,
        prompt=prompts / count,
        step=step,
        candidates=candidates,
        stateless=stateless,
        incremental=incremental,
        factor=stateless / incremental,
        counted=sum(s.whole for s in searched) / sum(s.distinct for s in searched),
        predicted=sum(s.whole for s in searched) / new,
        closed_form=prompts / count / step + (rounds + 1) / 2,
        rewards=len(differences),
        largest_difference=max(differences),
        stateless_seconds=sum(s.forgetting.seconds for s in searched),
        incremental_seconds=sum(s.keeping.seconds for s in searched),
    )


def _item(problem: Problem, candidate: Candidate) -> Item:
    return Item(problem.question, split_steps(candidate.text), candidate.finish is Finish.EOS)


def main(
    count: Annotated[int, typer.Option("--problems", help="How many, of levels 3 to 5.", min=1)] = 20,
    temperature: Annotated[float | None, typer.Option(help="Of the samples; the router's own by default.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch.", min=1)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the row here.")] = None,
) -> None:
    """Measure incremental scoring."""
    row = asyncio.run(measure(count, temperature, threads))
    table = Table("figure", "value")
    for name, value in asdict(row).items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.4g}")
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(row), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
