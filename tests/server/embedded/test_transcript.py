import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.embedded.tokenizer import Tokenizer
from server.embedded.transcript import Transcript

from .make_golden import WEIGHTS

TOKENIZER = Tokenizer(WEIGHTS / "generator")


def write(text: str, stops: tuple[str, ...] = (), before: str = "") -> tuple[Transcript, list[str]]:
    """Push the tokens of a text one by one, as far as the transcript goes."""
    pieces: list[str] = []
    transcript = Transcript(TOKENIZER, stops, before, pieces.append)
    for token in TOKENIZER.encode(text):
        if transcript.push(token):
            break
    transcript.finish()
    return transcript, pieces


def test_text_comes_in_pieces_that_make_up_the_whole():
    transcript, pieces = write("## Step 1: 3 + 4 = 7.\n\n")
    assert transcript.text == "".join(pieces) == "## Step 1: 3 + 4 = 7.\n\n"
    assert len(pieces) > 5


@pytest.mark.parametrize("stop", ["= 7", "7.", " + 4 =", "#"])
def test_a_stop_string_cuts_the_text_before_it(stop: str):
    text = "## Step 1: 3 + 4 = 7.\n\n"
    transcript, pieces = write(text, (stop,))
    assert transcript.stopped
    assert transcript.text == "".join(pieces) == text[: text.index(stop)]


def test_the_earliest_of_several_stop_strings_counts():
    assert write("one two three", ("three", "two", ""))[0].text == "one "


def test_a_stop_string_may_begin_in_the_text_before():
    transcript, pieces = write("END of it", ("the END",), before="here is the ")
    assert transcript.stopped
    assert transcript.text == "".join(pieces) == ""


def test_what_may_become_a_stop_string_is_held_back_until_it_cannot():
    pieces: list[str] = []
    transcript = Transcript(TOKENIZER, ("7 8",), emit=pieces.append)
    for token in TOKENIZER.encode("7"):
        transcript.push(token)
    assert pieces == []
    for token in TOKENIZER.encode("9"):
        transcript.push(token)
    assert "".join(pieces) == "79"


@given(st.text("ab \n", max_size=30), st.lists(st.text("ab \n", max_size=4), max_size=3), st.text("ab", max_size=5))
def test_what_was_emitted_is_the_text_and_holds_no_stop_string(text: str, stops: list[str], before: str):
    transcript, pieces = write(text, tuple(stops), before)
    assert "".join(pieces) == transcript.text
    assert text.startswith(transcript.text)
    assert not any(stop and stop in transcript.text for stop in stops)
    assert transcript.stopped or transcript.text == text
