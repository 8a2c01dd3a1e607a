"""RLHFlow's process reward models: a conversation in which the assistant judges one step per turn."""

from ..ports import Floats, Head, Item, Passage, TokenLogits
from ..tokens import Ids, Tokens, TokensError
from .readout import better, checked, clean, one_read_each

_SLOT = "\ue000"
"""Stands in a rendered conversation where a sign will: one character for one, so that no place shifts."""


class RlhFlow:
    """Dong et al. 2024, "RLHF Workflow" (arXiv 2405.07863); the layout is of math-rm/prm_evaluate.py in its repository.

    The first user turn is the problem, a blank and the first step; each later one is a step. The assistant answers
    every one with "+", whatever it thinks of it, and the reward is the softmax of + and - where that sign is
    predicted: one token *before* it (the script reads the third token from the end of a Llama 3 conversation, which
    is that place). Models: RLHFlow/Llama3.1-8B-PRM-Deepseek-Data and -Mistral-Data.
    """

    def __init__(self, tokens: Tokens, *, good: str = "+", bad: str = "-") -> None:
        self._tokens, self._good = tokens, good
        turns = self._turns("a", ("b",))
        signs = [self._encode(turns, sign) for sign in (good, bad)]
        self._signs = tuple(ids[places[0]] for ids, places in signs)
        if self._signs[0] == self._signs[1]:
            raise TokensError(f"the vocabulary does not tell {good!r} from {bad!r}")

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "rlhflow"

    @property
    def head(self) -> Head:
        """The logits of the good and the bad sign."""
        return TokenLogits(self._signs)

    def lay_out(self, item: Item) -> Passage:
        """Return the conversation up to where the last sign is predicted. Raises ValueError."""
        problem, steps = clean(self._tokens, item)
        turns = self._turns(problem.replace(_SLOT, "\ufffd"), tuple(step.replace(_SLOT, "\ufffd") for step in steps))
        ids, places = self._encode(turns, self._good)
        if len(places) != len(steps) or any(ids[place] != self._signs[0] for place in places):
            raise ValueError("the chat template does not keep one sign for every step")
        return one_read_each(ids, [place - 1 for place in places])

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return the probability of the good sign for each step. Raises HostError."""
        logits = checked(passage, values, 2)
        return better(logits[:, 0], logits[:, 1])

    def _turns(self, problem: str, steps: tuple[str, ...]) -> list[tuple[str, str]]:
        asked = (f"{problem} {steps[0]}", *steps[1:])
        return [turn for text in asked for turn in (("user", text), ("assistant", _SLOT))]

    def _encode(self, turns: list[tuple[str, str]], sign: str) -> tuple[Ids, list[int]]:
        """Return the conversation's tokens and where the signs are among them."""
        text = self._tokens.chat(turns)
        slots = [i for i, character in enumerate(text) if character == _SLOT]
        encoded = self._tokens.encode(text.replace(_SLOT, sign))
        return encoded.ids, [encoded.at(slot) for slot in slots]
