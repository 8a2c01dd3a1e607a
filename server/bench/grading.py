"""What comparing answers costs, and how well answers are read: per pair, cold and warm, per vote, and over GSM8K.

    python -m server.bench.grading
    python -m server.bench.grading --gsm8k gsm8k_train.jsonl.gz --json grading.json

Costs are of the wall clock, medians; cold is the first sight of a pair, warm another pair of the same form. With a
file of GSM8K its own solutions are read, as they are and without the line that states the answer.
"""

import asyncio
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Annotated, Any

import typer

from router.extraction import extract
from server.grading import Grader, Verdict
from server.grading.plain import settle

_STATED = re.compile(r"\n?#### (.*)$")
_CALCULATED = re.compile(r"<<[^<>]*>>")
"""For a calculator; no model writes it."""

_FORMS: dict[str, Callable[[Random], tuple[str, str]]] = {
    "surd": lambda r: (_surd(r), _surd(r)),
    "equal surds": lambda r: (rf"\frac{{\sqrt{{{(n := _prime(r))}}}}}{{{n}}}", rf"\frac{{1}}{{\sqrt{{{n}}}}}"),
    "polynomial": lambda r: (f"(x+{(n := r.randint(2, 999))})^2", f"x^2+{2 * n}x+{n * n}"),
    "pair": lambda r: (f"({_surd(r)},1)", f"({_surd(r)},1)"),
    "inequality": lambda r: (f"x<{(n := r.randint(2, 9999))}", f"{n}>x"),
    "matrix": lambda r: (_matrix(n := r.randint(2, 9999)), _matrix(n).replace("pmatrix", "bmatrix")),
}


def _prime(random: Random) -> int:
    return random.choice([p for p in range(100, 2000) if all(p % d for d in range(2, 45))])


def _surd(random: Random) -> str:
    return rf"\frac{{{random.randint(1, 99)}\sqrt{{{_prime(random)}}}}}{{{random.randint(2, 99)}}}"


def _matrix(number: int) -> str:
    return rf"\begin{{pmatrix}}1&{number}\\2&x\end{{pmatrix}}"


async def measure(seed: int, pairs: int) -> dict[str, Any]:
    """Return milliseconds per pair by form, microseconds per plain pair, and milliseconds per vote of 64 answers."""
    random = Random(seed)
    figures: dict[str, Any] = {"seed": seed, "pairs": pairs, "plain_us": _plain(random), "library_ms": {}}
    async with Grader() as grader:
        start = time.perf_counter()
        await grader.start()
        figures["start_s"] = round(time.perf_counter() - start, 2)
        for name, form in _FORMS.items():
            times = [await _timed(grader.compare(*form(random))) for _ in range(pairs)]
            figures["library_ms"][name] = {
                "cold": round(times[0], 2),
                "warm": round(median(times[1:]), 2),
                "p95": round(quantiles(times[1:], n=20)[-1], 2),
            }
        again = [await _timed(grader.compare(r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}")) for _ in range(100)]
        figures["remembered_us"] = round(1000 * median(again[1:]), 1)
    figures["vote_of_64_ms"] = {name: await _votes(draws, seed) for name, draws in _VOTES.items()}
    return figures


_VOTES: dict[str, Callable[[Random], str]] = {
    "16 integers": lambda r: str(r.randint(1, 16)),
    "16 fractions": lambda r: rf"\frac{{{r.randint(1, 16)}}}{{17}}",
    "16 surds": lambda r: rf"\frac{{{r.randint(1, 16)}\sqrt{{3}}}}{{17}}",
}


async def _votes(draw: Callable[[Random], str], seed: int) -> dict[str, float]:
    """Time a vote in a new worker, and another of unseen answers after it."""
    random = Random(seed)
    async with Grader() as grader:
        await grader.start()
        cold = await _timed(grader.cluster([draw(random) for _ in range(64)]))
        unseen = [draw(random).replace("17", "19") for _ in range(64)]
        return {"cold": round(cold, 2), "warm": round(await _timed(grader.cluster(unseen)), 2)}


def _plain(random: Random) -> dict[str, float]:
    """Time pairs that need no process; each text is new, then known."""
    drawn = [(str(random.randint(1, 10**9)), str(random.randint(1, 10**9))) for _ in range(2000)]
    pairs = {
        "equal strings": [(a, a) for a, _ in drawn],
        "different integers": drawn,
        "unit and decimal": [(f"{a}.0 cm", a) for a, _ in drawn],
    }
    return {name: round(1e6 * _mean(texts), 2) for name, texts in pairs.items()}


def _mean(pairs: Sequence[tuple[str, str]]) -> float:
    start = time.perf_counter()
    for pair in pairs:
        settle(*pair)
    return (time.perf_counter() - start) / len(pairs)


async def _timed(work: Any) -> float:
    start = time.perf_counter()
    await work
    return 1000 * (time.perf_counter() - start)


async def agreement(path: Path) -> dict[str, Any]:
    """Return verdicts on the answers read from the solutions of a GSM8K file against those it states."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        solutions: list[str] = [json.loads(line)["answer"] for line in file]
    ways = {
        "as published": list(solutions),
        "without the last line": [_CALCULATED.sub("", _STATED.sub("", s)) for s in solutions],
    }
    figures: dict[str, Any] = {"solutions": len(solutions)}
    async with Grader() as grader:
        for name, texts in ways.items():
            verdicts = Counter[str]()
            for text, solution in zip(texts, solutions, strict=True):
                stated, read = _STATED.search(solution), extract(text)
                truth = stated[1] if stated else ""
                verdicts["nothing read" if read is None else await grader.compare(read, truth)] += 1
            figures[name] = {str(k): v for k, v in verdicts.items()}
            figures[name]["agreement"] = round(verdicts[Verdict.EQUAL] / len(solutions), 4)
    return figures


def main(
    seed: Annotated[int, typer.Option(help="Draws the pairs.")] = 0,
    pairs: Annotated[int, typer.Option(help="Pairs of each form.", min=3)] = 40,
    gsm8k: Annotated[Path | None, typer.Option(help="JSONL as published, may be gzipped.", exists=True)] = None,
    results: Annotated[Path | None, typer.Option("--json", help="Write the results here too.")] = None,
) -> None:
    """Measure and print JSON."""
    figures = asyncio.run(measure(seed, pairs))
    if gsm8k is not None:
        figures["gsm8k"] = asyncio.run(agreement(gsm8k))
    text = json.dumps(figures, indent=1)
    if results is not None:
        results.write_text(text)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
