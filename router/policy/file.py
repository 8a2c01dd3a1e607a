"""Policy files: a table with its provenance, as JSON that people can read and other programs can check."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, cast

from ..difficulty.prompt import FEATURES
from .names import STRATEGIES
from .table import EVIDENCE, Cell, Logistic, Option, Split, State, Table

VERSION = 1
_MOST = 10**9
"""No count in a policy file is larger."""


@dataclass(frozen=True, slots=True)
class Models:
    """What the table was calibrated on: names as served, and the fingerprint of embedded weights."""

    generator: str
    scorer: str | None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A calibrated table and where it comes from.

    `made` is when (ISO 8601, UTC). `data` says what it was fitted to: source, digest, problems, samples, seed, and
    whether the truth was "answers" or "agreement". `validation` is what the policy did on problems held out from it.
    """

    made: str
    models: Models
    data: Mapping[str, Any]
    table: Table
    validation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int = VERSION

    @property
    def digest(self) -> str:
        """A short hash of the whole file's content: what names this policy."""
        return blake2b(dumps(self).encode(), digest_size=6).hexdigest()


def write(policy: PolicyFile, path: Path) -> None:
    """Write a policy file, whole or not at all. Raises OSError."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(dumps(policy), encoding="utf-8")
    draft.replace(path)


def dumps(policy: PolicyFile) -> str:
    """Return the text of a policy file."""
    content = {
        "version": policy.version,
        "made": policy.made,
        "models": asdict(policy.models),
        "data": dict(policy.data),
        "validation": dict(policy.validation),
        "table": _from_table(policy.table),
    }
    return json.dumps(_rounded(content), indent=1) + "\n"


def read(path: Path) -> PolicyFile:
    """Read a policy file. Raises ValueError, in plain words, for anything that is none; OSError."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise ValueError(f"{path} is no policy file: {fault}") from None


def loads(text: str) -> PolicyFile:
    """Read the text of a policy file. Raises ValueError."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it is not an object")  # noqa: TRY004 - one kind of error for files
        found = cast("dict[str, Any]", content)
        if found.get("version") != VERSION:
            raise ValueError(f"its version is {found.get('version')!r}, this software reads {VERSION}")
        data, validation = _mapping(found["data"]), _mapping(found.get("validation", {}))
        return PolicyFile(
            _text(found["made"]), _to_models(found["models"]), data, _to_table(found["table"]), validation
        )
    except KeyError as missing:
        raise ValueError(f"{missing.args[0]!r} is missing") from None
    except (TypeError, AttributeError, IndexError, OverflowError, RecursionError) as fault:
        raise ValueError(f"its content has another form: {fault}") from None


def _to_models(found: Any) -> Models:
    generator, scorer, fingerprint = found["generator"], found["scorer"], found.get("fingerprint")
    optional = [None if name is None else _text(name) for name in (scorer, fingerprint)]
    return Models(_text(generator), *optional)


def _from_table(table: Table) -> dict[str, Any]:
    return {
        "evidence": list(EVIDENCE),
        "unit": table.unit,
        "prices": list(table.prices),
        "estimate": asdict(table.estimate),
        "states": [{**asdict(state), "tree": _from_tree(state.tree)} for state in table.states],
    }


def _from_tree(node: Split | int) -> dict[str, Any] | int:
    if isinstance(node, int):
        return node
    asked = {"evidence": EVIDENCE[node.feature], "at_most": node.threshold}
    return {**asked, "then": _from_tree(node.low), "else": _from_tree(node.high)}


def _to_table(found: Mapping[str, Any]) -> Table:
    if tuple(found["evidence"]) != EVIDENCE:
        raise ValueError("it was fitted to other evidence than this software gathers: calibrate again")
    prices = _numbers(found["prices"])
    if not prices or any(a >= b for a, b in pairwise(prices)) or prices[0] <= 0:
        raise ValueError("its prices do not rise from above 0")
    unit, estimate = _number(found["unit"]), _to_logistic(found["estimate"])
    if unit <= 0:
        raise ValueError("its unit is not positive")
    if len(estimate.weights) != len(FEATURES):
        raise ValueError("it was fitted to other features of prompts than this software finds: calibrate again")
    states = tuple(_to_state(state, len(prices)) for state in found["states"])
    if not states or len({(s.samples, s.judged) for s in states}) < len(states):
        raise ValueError("its states are not one for each number of solutions")
    return Table(unit, prices, estimate, states)


def _to_state(found: Mapping[str, Any], prices: int) -> State:
    cells = tuple(_to_cell(cell, prices) for cell in found["cells"])
    tree = _to_tree(found["tree"], len(cells))
    posterior = _to_logistic(found["pass_rate"])
    if len(posterior.weights) != len(EVIDENCE):
        raise ValueError("a pass rate has weights for other evidence")
    if not isinstance(found["judged"], bool):
        raise ValueError("a state does not say whether it is judged")  # noqa: TRY004 - one kind of error for files
    return State(_whole(found["samples"]), found["judged"], posterior, tree, cells)


def _to_tree(node: Any, cells: int) -> Split | int:
    if not isinstance(node, Mapping):
        if _whole(node) >= cells:
            raise ValueError("a tree ends in a cell that is not there")
        return _whole(node)
    split = cast("Mapping[str, Any]", node)
    if split["evidence"] not in EVIDENCE:
        raise ValueError(f"a tree asks for evidence that is not known: {_shortened(split['evidence'])}")
    low, high = (_to_tree(split[branch], cells) for branch in ("then", "else"))
    return Split(EVIDENCE.index(split["evidence"]), _number(split["at_most"]), low, high)


def _to_cell(found: Mapping[str, Any], prices: int) -> Cell:
    options = tuple(_to_option(option, prices) for option in found["options"])
    return Cell(_whole(found["problems"]), _number(found["pass_rate"]), _number(found["accuracy"]), options)


def _to_option(found: Mapping[str, Any], prices: int) -> Option:
    strategy, worth = found["strategy"], _numbers(found["worth"])
    if strategy not in STRATEGIES:
        raise ValueError(f"it names a strategy that is not known: {_shortened(strategy)}")
    if len(worth) != prices:
        raise ValueError("an option is not valued at every price")
    gain, low, high, compute = (_number(found[name]) for name in ("gain", "low", "high", "compute"))
    return Option(strategy, _whole(found["n"], least=1), gain, low, high, compute, worth, _whole(found["m"], least=1))


def _to_logistic(found: Mapping[str, Any]) -> Logistic:
    weights, centre, scale = (_numbers(found[name]) for name in ("weights", "centre", "scale"))
    if not len(weights) == len(centre) == len(scale) or 0.0 in scale:
        raise ValueError("a fitted probability is damaged")
    return Logistic(_number(found["bias"]), weights, centre, scale)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{_shortened(value)} stands where a number belongs")
    return float(value)


def _whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
        raise ValueError(f"{_shortened(value)} stands where a count belongs")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_shortened(value)} stands where a text belongs")  # noqa: TRY004 - as above
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{_shortened(value)} stands where an object belongs")  # noqa: TRY004 - as above
    return cast("Mapping[str, Any]", value)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(_number(value) for value in values)


def _shortened(value: Any) -> str:
    return repr(value)[:40]


def _rounded(value: Any) -> Any:
    """Shorten numbers to what they mean: six significant digits."""
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {key: _rounded(part) for key, part in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_rounded(part) for part in cast("Sequence[Any]", value)]
        case _:
            return value
