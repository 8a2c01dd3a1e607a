"""Qwen2.5-Math-PRM: a two-class head, read at a separator after each step."""

from ..ports import ClassLogits, Floats, Head, Item, Passage
from ..tokens import Tokens, TokensError
from .readout import better, checked, clean, one_read_each

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
"""What the model was trained with."""


class QwenPrm:
    """Zhang et al. 2025, "The Lessons of Developing Process Reward Models" (arXiv 2501.07301).

    The layout is the one of the model card of Qwen/Qwen2.5-Math-PRM-7B: a system turn, the problem, and an
    assistant's turn in which `<extra_0>` (token 151651) follows every step directly. The card takes the softmax over
    the two logits there; column 1 is "the step is right". Its own code counts every `<extra_0>` it finds as a step,
    so that one in the text itself must not stay whole.
    """

    def __init__(self, tokens: Tokens, *, system: str = SYSTEM, separator: str = "<extra_0>") -> None:
        if not tokens.can_chat:
            raise TokensError("this reward model needs a chat template")
        self._tokens, self._system, self._separator = tokens, system, separator
        self.separator = tokens.id_of(separator)
        """The token that is read: what vLLM calls the step tag."""

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "qwen"

    @property
    def head(self) -> Head:
        """Two classes: wrong, right."""
        return ClassLogits()

    def lay_out(self, item: Item) -> Passage:
        """Return the conversation up to the last separator. Raises ValueError."""
        problem, steps = clean(self._tokens, item, (self._separator,))
        answer = "".join(step + self._separator for step in steps)
        text = self._tokens.chat((("system", self._system), ("user", problem), ("assistant", answer)))
        ids = self._tokens.encode(text).ids
        reads = [i for i, token in enumerate(ids) if token == self.separator]
        if len(reads) != len(steps):
            raise ValueError(f"the chat template kept {len(reads)} of {len(steps)} separators")
        return one_read_each(ids, reads)

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return the probability of the second class at each separator. Raises HostError."""
        logits = checked(passage, values, 2)
        return better(logits[:, 1], logits[:, 0])
