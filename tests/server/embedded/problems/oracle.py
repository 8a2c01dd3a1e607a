"""A second, independent reading of the problems: it computes the answer from the question's text alone."""

import re
from fractions import Fraction


def answer_of(question: str) -> int:
    """The answer of any question but a countdown."""
    if question.startswith("Solve"):
        return _equation(question)
    if " mod " in question:
        return _remainder(question)
    if " has " in question:
        return _story(question) if " now?" in question else _chain(question)
    text = re.sub(r"^(What is|Compute|Calculate|Evaluate) |[?.]$", "", question)
    return _python(text)


def _python(text: str) -> int:
    assert re.fullmatch(r"[0-9+\-*/() ]+", text), text
    value = eval(text.replace("/", "//"))  # noqa: S307  # digits and operators only; the family divides exactly
    assert value == eval(re.sub(r"(\d+)", r"Fraction(\1)", text), {"Fraction": Fraction})  # noqa: S307
    return value


def _equation(question: str) -> int:
    left, right = re.sub(r"(\d)(?=[x(])", r"\1*", question.removeprefix("Solve for x: ").rstrip(".")).split(" = ")
    solutions = [x for x in range(1, 1000) if eval(left, {"x": x}) == eval(right, {"x": x})]  # noqa: S307
    assert len(solutions) == 1
    return solutions[0]


def _remainder(question: str) -> int:
    text, modulus = question.removeprefix("What is ").rstrip("?").split(" mod ")
    return eval(text.replace("^", "**")) % int(modulus)  # noqa: S307


def _chain(question: str) -> int:
    *facts, last = question.split(". ")
    owned: dict[str, int] = {}
    while len(owned) < len(facts):
        for fact in facts:
            words = fact.rstrip(".").split()
            if (other := words[-1]) in owned:
                owned[words[0]] = _related(words, owned[other])
            elif len(words) == 4:
                owned[words[0]] = int(words[2])
    match = re.search(r"does (\w+) have", last)
    assert match
    return owned[match[1]]


def _related(words: list[str], other: int) -> int:
    if words[2] == "half":
        assert other % 2 == 0
        return other // 2
    number = int(words[2])
    return {"more": other + number, "fewer": other - number, "times": other * number}[words[3]]


def _story(question: str) -> int:
    *told, _ = question.split(". ")
    value = int(re.findall(r"\d+", told[0])[0])
    for event in told[1:]:
        numbers = [int(number) for number in re.findall(r"\d+", event)]
        match event.split()[2]:
            case "buys":
                value += numbers[0]
            case "loses":
                value -= numbers[0]
            case "gets":
                value += numbers[0] * numbers[1]
            case "gives":
                value -= numbers[0] * numbers[1]
            case "doubles":
                value *= 2
            case _:
                assert value % numbers[0] == 0
                value //= numbers[0]
        assert value >= 1
    return value
