"""Linear equations in x with a positive whole solution: `Solve for x: 3(x + 4) = 2x + 20.`."""

import re
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from .expressions import rational
from .problem import Problem
from .wording import Wording

QUESTION = "Solve for x: %s = %s."


@dataclass(frozen=True, slots=True)
class Side:
    """`coefficient x + constant`, or `coefficient(x + shift) + constant` where there is a shift."""

    coefficient: int
    constant: int
    shift: int | None = None

    def __str__(self) -> str:
        """Return the family's text, as in `3x - 4` or `3(x + 1) + 2`."""
        if self.shift is not None:
            return f"{self.coefficient}(x + {self.shift}){_signed(self.constant)}"
        if self.coefficient == 0:
            return str(self.constant)
        return f"{'' if self.coefficient == 1 else self.coefficient}x{_signed(self.constant)}"

    def expanded(self) -> "Side":
        """Return the same side without parentheses."""
        return Side(self.coefficient, self.constant + self.coefficient * (self.shift or 0))


def _signed(constant: int) -> str:
    return "" if constant == 0 else f" + {constant}" if constant > 0 else f" - {-constant}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest numbers; a constant without parentheses may be negative.

    With x on both sides, `coefficient` bounds both coefficients where there are parentheses; else the right one and
    how much larger the left one is. `right_shift` None follows the left shift.
    """

    coefficient: int
    shift: int = 0
    constant: int = 0
    right_shift: int | None = None

    def largest_right_shift(self, shift: int) -> int:
        """Return the largest right shift beside this left one."""
        return self.right_shift or shift + 9


SOLUTIONS = {1: 20, 2: 20, 3: 60, 4: 150, 5: 900}
LEVELS = {3: Limits(12, 20), 4: Limits(39, 60, 300), 5: Limits(99, 99, 900)}  # those with parentheses
X_ON_THE_LEFT = Limits(coefficient=9, constant=30)
X_ON_BOTH_SIDES = Limits(coefficient=9, constant=60)


def make(rng: Random, level: int) -> Problem:
    """One linear equation."""
    x = rng.randint(1, SOLUTIONS[level])
    if level == 1:
        return one_step(rng, level, x)
    if level == 2:
        return two_steps(rng, level, x) if rng.random() < 0.5 else both_sides(rng, level, x)
    return one_bracket(rng, level, x, LEVELS[3]) if level == 3 else two_brackets(rng, level, x, LEVELS[level])


def one_step(rng: Random, level: int, x: int) -> Problem:
    """`x + 5 = 12` or `4x = 20`."""
    if rng.random() < 0.5:
        constant = _constant(rng, X_ON_THE_LEFT)
        inverse = f"{x + constant} {'-' if constant > 0 else '+'} {abs(constant)}"
        return _problem(level, Side(1, constant), Side(0, x + constant), [f"x = {inverse} = {x}."], x)
    a = rng.randint(2, X_ON_THE_LEFT.coefficient)
    return _problem(level, Side(a, 0), Side(0, a * x), [f"x = {a * x} / {a} = {x}."], x)


def two_steps(rng: Random, level: int, x: int) -> Problem:
    """`3x + 5 = 20`."""
    left = Side(rng.randint(2, X_ON_THE_LEFT.coefficient), _constant(rng, X_ON_THE_LEFT))
    return _isolate(level, left, _right(left, 0, x), x)


def both_sides(rng: Random, level: int, x: int) -> Problem:
    """`5x - 7 = 2x + 20`."""
    right = rng.randint(1, X_ON_BOTH_SIDES.coefficient)
    left = Side(right + rng.randint(1, X_ON_BOTH_SIDES.coefficient), _constant(rng, X_ON_BOTH_SIDES))
    return _isolate(level, left, _right(left, right, x), x)


def _constant(rng: Random, limits: Limits) -> int:
    return rng.randint(1, limits.constant) * rng.choice([1, -1])


def one_bracket(rng: Random, level: int, x: int, limits: Limits) -> Problem:
    """`3(x + 4) = 2x + 20`."""
    left_coefficient, right_coefficient = _coefficients(rng, limits.coefficient)
    left = Side(left_coefficient, 0, rng.randint(1, limits.shift))
    right = _right(left.expanded(), right_coefficient, x)
    expand = f"Expand to {left.expanded()} = {right}."
    return _isolate(level, left, right, x, [expand])


def two_brackets(rng: Random, level: int, x: int, limits: Limits) -> Problem:
    """`7(x + 4) + 30 = 3(x + 9) + 63`."""
    a, c = _coefficients(rng, limits.coefficient)
    shift, constant = rng.randint(1, limits.shift), rng.randint(1, limits.constant)
    left = Side(a, constant, shift)
    right_shift = rng.randint(1, limits.largest_right_shift(shift))
    simple = _right(left.expanded(), c, x)
    rest = simple.constant - c * right_shift
    expand = f"Expand to {Side(a, a * shift)} + {constant} = {Side(c, c * right_shift)}{_signed(rest)}."
    simplify = f"Simplify to {left.expanded()} = {simple}."
    return _isolate(level, left, Side(c, rest, right_shift), x, [expand, simplify])


def _coefficients(rng: Random, largest: int) -> tuple[int, int]:
    """Two coefficients, the left one the larger."""
    while True:
        right, left = rng.randint(1, largest), rng.randint(2, largest)
        if left > right:
            return left, right


def _right(left: Side, coefficient: int, x: int) -> Side:
    """Return the right side with this coefficient that makes x the solution."""
    return Side(coefficient, left.coefficient * x + left.constant - coefficient * x)


def _isolate(level: int, left: Side, right: Side, x: int, steps: list[str] | None = None) -> Problem:
    """Finish a solution: gather x on the left, the constants on the right, and divide."""
    steps = steps or []
    start, end = left.expanded(), right.expanded()
    a, d = start.coefficient - end.coefficient, end.constant
    if end.coefficient:
        steps.append(f"Move x to get {Side(a, start.constant)} = {d}.")
    steps.append(f"Move the constant to get {Side(a, 0)} = {d - start.constant}.")
    if a > 1:
        steps.append(f"x = {d - start.constant} / {a} = {x}.")
    return _problem(level, left, right, steps, x)


def _problem(level: int, left: Side, right: Side, steps: list[str], x: int) -> Problem:
    return Problem("equation", level, QUESTION % (left, right), tuple(steps), str(x))


_TERM = re.compile(
    r"([+-]?)(?:(?P<bracket>\d{0,4})\(x\+(?P<shift>\d{1,5})\)|(?P<x>\d{0,5})x|(?P<constant>\d{1,9}))(?=[+-]|$)"
)
_LEAD = re.compile(r"^(?:for x ?[:,]?|x ?[:,]|x (?:if|when|where|in|given|such that) |if |:) ?")
_TAIL = re.compile(r",? (?:(?:solve |find )?for|what is|what's|find) x$")


def _terms(text: str) -> list[re.Match[str]] | None:
    """Return the signed terms of a side without spaces, or None if it is no sum of such terms."""
    terms, at = list[re.Match[str]](), 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None or (terms and not term[1]):
            return None
        terms.append(term)
        at = term.end()
    return terms or None


def _part(term: re.Match[str]) -> Side:
    """One term as a side of its own, its sign included."""
    sign = -1 if term[1] == "-" else 1
    if term["constant"] is not None:
        return Side(0, sign * int(term["constant"]))
    if term["shift"] is not None:
        return Side(sign * int(term["bracket"] or 1), 0, int(term["shift"]))
    return Side(sign * int(term["x"] or 1), 0)


def read_side(text: str) -> Side | None:
    """Read one side: at most one term in x (positive) and one constant, in either order."""
    parts = [_part(term) for term in _terms(text) or []]
    unknowns = [part for part in parts if part.coefficient]
    constants = [part for part in parts if not part.coefficient]
    if not parts or len(unknowns) > 1 or len(constants) > 1 or any(part.coefficient < 0 for part in unknowns):
        return None
    constant = constants[0].constant if constants else 0
    return Side(unknowns[0].coefficient, constant, unknowns[0].shift) if unknowns else Side(0, constant)


def read_equation(text: str) -> tuple[Side, Side] | None:
    """Read both sides of an equation; None if it is not one of this family's form."""
    if re.search(r"\d \d", text) or text.count("=") != 1:  # "1 2x" would become "12x"
        return None
    compact = text.replace(" ", "").replace("*x", "x").replace("*(", "(")
    left, right = (read_side(side) for side in compact.split("="))
    return (left, right) if left is not None and right is not None else None


def solve(left: Side, right: Side) -> Fraction | None:
    """Return the one solution, or None if there is none or every number is one."""
    a, b = left.expanded(), right.expanded()
    if a.coefficient == b.coefficient:
        return None
    return Fraction(b.constant - a.constant, a.coefficient - b.coefficient)


_REWRITTEN = re.compile(r"(?:Expand|Simplify|Move x|Move the constant) to (?:get )?([^=]+) = ([^=]+)\.")
_SOLVED = re.compile(r"x = (-?\d{1,9} [-+/] \d{1,9}) = (\d{1,9})\.")


def step_holds(step: str, x: int) -> bool:
    """Tell whether a step is an equation whose one solution is x, or the last sum that yields x."""
    if match := _SOLVED.fullmatch(step):
        return int(match[2]) == x and rational(f"0 + {match[1]}".replace("+ -", "- ")) == x
    match = _REWRITTEN.fullmatch(step)
    if match is None or re.search(r"\d \d", step):
        return False
    left, right = (_total(side.replace(" ", "")) for side in match.groups())
    return left is not None and right is not None and solve(left, right) == x


def _total(text: str) -> Side | None:
    """Return the sum of all terms of a side."""
    parts = [_part(term).expanded() for term in _terms(text) or []]
    if not parts:
        return None
    return Side(sum(part.coefficient for part in parts), sum(part.constant for part in parts))


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if it is no equation of the family.

    An equation whose solution is not a positive whole number is not one of the family. The side with more
    x stands on the left.
    """
    sides = read_equation(_TAIL.sub("", _LEAD.sub("", wording.body, count=1), count=1))
    if sides is None:
        return None
    left, right = sorted(sides, key=lambda side: -side.coefficient)
    x = solve(left, right)
    return QUESTION % (left, right) if x is not None and x > 0 and x.denominator == 1 else None


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words."""
    sides = read_equation(question.removeprefix("Solve for x: ").removesuffix("."))
    x = solve(*sides) if sides else None
    if sides is None or x is None or x.denominator != 1:
        return False
    return any(1 <= x <= largest and _can_draw(*sides, level) for level, largest in SOLUTIONS.items())


def _can_draw(left: Side, right: Side, level: int) -> bool:
    """Tell whether a level has equations of these coefficients and constants, the solution apart."""
    if level in LEVELS:
        return 1 <= right.coefficient < left.coefficient and _brackets_fit(left, right, LEVELS[level])
    if left.shift is not None or right.shift is not None:
        return False
    limits = X_ON_BOTH_SIDES if right.coefficient else X_ON_THE_LEFT
    gap, constant_fits = left.coefficient - right.coefficient, 1 <= abs(left.constant) <= limits.constant
    if level == 2:
        return constant_fits and (1 if right.coefficient else 2) <= gap <= limits.coefficient
    one_step = constant_fits if gap == 1 else left.constant == 0 and 2 <= gap <= limits.coefficient
    return one_step and right.coefficient == 0


def _brackets_fit(left: Side, right: Side, limits: Limits) -> bool:
    shift = left.shift or 0
    if left.coefficient > limits.coefficient or not 1 <= shift <= limits.shift:
        return False
    if limits.constant == 0:
        return left.constant == 0 and right.shift is None
    return 1 <= left.constant <= limits.constant and 1 <= (right.shift or 0) <= limits.largest_right_shift(shift)
