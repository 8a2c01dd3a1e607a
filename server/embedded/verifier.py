"""A language model as the router's scorer: an implicit process reward.

A step's reward is what a stronger model than the generator thinks of the step's tokens, calibrated to the
probability that the step is right (implicit rewards: Yuan et al. 2024, arXiv 2412.01981; here without a reference
model and without training for it).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from router.ports import ScorerError, Scores
from router.types import Candidate, Finish, Problem
from server.calibration import Calibration

from .checkpoint import Floats
from .engine import Engine, EngineError
from .orders import Passage
from .prompts import Prompts
from .tokenizer import Tokenizer


class EmbeddedVerifier:
    """Adapts an engine to `router.ports.Scorer`. `ratio` is verifier parameters / generator parameters."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        prompts: Prompts,
        calibration: Calibration,
        *,
        name: str,
        ratio: float,
    ) -> None:
        self._engine, self._tokenizer, self._prompts = engine, tokenizer, prompts
        self._calibration, self._name, self._ratio = calibration, name, ratio

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def ratio(self) -> float:
        """What one scorer token costs in generator tokens."""
        return self._ratio

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Return the most tokens that judging a candidate of the embedded generator can take.

        Each token of prompt and candidate goes through the model at most once: a step that extends a cached one
        feeds one cached token again, but saves at least that one.
        """
        return prompt_tokens + tokens

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge candidates; one without text gets no rewards. `tokens` leaves out cache hits and duplicates.

        Raises ScorerError.
        """
        try:
            prompt = await self._prompts.ids(problem)
            answers = [self._tokens(candidate) for candidate in candidates]
            passages = [Passage(prompt + answer, len(prompt)) for answer in answers if answer]
            self._check_lengths(passages)
            judgement = await self._engine.score(passages)
        except (EngineError, ValueError) as error:
            raise ScorerError(str(error)) from error
        logprobs = iter(judgement.logprobs)
        rewards = [self._rewards(answer, next(logprobs)) if answer else () for answer in answers]
        return Scores(tuple(rewards), judgement.tokens)

    def _check_lengths(self, passages: Sequence[Passage]) -> None:
        longest, context = max((len(p.tokens) for p in passages), default=0), self._engine.model.config.context
        if longest > context:
            raise ValueError(f"a candidate has {longest} tokens with its prompt, the verifier's context is {context}")

    def _tokens(self, candidate: Candidate) -> tuple[int, ...]:
        """Return the tokens of a candidate's text: its ids, where they are that text, else the text encoded anew."""
        text, ids = candidate.text, candidate.ids
        if not text.strip():
            return ()
        if ids and self._tokenizer.knows(ids):
            if self._tokenizer.decode(ids) == text:
                return ids
            if kept := self._until_cut(text.encode(), ids):
                return kept
        ending = (self._tokenizer.eos,) if candidate.finish is Finish.EOS else ()
        return self._tokenizer.encode(text) + ending

    def _until_cut(self, text: bytes, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids that reach to where a stop string cut the text, often within a token; () if they differ."""
        written = [self._tokenizer.bytes_of(token) for token in ids]
        if not b"".join(written).startswith(text):
            return ()
        starts = accumulate(map(len, written), initial=0)
        return tuple(token for token, start in zip(ids, starts, strict=False) if start < len(text))

    def _rewards(self, answer: tuple[int, ...], logprobs: Floats) -> tuple[float, ...]:
        return tuple(self._calibration.reward(logprobs[step]) for step in self._steps(answer))

    def _steps(self, answer: tuple[int, ...]) -> list[slice]:
        """Return where the steps stand: each up to and with its separator or the end of text, without empty ones."""
        ends = [i + 1 for i, token in enumerate(answer) if token == self._tokenizer.separator]
        bounds = [0, *ends, len(answer)]
        steps = [slice(a, b) for a, b in pairwise(bounds)]
        return [step for step in steps if self._tokenizer.decode(answer[step]).strip()]
