"""Implicit process rewards: what a language model thinks of a step's tokens, alone or against a reference model."""

import numpy as np

from server.calibration import Calibration

from ..ports import Floats, Head, Item, Passage, TokenLogprobs
from ..tokens import Tokens, TokensError
from .readout import checked, clean, sigmoid

_BREAK = "\n\n"


class _Likelihood:
    """Lays an answer out as its author would have written it: the prompt, the steps, the end of text."""

    def __init__(self, tokens: Tokens, *, system: str | None = None) -> None:
        if not tokens.can_chat:
            raise TokensError("an implicit reward needs a chat template")
        self._tokens, self._opening = tokens, () if system is None else (("system", system),)

    @property
    def head(self) -> Head:
        """The log-probability of every token of the answer."""
        return TokenLogprobs()

    def lay_out(self, item: Item) -> Passage:
        """Return prompt and answer; a step reaches up to and with the blank line, or the end of text, behind it.

        The answer is encoded apart from the prompt, as a generator continues it. Raises ValueError.
        """
        problem, steps = clean(self._tokens, item)
        prompt = self._tokens.encode(self._tokens.chat((*self._opening, ("user", problem)), answer_follows=True)).ids
        answer = self._tokens.encode(_BREAK.join(steps) + ("" if item.finished else _BREAK))
        ids = answer.ids + ((self._tokens.eos,) if item.finished else ())
        ends, characters = list[int](), 0
        for step in steps[:-1]:
            characters += len(step) + len(_BREAK)
            ends.append(answer.at(characters - 1) + 1)
        spans = tuple(zip((0, *ends), (*ends, len(ids)), strict=True))
        if any(start >= stop for start, stop in spans):
            raise ValueError("a step has no token of its own in this vocabulary")
        return Passage(prompt + ids, tuple(range(len(prompt), len(prompt) + len(ids))), spans)


class Implicit(_Likelihood):
    """The likelihood of a step under a better model than the one that wrote it, calibrated: the embedded verifier.

    With a calibration (a logistic regression on the step's log-probabilities, Platt 1999) the reward estimates the
    probability that the step is right. Without one it is the mean probability of the step's tokens (geometric):
    good for comparing, not a probability of anything.
    """

    def __init__(self, tokens: Tokens, calibration: Calibration | None = None, *, system: str | None = None) -> None:
        super().__init__(tokens, system=system)
        self._calibration = calibration

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "implicit"

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return one reward a step. Raises HostError."""
        logprobs = np.minimum(checked(passage, values, 1)[:, 0], 0.0)
        steps = [logprobs[start:stop] for start, stop in passage.spans]
        if self._calibration is None:
            return tuple(float(np.exp(step.mean())) for step in steps)
        return tuple(self._calibration.reward(step) for step in steps)


class LogRatio(_Likelihood):
    """Yuan et al. 2024, "Free Process Rewards without Process Labels" (arXiv 2412.01981), proposition 3.1.

    A model trained as an outcome reward model whose reward is beta log(p / p_ref) has learned process rewards: those
    of a step's tokens add up to the step's. The host must read that ratio (`hosts.ratio.RatioHost`). The reward here
    is its sigmoid, as in the model's training loss, so that steps rank as in the paper; a step that changes nothing
    gets 1/2, therefore reduce by the least, not by the product. `beta` is what the model was trained with: 0.001 is
    what users of PRIME-RL/EurusPRM-Stage1 and -Stage2 compute with (reference: Qwen/Qwen2.5-Math-7B-Instruct).
    """

    def __init__(self, tokens: Tokens, *, beta: float = 0.001, system: str | None = None) -> None:
        super().__init__(tokens, system=system)
        self._beta = beta

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "log-ratio"

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return one reward a step from log-ratios (reads, 1). Raises HostError."""
        ratios = checked(passage, values, 1)[:, 0]
        sums = np.array([ratios[start:stop].sum() for start, stop in passage.spans])
        return tuple(float(p) for p in sigmoid(self._beta * sums))
