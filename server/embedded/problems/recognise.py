"""Whether a text asks for a problem of the family, and how the family would put it.

The embedded models know only the family's exact sentences. A person types `whats 3+4?`; the model must
read `What is 3 + 4?`. Every rewriting keeps the meaning; a text with two readings is left alone.

A text may be put in the family's words and still be none of its problems, because no level draws such a
shape or so large a number: `99999 + 1` becomes `What is 99999 + 1?`, which the models cannot be trusted with.
"""

from . import arithmetic, countdown, equation, modular, quantities, word
from .wording import read

_READERS = (
    equation.canonical,
    modular.canonical,
    countdown.canonical,
    arithmetic.canonical,
    quantities.canonical,
    word.canonical,
)
_CAN_MAKE = (
    equation.can_make,
    modular.can_make,
    countdown.can_make,
    arithmetic.can_make,
    quantities.can_make,
    word.can_make,
)


def is_known(question: str) -> bool:
    """Return whether this text asks, in the family's words or in near ones, for a problem that some level makes."""
    text = _canonical(question)
    return text is not None and any(can_make(text) for can_make in _CAN_MAKE)


def canonical_question(question: str) -> str:
    """Return the question in the exact words the models were trained on; unknown text only loses its outer space."""
    return _canonical(question) or question.strip()


def _canonical(question: str) -> str | None:
    wording = read(question)
    if wording is None:
        return None
    return next((text for reader in _READERS if (text := reader(wording))), None)
