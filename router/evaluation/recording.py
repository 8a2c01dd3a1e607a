"""Samples and rewards that were paid for once and are replayed: a sweep over policies costs no new generation.

Replaying changes no count of generated tokens, since a sample carries its own. What a scorer reads is counted anew
for each request, which pays for everything once and knows nothing of the others. Times are measured without replaying.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..ports import Draw, Generator, GeneratorError, Measure, Scorer, Scores, Tally
from ..types import Candidate, Finish, Problem, Sample


class Tape:
    """What was drawn and judged, in memory and, with a path, in a file of JSON lines that later runs go on with.

    The first line says what it is a tape of. Raises ValueError when the file is of something else.
    """

    def __init__(self, path: Path | None = None, heading: Mapping[str, object] | None = None) -> None:
        self._samples = dict[str, Sample]()
        self._rewards = dict[str, tuple[float, ...]]()
        self._path = path
        if path is not None and path.exists() and path.stat().st_size:
            self._read(path, heading or {})
        elif path is not None:
            self._write({"heading": heading or {}})

    def sample(self, key: str) -> Sample | None:
        """Return what was drawn under this key."""
        return self._samples.get(key)

    def rewards(self, key: str) -> tuple[float, ...] | None:
        """Return the step rewards of what was judged under this key."""
        return self._rewards.get(key)

    def add_sample(self, key: str, sample: Sample) -> None:
        """Record a sample. What the backend says of single tokens is left out."""
        self._samples[key] = sample
        line = [key, sample.text, sample.tokens, str(sample.finish), list(sample.ids), round(sample.logprob, 6)]
        self._write({"sample": line})

    def add_rewards(self, key: str, rewards: tuple[float, ...]) -> None:
        """Record a judgement."""
        self._rewards[key] = rewards
        self._write({"rewards": [key, rewards]})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _read(self, path: Path, heading: Mapping[str, object]) -> None:
        with path.open("r+", encoding="utf-8") as file:
            first = json.loads(file.readline())
            if first != json.loads(json.dumps({"heading": heading})):
                raise ValueError(f"{path} holds samples of something else; remove it or name another file")
            line = "\n"
            for line in file:
                self._recall(line)
            if not line.endswith("\n"):  # cut by an interruption: what follows must not be appended to half a line
                file.write("\n")

    def _recall(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            return  # cut by an interruption: it is drawn again
        if "sample" in entry:
            key, text, tokens, finish, ids, logprob = entry["sample"]
            self._samples[key] = Sample(text, tokens, Finish(finish), tuple(ids), logprob)
        elif "rewards" in entry:
            key, rewards = entry["rewards"]
            self._rewards[key] = tuple(rewards)


class RecordedGenerator:
    """A generator in front of another that draws no sample twice: same problem, prefix, seed and limits.

    Samples come as from a batch whose rows all grow at the same pace, the shortest first. A call that is abandoned is
    charged what the others would have written by then, whether or not they were on tape before.
    """

    def __init__(self, generator: Generator, tape: Tape) -> None:
        self._generator = generator
        self._tape = tape

    @property
    def name(self) -> str:
        """The model's name."""
        return self._generator.name

    async def measure(self, problem: Problem) -> Measure:
        """Ask the generator behind."""
        return await self._generator.measure(problem)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        """Draw and record what is not on tape, to its end, and yield everything from there."""
        failure = await self._complete(draw, tally)
        taped = ((j, self._tape.sample(_key(draw, j))) for j in range(draw.count))
        rows = sorted(((j, s) for j, s in taped if s is not None), key=lambda row: row[1].tokens)
        done = written = 0
        try:
            for j, sample in rows:
                await asyncio.sleep(0)  # whoever wants to abandon the rest can do so now
                written, done = sample.tokens, done + 1
                tally.tokens += written
                if on_text is not None and j == 0:
                    on_text(sample.text)
                yield j, sample
        finally:
            tally.tokens += written * (len(rows) - done)
        if failure is not None:
            raise failure

    async def _complete(self, draw: Draw, tally: Tally) -> GeneratorError | None:
        """Put on tape what is missing; return how a call failed, once its unfinished samples have been charged."""
        missing = [j for j in range(draw.count) if self._tape.sample(_key(draw, j)) is None]
        for first, count in _runs(missing):
            part, finished = Tally(), 0
            try:
                async for j, sample in self._generator.sample(
                    replace(draw, count=count, seed=draw.seed + first), part, None
                ):
                    self._tape.add_sample(_key(draw, first + j), sample)
                    finished += sample.tokens
            except GeneratorError as failure:
                return failure
            finally:
                tally.tokens += max(0, part.tokens - finished)
        return None


class RecordedScorer:
    """A scorer in front of another that judges no candidate twice, for the length of one request.

    Its tokens are counted as if it read them now, and nothing else: what this request has had judged before is not
    read again. With `batch` 0, of each candidate only what no other began with is read (docs/adr/0010). Otherwise it
    reads that many tokens in one pass, and those of one pass share no more than their prompt, as in the embedded
    engine; the token that a candidate branches off at is then fed once more. Candidates without token ids are charged
    in full.
    """

    def __init__(self, scorer: Scorer, tape: Tape, batch: int = 0) -> None:
        self._scorer = scorer
        self._tape = tape
        self._batch = batch
        self._read = dict[tuple[int, int], int]()
        """What this request has had judged, as a tree: from a node (0 is the prompt) and a token to the next node."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self._scorer.name

    @property
    def ratio(self) -> float:
        """The price of its tokens."""
        return self._scorer.ratio

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Ask the scorer behind."""
        return self._scorer.bill(prompt_tokens, tokens)

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Return the rewards on tape; judge and record the candidates that are not on it."""
        keys = [_digest(problem, c.text, c.finish is Finish.EOS) for c in candidates]
        missing = {k: c for k, c in zip(keys, candidates, strict=True) if self._tape.rewards(k) is None}
        if missing:
            scores = await self._scorer.score(problem, list(missing.values()), prompt_tokens)
            for key, rewards in zip(missing, scores.rewards, strict=True):
                self._tape.add_rewards(key, rewards)
        tokens = sum(self.bill(prompt_tokens, c.tokens) for c in candidates if not c.ids)
        tokens += self._reading([c.ids for c in candidates if c.ids], prompt_tokens)
        most = sum(self.bill(prompt_tokens, c.tokens) for c in candidates)
        return Scores(tuple(self._tape.rewards(k) or () for k in keys), min(tokens, most))

    def _reading(self, texts: Sequence[tuple[int, ...]], prompt_tokens: int) -> int:
        """Return how many tokens go through the model, pass by pass, the candidates with the least to read first."""
        again = 1 if self._batch else 0
        tokens = 0 if self._read or not texts else prompt_tokens - again
        waiting = list(dict.fromkeys(texts))
        while waiting:
            new = {ids: len(ids) - self._known(ids) for ids in waiting}
            waiting = sorted((ids for ids in waiting if new[ids]), key=new.__getitem__)
            together = _fitting([new[ids] for ids in waiting], self._batch)
            for ids in waiting[:together]:
                tokens += new[ids] + again
                self._remember(ids)
            waiting = waiting[together:]
        return tokens

    def _known(self, ids: tuple[int, ...]) -> int:
        """Return how many of these tokens, from the first, have been read."""
        node = 0
        for place, token in enumerate(ids):
            following = self._read.get((node, token))
            if following is None:
                return place
            node = following
        return len(ids)

    def _remember(self, ids: tuple[int, ...]) -> None:
        node = 0
        for token in ids:
            node = self._read.setdefault((node, token), len(self._read) + 1)


def _fitting(lengths: Sequence[int], batch: int) -> int:
    """Return how many rows, shortest first and padded to the longest, make up one pass: at least one."""
    fits = (n for n, length in enumerate(lengths, start=1) if n > 1 and n * (length + 1) > batch)
    return next(fits, len(lengths) + 1) - 1


def _key(draw: Draw, j: int) -> str:
    limits = draw.seed + j, draw.max_tokens, draw.whole, draw.temperature
    return _digest(draw.problem, draw.prefix.text, limits)


def _digest(problem: Problem, *what: object) -> str:
    asked = problem.messages, problem.top_p, problem.stop, sorted(problem.extra.items())
    return blake2b(repr((asked, what)).encode(), digest_size=12).hexdigest()


def _runs(indices: list[int]) -> list[tuple[int, int]]:
    """Return (first, length) of each run of consecutive indices."""
    runs = list[tuple[int, int]]()
    for i in indices:
        if runs and sum(runs[-1]) == i:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((i, 1))
    return runs
