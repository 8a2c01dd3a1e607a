"""What can be told from a request before any sample is drawn, for nothing.

`answerable` says whether a request asks for one short final answer: only then can samples vote, and only then is
drawing several of any use. It is a logistic model over a few signs; its weights are in `answerable.json`, fitted and
measured by `python -m server.bench.answerable`. `features` are numbers from which the pass rate of a problem can be
predicted, once there is a record of pass rates to fit them to.
"""

import json
import re
from collections import Counter
from functools import cache
from math import exp, log1p
from pathlib import Path

from ..types import Problem
from .signs import SIGNS, Request, excerpt, numbers, words

WEIGHTS_FILE = Path(__file__).with_name("answerable.json")

_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_SENTENCE = re.compile(r"[.!?。？！](?=\s|$)|[。？！]|\n")
_SCALING, _COMPARING, _MODULAR, _SEEKING = (
    frozenset(words.split(","))
    for words in (
        "times,twice,half,double,doubles,third,quarter,each,every,per,equal,parts,percent,boxes,doppelt",
        "more,fewer,less,than,many,as,older,younger,same",
        "mod,modulo,remainder,divisible,divisor,digit,digits,rest",
        "use,using,make,arrange,ways,possible,smallest,largest,least,greatest,maximum,minimum,integers",
    )
)


def answerable(problem: Problem) -> float:
    """Return the probability that the last user message asks for one short final answer.

    A number, an expression, a letter of several choices, a name or a date that has to be worked out. Chat, texts to
    write, code, explanations, and facts that a model knows or does not know are no such requests. A conversation
    that does not end with the user's words (a tool's result, the beginning of an answer) is none either.
    """
    if not problem.messages or problem.messages[-1].role != "user":
        return 0.0
    bias, weights = _weights()
    score = bias + sum(w * s for w, s in zip(weights, signs(problem), strict=True))
    return 1.0 / (1.0 + exp(-score))


def signs(problem: Problem) -> tuple[float, ...]:
    """Return the signs of a request, each from 0 to 1, in the order of `signs.SIGNS`."""
    system = next((m.content for m in problem.messages if m.role == "system"), "")
    request = Request(problem.question, system)
    return tuple(sign(request) for sign in SIGNS.values())


@cache
def _weights() -> tuple[float, tuple[float, ...]]:
    """Read the bias and the weights. Raises ValueError when they are not for these signs."""
    fitted = json.loads(WEIGHTS_FILE.read_text())
    if list(fitted["weights"]) != list(SIGNS):
        raise ValueError(f"{WEIGHTS_FILE.name} was fitted to other signs: run python -m server.bench.answerable --fit")
    return fitted["bias"], tuple(fitted["weights"].values())


FEATURES = (
    "length", "words", "sentences", "numbers", "largest number", "digits", "sums", "differences", "products",
    "quotients", "powers", "nesting", "equations", "unknowns", "formulas", "scaling", "comparing", "names", "modular",
    "seeking",
)  # fmt: skip
"""What `features` returns, in order. Counts are as log(1 + n); `largest number` counts its digits, at most 30."""


def features(problem: Problem) -> tuple[float, ...]:
    """Return what makes a problem hard, as far as its text shows it, in the order of `FEATURES`."""
    text = excerpt(problem.question)
    found, every = numbers(text), words(text)
    count = Counter(every)
    digits = [len(n.partition(".")[0].replace(",", "")) for n in found]
    counts = (
        len(text),
        len(every),
        len(_SENTENCE.findall(text)),
        len(found),
        *_signs_of_arithmetic(text, sum(digits), max(digits, default=0)),
        text.count("="),
        sum(n for word, n in count.items() if len(word) == 1 and word not in "aio"),
        text.count("\\") + text.count("$"),
        sum(count[w] for w in _SCALING),
        sum(count[w] for w in _COMPARING),
        len(set(_NAME.findall(text))),
        sum(count[w] for w in _MODULAR) + text.count("%"),
        sum(count[w] for w in _SEEKING),
    )
    return tuple(log1p(n) for n in counts)


def _signs_of_arithmetic(text: str, digits: int, largest: int) -> tuple[int, ...]:
    return (
        min(largest, 30),
        digits,
        text.count("+"),
        text.count("-") + text.count("−"),
        text.count("*") + text.count("×") + text.count("\\cdot") + text.count("\\times"),
        text.count("/") + text.count("÷") + text.count("\\frac"),
        text.count("^") + text.count("²") + text.count("³"),
        _nesting(text),
    )


def _nesting(text: str) -> int:
    """Return how deep brackets are nested, at most ten."""
    depth = deepest = 0
    for bracket in re.findall(r"[()\[\]{}]", text):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return min(deepest, 10)
