"""How fast the embedded engine decodes and scores, and what continuous batching costs over a bare loop.

    python -m server.bench.engine
    python -m server.bench.engine --json engine.json --repeat 5

Every figure is the best of `repeat` rounds, in tokens per second, with BLAS on one thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: it reads this once

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from router.ports import Tally
from router.types import Message
from server.embedded.checkpoint import load
from server.embedded.engine import Engine
from server.embedded.llama import Llama
from server.embedded.orders import Passage, Request
from server.embedded.problems import family
from server.embedded.sampling import draw, uniform
from server.embedded.slab import Slab
from server.embedded.tokenizer import Tokenizer

_WEIGHTS = Path(__file__).parents[1] / "embedded" / "weights"
_QUESTION = "What is (12 + 30) * 5 - 17 * 3 + 8?"

Prompt = tuple[int, ...]
Case = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: tokens that the model computed, and how many of them a second."""

    name: str
    tokens: int
    tokens_per_second: float


async def _best(name: str, repeat: int, run: Case) -> Row:
    tokens, rate = 0, 0.0
    for _ in range(repeat):
        start = perf_counter()
        tokens = await run()
        rate = max(rate, tokens / (perf_counter() - start))
    return Row(name, tokens, round(rate))


async def _generate(engine: Engine, prompt: Prompt, count: int, temperature: float) -> list[tuple[int, ...]]:
    request = Request(prompt, tuple(range(count)), temperature, 1.0, 320)
    return [completion.ids async for _, completion in engine.generate(request, Tally())]


async def _generate_all(engine: Engine, prompts: Sequence[Prompt], count: int, temperature: float = 0.8) -> int:
    engine.prefixes.clear()
    batches = await asyncio.gather(*(_generate(engine, prompt, count, temperature) for prompt in prompts))
    return sum(len(ids) for batch in batches for ids in batch)


async def _score(engine: Engine, passages: Sequence[Passage], *, fresh: bool) -> int:
    if fresh:
        engine.prefixes.clear()
    return (await engine.score(passages)).tokens


async def _score_by_steps(engine: Engine, passages: Sequence[Passage], separator: int) -> int:
    """Score the candidates as a search does: after each step, all of them so far."""
    engine.prefixes.clear()
    ends = [[i + 1 for i, token in enumerate(p.tokens) if token == separator] + [len(p.tokens)] for p in passages]
    computed = 0
    for step in range(max(map(len, ends))):
        beams = [Passage(p.tokens[: e[min(step, len(e) - 1)]], p.start) for p, e in zip(passages, ends, strict=True)]
        computed += await _score(engine, beams, fresh=False)
    return computed


async def _bare_loop(model: Llama, prompt: Prompt, rows: int) -> int:
    """Decode `rows` samples of one prompt without any scheduling: the floor for what the engine adds."""
    slab = Slab(model.config)
    slab.reserve(rows, len(prompt) + 320)
    fed, lengths = np.array([prompt[:-1]]), np.zeros(1, np.int64)
    model.forward(fed, lengths, slab.keys[:, :1], slab.values[:, :1])
    slab.fork(0, slice(1, rows), len(prompt))
    fed, lengths = np.full((rows, 1), prompt[-1]), np.full(rows, len(prompt) - 1)
    seeds, hot, ones = np.arange(rows, dtype=np.uint64), np.full(rows, 0.8), np.ones(rows)
    alive, tokens = np.ones(rows, np.bool_), 0
    for count in range(320):
        logits = model.logits(model.forward(fed, lengths + count, slab.keys, slab.values)[:, 0])
        fed = draw(logits, hot, ones, uniform(seeds, np.full(rows, count)))[:, None]
        tokens += int(alive.sum())
        alive &= fed[:, 0] != model.config.eos
        if not alive.any():
            break
    return tokens


async def measure(weights: Path, repeat: int) -> list[Row]:
    """Measure both models of `weights`."""
    tokenizer = Tokenizer(weights / "generator")
    models = [Llama(load(weights / name)) for name in ("generator", "verifier")]
    engines = [Engine(model, banned=tokenizer.banned, cache_bytes=128 * 2**20) for model in models]
    for engine in engines:
        engine.start()
    try:
        return [await _best(name, repeat, run) for name, run in await _cases(tokenizer, *engines)]
    finally:
        for engine in engines:
            await engine.aclose()


async def _cases(tokenizer: Tokenizer, generator: Engine, verifier: Engine) -> list[tuple[str, Case]]:
    prompt = tokenizer.prompt([Message("user", _QUESTION)])
    rng = Random(1)
    questions = [family.make(rng, level=3 + i % 3).question for i in range(16)]
    prompts = [tokenizer.prompt([Message("user", question)]) for question in questions]
    hard = [tokenizer.prompt([Message("user", family.make(rng, "arithmetic", 5).question)]) for _ in range(16)]
    answers = {prompt: await _generate(generator, prompt, 4, 1.0) for prompt in hard}
    passages = [Passage(prompt + ids, len(prompt)) for prompt, batch in answers.items() for ids in batch]
    return [
        ("generator, 1 greedy", lambda: _generate_all(generator, [prompt], 1, 0.0)),
        ("generator, bare loop 64 x 1", lambda: _bare_loop(generator.model, prompt, 64)),
        ("generator, 64 samples of one prompt", lambda: _generate_all(generator, [prompt], 64)),
        ("generator, 16 prompts x 4", lambda: _generate_all(generator, prompts, 4)),
        ("generator, 64 prompts x 4", lambda: _generate_all(generator, prompts * 4, 4)),
        ("verifier, 64 candidates, fresh", lambda: _score(verifier, passages, fresh=True)),
        ("verifier, 64 candidates, step by step", lambda: _score_by_steps(verifier, passages, tokenizer.separator)),
    ]


def main(
    weights: Annotated[Path, typer.Option(help="Holds generator/ and verifier/.")] = _WEIGHTS,
    repeat: Annotated[int, typer.Option(help="Rounds; the best one counts.", min=1)] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
) -> None:
    """Measure the embedded engine."""
    rows = asyncio.run(measure(weights, repeat))
    table = Table("case", "tokens", "tokens/s")
    for row in rows:
        table.add_row(row.name, f"{row.tokens:,}", f"{row.tokens_per_second:,}")
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
