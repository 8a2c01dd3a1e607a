"""Skywork-o1-Open-PRM: a value head, read at the end of each step's last line."""

from ..ports import ClassLogits, Floats, Head, Item, Passage
from ..tokens import Tokens
from .readout import checked, clean, one_read_each, sigmoid


class SkyworkPrm:
    """The layout is of model_utils/io_utils.py and prm_model.py in SkyworkAI/skywork-o1-prm-inference.

    Beginning of sequence, problem and a line break, then every line encoded by itself and closed by the token of a
    line break; there is no chat template. The value head (`v_head.summary`, one output with a bias, on the last
    hidden state) is read at line breaks and goes through a sigmoid. A line is what the model calls a step. A step of
    several lines is laid out as the model saw such text and gets the value at its last line; blank lines, which
    would be empty steps, are left out.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.separator = tokens.last_of("\n")
        """The token that is read: what vLLM calls the step tag. It closes lines inside a step, too."""

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "skywork"

    @property
    def head(self) -> Head:
        """One value."""
        return ClassLogits()

    def lay_out(self, item: Item) -> Passage:
        """Return problem and lines, with one read a step. Raises ValueError."""
        problem, steps = clean(self._tokens, item)
        ids = [*self._tokens.encode(f"{self._tokens.bos}{problem}\n").ids]
        reads = list[int]()
        for step in steps:
            for line in filter(str.strip, step.replace("\r\n", "\n").split("\n")):
                ids += [*self._tokens.encode(line).ids, self.separator]
            reads.append(len(ids) - 1)
        return one_read_each(ids, reads)

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return the sigmoid of the value of each step. Raises HostError."""
        return tuple(float(p) for p in sigmoid(checked(passage, values, 1)[:, 0]))
