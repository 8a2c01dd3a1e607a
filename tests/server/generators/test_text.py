import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from router.types import Finish
from server.generators.text import Text


def written(text: Text, *pieces: str) -> Finish | None:
    """Push pieces until one ends the text."""
    return next((finish for piece in pieces if (finish := text.push(piece))), None)


def test_without_stops_everything_is_kept():
    text = Text()
    assert written(text, "a\n\n", "b") is None
    assert text.close() == "a\n\nb"


def test_a_step_ends_with_its_blank_line():
    text = Text(steps=True)
    assert written(text, "a\n", "\nb") is Finish.STEP
    assert (text.close(), text.surplus) == ("a\n\n", 1)


def test_the_blank_line_before_a_step_does_not_end_it():
    text = Text(steps=True, before="first\n\n")
    assert written(text, "\nsecond") is None
    assert written(text, "\n\n") is Finish.STEP


def test_blank_lines_before_the_first_word_end_no_step():
    text = Text(steps=True)
    assert written(text, "\n\n", " \n", "\n\na", "b\n") is None
    assert written(text, "\nc") is Finish.STEP
    assert text.close() == "\n\n \n\n\nab\n\n"


def test_a_stop_string_is_cut_off():
    text = Text(["END"])
    assert written(text, "a E", "ND b") is Finish.EOS
    assert (text.close(), text.surplus) == ("a ", 5)


def test_a_stop_string_may_begin_in_the_text_before():
    text = Text(["\n\nQ:"], before="answer\n\n")
    assert written(text, "Q", ": next") is Finish.EOS
    assert text.close() == ""


def test_a_stop_string_in_the_text_before_is_none_here():
    assert written(Text(["\n", "wxyz"], before="a\n"), "b") is None


def test_of_two_stop_strings_the_first_counts():
    text = Text(["b", "abc"])
    assert written(text, "xabc") is Finish.EOS
    assert text.close() == "x"


def test_a_stop_string_wins_over_the_end_of_a_step():
    for stop in ("\n\n", "\n", "\n\nQ", "\nQ"):
        text = Text([stop], steps=True)
        assert written(text, "a\n\nQ") is Finish.EOS
        assert text.close().rstrip("\n") == "a"


def test_a_step_wins_over_a_stop_string_behind_it():
    text = Text(["Q"], steps=True)
    assert written(text, "a\n\nQ") is Finish.STEP


def test_empty_stop_strings_stop_nothing():
    assert written(Text([""]), "a") is None


def test_what_may_become_a_stop_string_is_held_back():
    emitted = list[str]()
    text = Text(["END"], emit=emitted.append)
    text.push("aE")
    text.push("N")
    assert emitted == ["a"]
    text.push("x")
    assert "".join(emitted) == "aENx"
    text.push(" EN")
    assert text.close() == "".join(emitted) == "aENx EN"


@settings(deadline=None)
@given(
    text=st.text("ab\n", max_size=40),
    stops=st.lists(st.text("ab\n", max_size=3), max_size=3),
    steps=st.booleans(),
    before=st.text("ab\n", max_size=4),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_pieces_do_not_matter_and_what_was_emitted_is_the_text(
    text: str, stops: list[str], steps: bool, before: str, cuts: list[int]
):
    emitted = list[str]()
    pieces = Text(stops, steps=steps, before=before, emit=emitted.append)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    finish = written(pieces, *(text[a:b] for a, b in itertools.pairwise(edges)))
    assert pieces.close() == "".join(emitted)
    letters = Text(stops, steps=steps, before=before)
    assert (written(letters, *text) is None) == (finish is None)
    assert text.startswith(str(pieces))
    if finish is None:
        assert str(pieces) == text
    if finish is Finish.STEP:
        assert str(pieces).endswith("\n\n")
        assert str(pieces).lstrip("\n").count("\n\n") == 1
