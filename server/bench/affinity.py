"""What prefix affinity is worth, in vLLM's own counters: the same searches on the same replicas, with it and without.

    vllm serve MODEL --port 8101 ... & vllm serve MODEL --port 8102 ... &
    python -m server.bench.affinity --generators http://127.0.0.1:8101,http://127.0.0.1:8102

The replicas serve the embedded generator's checkpoint; the embedded verifier judges here. Every question comes with
solved examples of its own before it, so that its prompt is of a usual length. Rounds alternate between the two arms on
the same questions, each arm and round under a cache salt of its own, so that none finds what another left.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.progress import track
from rich.table import Table

from router.answering import answer
from router.budget import Budget
from router.evaluation.metrics import Estimate
from router.policy.fixed import FixedPolicy
from router.types import Message, Problem
from server.embedded.problems import family, splits
from server.gateway import Model
from server.settings import Settings
from server.wiring import opened

_HITS, _QUERIES = "vllm:prefix_cache_hits", "vllm:prefix_cache_queries"
_LEVELS = 5
_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Arm:
    """Prompt tokens looked up in the prefix caches and found there, both per round."""

    name: str
    queries: list[float]
    hits: list[float]

    @property
    def rate(self) -> Estimate:
        """The hit rate: a ratio of sums, with a percentile bootstrap over rounds."""
        hits, queries = np.asarray(self.hits), np.asarray(self.queries)
        picks = np.random.default_rng(0).integers(0, len(hits), (_RESAMPLES, len(hits)))
        low, high = np.percentile(hits[picks].sum(1) / queries[picks].sum(1), [2.5, 97.5])
        return Estimate(float(hits.sum() / queries.sum()), float(low), float(high), len(hits))


async def measure(
    urls: Sequence[str], strategy: str, samples: int, rounds: Sequence[Sequence[Problem]]
) -> tuple[Arm, Arm]:
    """Search for the answers of each round's problems at once, in either arm."""
    arms = Arm("affinity", [], []), Arm("least loaded", [], [])
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(opened(Settings()))
        models = [await stack.enter_async_context(opened(_settings(urls, arm is arms[0]))) for arm in arms]
        for number, problems in enumerate(track(rounds, "searching", console=Console(stderr=True))):
            for arm, model in list(zip(arms, models, strict=True))[:: 1 if number % 2 else -1]:
                salted = [_salted(p, f"{arm.name} {number}") for p in problems]
                before = await _counters(urls)
                await asyncio.gather(*(_search(model, judge, strategy, samples, p) for p in salted))
                after = await _counters(urls)
                arm.hits.append(after[_HITS] - before[_HITS])
                arm.queries.append(after[_QUERIES] - before[_QUERIES])
    return arms


def _settings(urls: Sequence[str], affinity: bool) -> Settings:
    return Settings(generators=tuple(urls), affinity=affinity)


async def _search(model: Model, judge: Model, strategy: str, samples: int, problem: Problem) -> None:
    policy = FixedPolicy(strategy, samples)
    await answer(problem, Budget(samples=samples), generator=model.generator, scorer=judge.scorer, policy=policy)


def _problems(count: int, examples: int, seed: int) -> list[Problem]:
    """Return questions of the test split, each behind examples of the calibration split that no other has."""
    asked = _shuffled(splits.draw("test", -(-count // _LEVELS), seed), seed)[:count]
    solved = _shuffled(splits.draw("calibration", -(-count * examples // _LEVELS), seed), seed)
    return [
        Problem((*chain.from_iterable(map(_turns, solved[i * examples : (i + 1) * examples])), _question(problem)))
        for i, problem in enumerate(asked)
    ]


def _shuffled(problems: Sequence[family.Problem], seed: int) -> list[family.Problem]:
    return [problems[int(i)] for i in np.random.default_rng(seed).permutation(len(problems))]


def _turns(problem: family.Problem) -> tuple[Message, Message]:
    return _question(problem), Message("assistant", family.solution(problem))


def _question(problem: family.Problem) -> Message:
    return Message("user", problem.question)


def _salted(problem: Problem, salt: str) -> Problem:
    return Problem(problem.messages, extra={"cache_salt": salt})


async def _counters(urls: Sequence[str]) -> dict[str, float]:
    totals = {_HITS: 0.0, _QUERIES: 0.0}
    async with httpx.AsyncClient() as client:
        for url in urls:
            for family in text_string_to_metric_families((await client.get(f"{url}/metrics")).text):
                if family.name in totals:
                    totals[family.name] += sum(s.value for s in family.samples if s.name.endswith("_total"))
    return totals


def main(
    generators: Annotated[str, typer.Option(help="URLs of the replicas, with commas.")],
    strategy: Annotated[str, typer.Option()] = "beam_search",
    samples: Annotated[int, typer.Option(min=1)] = 16,
    rounds: Annotated[int, typer.Option(min=2)] = 20,
    at_once: Annotated[int, typer.Option(help="Problems of one round, searched at the same time.", min=1)] = 5,
    examples: Annotated[int, typer.Option(help="Solved ones before each question.", min=0)] = 2,
    seed: Annotated[int, typer.Option(help="Draws the problems.")] = 0,
    results: Annotated[Path | None, typer.Option("--json", help="Write the results here.")] = None,
) -> None:
    """Measure the hit rates and print them."""
    urls = [url.strip() for url in generators.split(",")]
    problems = _problems(rounds * at_once, examples, seed)
    groups = [problems[i * at_once : (i + 1) * at_once] for i in range(rounds)]
    arms = asyncio.run(measure(urls, strategy, samples, groups))
    table = Table(
        title=f"{strategy}@{samples}, {len(urls)} replicas, {rounds} rounds of {at_once} questions, seed {seed}"
    )
    for column in ("replica chosen by", "prompt tokens", "found in a prefix cache", "hit rate", "computed"):
        table.add_column(column, justify="right")
    for arm in arms:
        rate, hits, queries = arm.rate, sum(arm.hits), sum(arm.queries)
        shown = f"{rate.mean:.3f} [{rate.low:.3f}, {rate.high:.3f}]"
        table.add_row(arm.name, f"{queries:.0f}", f"{hits:.0f}", shown, f"{queries - hits:.0f}")
    Console(width=110).print(table)
    if results is not None:
        rows = [{**asdict(arm), "rate": asdict(arm.rate)} for arm in arms]
        results.write_text(
            json.dumps(
                {"strategy": strategy, "samples": samples, "examples": examples, "seed": seed, "arms": rows}, indent=1
            )
        )


if __name__ == "__main__":
    typer.run(main)
