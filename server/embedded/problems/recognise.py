"""Whether a text asks for a problem of the family, and how the family would put it.

The embedded models know only the family's exact sentences. A person types `whats 3+4?`; the model must
read `What is 3 + 4?`. Every rewriting keeps the meaning; a text with two readings is left alone.
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


def is_known(question: str) -> bool:
    """Return whether this text asks for a problem of the family, in its words or in near ones."""
    return _canonical(question) is not None


def canonical_question(question: str) -> str:
    """Return the question in the exact words the models were trained on; unknown text only loses its outer space."""
    return _canonical(question) or question.strip()


def _canonical(question: str) -> str | None:
    wording = read(question)
    if wording is None:
        return None
    return next((text for reader in _READERS if (text := reader(wording))), None)
