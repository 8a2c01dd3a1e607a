"""Outcome reward models: one score for a whole answer."""

from ..ports import ClassLogits, Floats, Head, Item, Passage
from ..tokens import Tokens, TokensError
from .readout import checked, clean, sigmoid


class Outcome:
    """Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems" (arXiv 2110.14168).

    Sequence classifiers with one label (Skywork-Reward-*, any *ForSequenceClassification of a decoder) read the last
    token of a rendered conversation; so did Qwen2.5-Math-RM-72B, which wants its `system` turn. The score goes
    through a sigmoid: such models are trained on differences of scores (Bradley and Terry 1952), so that it ranks
    answers but is a probability only up to a constant.

    One score cannot be shared out over steps. It is the last step's; the others get 1, which says nothing against
    them, so that the last, the least and the product of the rewards are all the score. The mean is not.
    """

    def __init__(self, tokens: Tokens, *, system: str | None = None) -> None:
        if not tokens.can_chat:
            raise TokensError("an outcome reward model needs a chat template")
        self._tokens, self._opening = tokens, () if system is None else (("system", system),)

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "outcome"

    @property
    def head(self) -> Head:
        """One score."""
        return ClassLogits()

    def lay_out(self, item: Item) -> Passage:
        """Return the whole conversation, read at its end. Raises ValueError."""
        problem, steps = clean(self._tokens, item)
        turns = (*self._opening, ("user", problem), ("assistant", "\n\n".join(steps)))
        ids = self._tokens.encode(self._tokens.chat(turns)).ids
        return Passage(ids, (len(ids) - 1,), (*((0, 0) for _ in steps[1:]), (0, 1)))

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return 1 for every step but the last, which has the score. Raises HostError."""
        score = float(sigmoid(checked(passage, values, 1))[0, 0])
        return (*(1.0 for _ in passage.spans[1:]), score)
