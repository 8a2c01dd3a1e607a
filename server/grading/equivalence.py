"""Mathematical equivalence, by math-verify and sympy: runs in a worker process only, for as long as it is let.

Both libraries are imported here and nowhere else. Their own time limits are signals that interrupt computations half
done, and are off; whoever calls this must be ready to kill the process.
"""

from functools import lru_cache
from importlib import import_module
from itertools import product
from typing import Any

from router.equality import key, number

from .verdict import Verdict
from .wording import Shape, split

_sympy: Any = import_module("sympy")
_math_verify: Any = import_module("math_verify")
_normalization: Any = import_module("latex2sympy2_extended.latex2sympy2").NormalizationConfig

_CONFIG = [
    _math_verify.LatexExtractionConfig(
        normalization_config=_normalization(
            basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
        )
    )
]
_DIGITS = 30
_MARK_DIGITS = 10
_CHECK_DIGITS = 50
_NOTHING = 1e-100
"""What is smaller is what is left of an exact zero."""

_POINTS = (0.2, 1.1), (-1.9, -0.7)
"""Where expressions are compared: every variable gets a value of its own in the interval."""


@lru_cache(1024)
def mark(text: str) -> str | None:
    """Return a fingerprint that equal answers share, of about ten digits; None where there is none.

    Expressions with variables are evaluated at a fixed point.
    """
    if (value := number(text)) is not None:
        return _rounded(_sympy.Rational(value.numerator, value.denominator))
    shape = split(text)
    if shape.kind == "atom":
        return _mark_of(expression(text))
    return _mark_of_all([mark(member) for member in shape.members])


def compare(answer: str, truth: str) -> Verdict:
    """Compare two canonical answers."""
    one, other = mark(answer), mark(truth)
    if one and other and one != other:
        return Verdict.DIFFERENT
    a, b = split(answer), split(truth)
    if a.kind == b.kind == "atom":
        return _atoms(answer, truth)
    if {a.kind, b.kind} <= {"list", "{}"} or a.kind == b.kind == "union":
        return _unordered(a, b)
    if a.kind == b.kind:
        return _ordered(a, b)
    if "atom" not in (a.kind, b.kind) and not {a.kind, b.kind} & {"list", "union"}:
        return Verdict.DIFFERENT  # (1,2) and [1,2]
    return _library(expression(answer), expression(truth))


def _atoms(answer: str, truth: str) -> Verdict:
    if key(answer) == key(truth):
        return Verdict.EQUAL
    a, b = expression(answer), expression(truth)
    verdict = _library(a, b)
    if verdict is not Verdict.DIFFERENT or _mark_of(a) is None or _mark_of(b) is None:
        return verdict
    if _evaluated(a, _POINTS[1], _CHECK_DIGITS) == _evaluated(b, _POINTS[1], _CHECK_DIGITS):
        return Verdict.EQUAL  # the library could not show it, but fifty digits at another point did
    return Verdict.UNDECIDED if a.free_symbols or b.free_symbols else Verdict.DIFFERENT


def _ordered(a: Shape, b: Shape) -> Verdict:
    if len(a.members) != len(b.members):
        return Verdict.DIFFERENT
    return _worst([compare(x, y) for x, y in zip(a.members, b.members, strict=True)])


def _unordered(a: Shape, b: Shape) -> Verdict:
    verdicts = {(x, y): compare(x, y) for x, y in product(a.members, b.members)}
    found = [_best([verdicts[x, y] for y in b.members]) for x in a.members]
    return _worst([*found, *(_best([verdicts[x, y] for x in a.members]) for y in b.members)])


def _worst(verdicts: list[Verdict]) -> Verdict:
    return next((v for v in (Verdict.DIFFERENT, Verdict.UNDECIDED) if v in verdicts), Verdict.EQUAL)


def _best(verdicts: list[Verdict]) -> Verdict:
    return next((v for v in (Verdict.EQUAL, Verdict.UNDECIDED) if v in verdicts), Verdict.DIFFERENT)


def _library(a: Any, b: Any) -> Verdict:
    if a is None or b is None:
        return Verdict.UNDECIDED
    try:
        same = _math_verify.verify(b, a, timeout_seconds=None, allow_set_relation_comp=True, raise_on_error=True)
    except Exception:  # noqa: BLE001 - whatever sympy raises on what it cannot do
        return Verdict.UNDECIDED
    return Verdict.EQUAL if same else Verdict.DIFFERENT


@lru_cache(1024)
def expression(text: str) -> Any:
    """Return the sympy object of a canonical text, with decimals exact and i imaginary; None if it is unreadable."""
    read = _math_verify.parse(f"${text}$", _CONFIG, fallback_mode="no_fallback", parsing_timeout=None)
    return _exact(read[0]) if read else None


def _exact(read: Any) -> Any:
    if not hasattr(read, "atoms"):
        return None
    exact = {f: _sympy.Rational(str(f)) for f in read.atoms(_sympy.Float)}
    units = {s: _sympy.I for s in read.atoms(_sympy.Symbol) if s.name == "i"}
    return read.subs({**exact, **units}) if exact or units else read


def _mark_of(value: Any) -> str | None:
    if isinstance(value, _sympy.FiniteSet):
        return _mark_of_all([_mark_of(member) for member in value.args])
    if isinstance(value, _sympy.MatrixBase):
        marks = [_mark_of(entry) for entry in value.flat()]
        return None if None in marks else f"{value.shape}{marks}"
    return _evaluated(value, _POINTS[0], _MARK_DIGITS)


def _mark_of_all(marks: list[str | None]) -> str | None:
    """Return the mark of several, in whatever order; it tells no brackets apart."""
    known = sorted({mark for mark in marks if mark is not None})
    if None in marks or not known:
        return None
    return known[0] if len(known) == 1 else str(known)


def _evaluated(value: Any, interval: tuple[float, float], digits: int) -> str | None:
    """Return the value of an expression with its variables in `interval`, or None when that is not a number."""
    if not isinstance(value, _sympy.Expr):
        return None
    try:
        at = {symbol: _place(symbol.name, interval) for symbol in value.free_symbols}
        number_there = value.subs(at).evalf(max(_DIGITS, digits + 10), chop=_NOTHING)
    except Exception:  # noqa: BLE001 - as above
        return None
    return _rounded(number_there, digits) if number_there.is_number and not number_there.has(_sympy.nan) else None


def _place(name: str, interval: tuple[float, float]) -> Any:
    low, high = interval
    share = int.from_bytes(name.encode(), "big") * 7919 % 10_007
    return _sympy.Rational(str(low)) + _sympy.Rational(share, 10_007) * _sympy.Rational(str(round(high - low, 6)))


def _rounded(value: Any, digits: int = _MARK_DIGITS) -> str:
    real, imaginary = value.as_real_imag()
    return " ".join(str(part.evalf(digits)) for part in (real, imaginary))
