"""Math-Shepherd: a language model that says after each step whether it is good."""

import re

from ..ports import Floats, Head, Item, Passage, TokenLogits
from ..tokens import Tokens, TokensError
from .readout import better, checked, clean, one_read_each

_LABELLED = re.compile(r"(?i)step\s*\d+")


class MathShepherd:
    """Wang et al. 2024, "Math-Shepherd" (arXiv 2312.08935), section 3.3.

    The layout is the one of the data set peiyi9979/Math-Shepherd and of the card of math-shepherd-mistral-7b-prm:
    the problem, a blank, then lines "Step k: ... ки" where the tag ки stands for a label. The model was trained to
    say + or - at the tag, as tokens that follow a blank (648 and 387 of its vocabulary, the tag is 12902); the reward
    is the softmax of the two there. Several public scorers look for the tag's token instead of remembering where
    they put it, and then count a Russian word in the text as a step.
    """

    def __init__(self, tokens: Tokens, *, tag: str = "ки", good: str = "+", bad: str = "-") -> None:
        self._tokens, self._tag = tokens, tag
        self.separator = tokens.last_of(f"a {tag}")
        """The token that is read: what vLLM calls the step tag. Text may contain it, too."""
        if len(tokens.encode(f"a {tag}").ids) != len(tokens.encode("a").ids) + 1:
            raise TokensError(f"the tag {tag!r} is not one token of this vocabulary")
        self._signs = tokens.last_of(f"a {good}"), tokens.last_of(f"a {bad}")
        if self._signs[0] == self._signs[1]:
            raise TokensError(f"the vocabulary does not tell {good!r} from {bad!r}")

    @property
    def name(self) -> str:
        """How it is called in settings."""
        return "shepherd"

    @property
    def head(self) -> Head:
        """The logits of the good and the bad sign."""
        return TokenLogits(self._signs)

    def lay_out(self, item: Item) -> Passage:
        """Return problem and labelled steps, each with its tag. Raises ValueError."""
        problem, steps = clean(self._tokens, item)
        text, tags = problem + " ", list[int]()
        for number, step in enumerate(steps, 1):
            label = "" if _LABELLED.match(step) else f"Step {number}: "
            text += f"{label}{step} {self._tag}"
            tags.append(len(text) - 1)
            text += "\n"
        encoded, opening = self._tokens.encode(text), self._tokens.opening
        reads = [encoded.at(tag) for tag in tags]
        if any(encoded.ids[read] != self.separator for read in reads):
            raise ValueError(f"the tag {self._tag!r} does not stay one token in this text")
        return one_read_each(opening + encoded.ids, [len(opening) + read for read in reads])

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return the probability of the good sign at each tag. Raises HostError."""
        logits = checked(passage, values, 2)
        return better(logits[:, 0], logits[:, 1])
