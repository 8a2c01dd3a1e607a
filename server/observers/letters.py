"""Answers as letters: which were equal can be told without telling what they were."""

from collections.abc import Hashable
from string import ascii_uppercase

from router.equality import key


class Letters:
    """A, B, C, ... Z, AA, AB, ... by first appearance; equal answers have the same letter."""

    def __init__(self) -> None:
        self.answers = dict[str, str]()
        """Each letter's answer, as it was worded first."""
        self._known = dict[Hashable, str]()

    def of(self, answer: str | None) -> str | None:
        """Return the letter of `answer`; None where there is none."""
        if answer is None:
            return None
        letter = self._known.get(same := key(answer))
        if letter is None:
            letter = self._known[same] = _letter(len(self._known))
            self.answers[letter] = answer
        return letter


def _letter(index: int) -> str:
    letters = ""
    while index >= 0:
        index, place = divmod(index, 26)
        letters = ascii_uppercase[place] + letters
        index -= 1
    return letters
