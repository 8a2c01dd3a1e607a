"""What is told from a request alone: who is to be searched for, and what makes a problem hard."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.difficulty import prompt
from router.difficulty.prompt import FEATURES, answerable, features, signs
from router.difficulty.signs import SIGNS, excerpt
from router.types import Message, Problem
from server.bench.answerable import area, family, fit, read

HELD_OUT = Path(__file__).parents[3] / "server/bench/prompts/heldout.txt"


def asked(text: str, *, system: str | None = None) -> Problem:
    user = Message("user", text)
    return Problem((user,) if system is None else (Message("system", system), user))


@pytest.mark.parametrize(
    "text",
    [
        "hi",
        "",
        "   \n",
        "thanks",
        "?",
        "what's the capital of France?",
        "write a poem about 7 cats",
        "Write a 200-word email about 3 meetings.",
        "Schreibe einen Brief an 3 Freunde.",
        "请写一篇500字的作文。",
        "Explain why the sum of two odd numbers is even.",
    ],
)
def test_chat_writing_and_facts_are_left_at_one_sample(text: str):
    assert answerable(asked(text)) < 0.3


@pytest.mark.parametrize(
    "text",
    [
        "What is 17 * 23?",
        "3x + 5 = 20",
        "Use 3, 8, 7 to make 31.",
        "A pen costs 3 dollars and a book 12. What do 4 pens and 2 books cost?",
        "Which gas do plants take in?\nA. oxygen\nB. carbon dioxide\nC. helium",
        "Wie viele Äpfel hat Anna, wenn sie 3 von 12 abgibt?",
        "Si Juan compra 4 libros a 7 euros, ¿cuánto paga?",
        "Combien font 12 fois 9 ?",
        "小红有12支铅笔，送给小明5支，还剩多少支？",
        "Tom is older than Ann. Ann is older than Bo. Who is the youngest of the three?",
        "Find $\\int_0^1 x^2 dx$.",
    ],
)
def test_what_has_one_short_answer_gets_to_search(text: str):
    assert answerable(asked(text)) > 0.5


def test_requests_nobody_fitted_to_are_told_apart():
    judged = [(answerable(e.problem), e.answer) for e in read(HELD_OUT)]
    assert area([p for p, kind in judged if kind], [p for p, kind in judged if not kind]) > 0.98
    assert sum((p > 0.5) is kind for p, kind in judged) / len(judged) > 0.95


def test_all_problems_of_the_embedded_family_get_to_search():
    assert min(answerable(e.problem) for e in family("calibration", 40)) > 0.5


def test_the_shipped_weights_are_what_the_command_fits():
    examples = [*read(HELD_OUT.with_name("train.txt")), *family("train", 60)]
    shipped = json.loads(prompt.WEIGHTS_FILE.read_text())
    fitted = fit(examples)
    assert fitted["fitted"]["digest"] == shipped["fitted"]["digest"]  # pyright: ignore[reportIndexIssue]
    assert fitted["weights"] == pytest.approx(shipped["weights"], abs=0.01)


def test_no_request_is_both_fitted_to_and_measured_on():
    assert not {e.text for e in read(HELD_OUT)} & {e.text for e in read(HELD_OUT.with_name("train.txt"))}


def test_a_conversation_that_does_not_end_with_the_user_is_not_searched():
    question = Message("user", "What is 3 * 4?")
    assert answerable(Problem((question, Message("tool", "12")))) == 0
    assert answerable(Problem((question, Message("assistant", "Let me see")))) == 0
    assert answerable(Problem(())) == 0


def test_only_the_last_message_of_the_user_counts():
    history = (Message("user", "What is 3 * 4?"), Message("assistant", "12"))
    assert answerable(Problem((*history, Message("user", "thanks")))) == answerable(asked("thanks"))


def test_a_system_message_that_demands_a_final_answer_makes_one_likelier():
    text = "It is Tuesday. Which day was it three days ago?"
    assert answerable(asked(text, system="Put your final answer in \\boxed{}.")) > answerable(asked(text))


def test_weights_for_other_signs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stale = tmp_path / "answerable.json"
    stale.write_text(json.dumps({"bias": 0.0, "weights": {"other": 1.0}}))
    monkeypatch.setattr(prompt, "WEIGHTS_FILE", stale)
    prompt._weights.cache_clear()
    with pytest.raises(ValueError, match=r"answerable\.json was fitted to other signs"):
        answerable(asked("hi"))
    monkeypatch.undo()
    prompt._weights.cache_clear()
    assert answerable(asked("hi")) < 0.3


@given(st.text(max_size=300))
def test_signs_and_probabilities_of_any_text_are_between_0_and_1(text: str):
    problem = asked(text)
    values = signs(problem)
    assert len(values) == len(SIGNS)
    assert all(0 <= v <= 1 for v in values)
    assert 0 <= answerable(problem) <= 1


@given(st.text(max_size=300))
def test_features_of_any_text_are_as_many_as_their_names_and_bounded(text: str):
    values = features(asked(text))
    assert len(values) == len(FEATURES)
    assert all(0 <= v < 8 for v in values)


def test_the_features_are_what_their_names_say():
    problem = asked("What is (3 * (1,234 + x)) mod 7? Use each of 2^5 twice - once = 1.")
    named = dict(zip(FEATURES, features(problem), strict=True))
    counts = {name: round(2.718281828459045**value - 1) for name, value in named.items()}
    expected = {"sentences": 2, "numbers": 6, "largest number": 4, "digits": 9, "sums": 1, "differences": 1}
    expected |= {"products": 1, "powers": 1, "nesting": 2, "equations": 1, "unknowns": 1, "modular": 1, "seeking": 1}
    expected |= {"scaling": 2, "formulas": 0, "names": 0, "quotients": 0, "comparing": 0}
    assert {name: counts[name] for name in expected} == expected


def test_of_a_long_text_only_the_ends_are_read():
    start, end = "What is 3 + 4 " * 100, " and how many are left in total?" * 50
    short, long = start + "-" * 3000 + end, start + "tell me a story " * 60_000 + end
    assert features(asked(long)) == features(asked(start + "tell me a story " * 100 + end))
    assert signs(asked(long))[0] == signs(asked(short))[0]
    assert len(excerpt(long)) < 5000
    assert excerpt("a" * 2000) == "a" * 2000


@pytest.mark.parametrize("unit", ["1", "$a", "\n", "(", "\\", "1,", "1-", "\ndef a", "¿", "几", "a)", "- ", "{ "])
def test_no_long_text_takes_long(unit: str):
    problem = asked(unit * (1_000_000 // len(unit)))
    assert len(features(problem)) == len(FEATURES)
    assert 0 <= answerable(problem) <= 1
