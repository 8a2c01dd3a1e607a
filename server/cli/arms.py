"""The rows of an evaluation: from `dvts@16`, `router@auto:0.01` or `router-probe@16` to what answers each problem.

A fixed strategy is the papers': it draws all its samples. `majority_voting-decided@16` is the same as it is served,
which ends as soon as the samples to come could not change the answer.
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import cast, get_args

from router.difficulty.prompt import answerable, features
from router.evaluation.sweep import Arm
from router.plan import Plan, Policy, Room
from router.policy.calibrated import CalibratedPolicy, Part
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.policy.table import Table
from router.types import Difficulty, Problem
from server.gateway.budgets import SPENDING
from server.gateway.choices import ANSWERABLE, OneSample

ROUTER = "router"
ORACLE = "oracle"
DECIDED = "decided"
AUTO = "auto"
AUTO_SAMPLES = 64
DEFAULT = (
    "greedy@1,"
    + ",".join(f"{s}@{n}" for n in (4, 16, 64) for s in (*STRATEGIES, ROUTER) if s != "greedy")
    + ",router@auto"
)
SAMPLED = ("majority_voting", "best_of_n", "weighted_best_of_n")
"""Strategies whose samples are independent, and the same for all: their pass rate is the problem's."""

_LEAST_RATED = 8
_PARTS: tuple[str, ...] = get_args(Part)
_ROW = re.compile(
    r"(?P<strategy>[a-z_]+)(?:-(?P<part>[a-z]+))?@(?:(?P<n>\d{1,4})|auto(?::(?P<price>[\d.]+(?:e-?\d+)?))?)"
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the router's rows plan by: the table of a policy file, known by its digest, or the documented default.

    `price` is what `router@auto` asks for one sample-equivalent, in accuracy.
    """

    price: float
    table: Table | None = None
    digest: str = "default"


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """A strategy with all its samples, even those that cannot change the answer."""

    policy: FixedPolicy

    def probe(self, room: Room) -> int:
        """No probe."""
        return self.policy.probe(room)

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the plan, without what would stop it."""
        return replace(self.policy.plan(difficulty, room), stopping=None)


def is_fixed(arm: Arm) -> bool:
    """Tell whether a row is a strategy, and not the router."""
    return arm.strategy.partition("-")[0] in STRATEGIES


def rules_from(path: Path | None, price: float) -> Rules:
    """Return the rules of a policy file, or the default without one. Raises ValueError and OSError."""
    if not 0 < price <= 1:
        raise ValueError(f"a price is an accuracy above 0 and at most 1, not {price}")
    if path is None:
        return Rules(price)
    from router.policy.file import read

    return Rules(price, read(path).table, blake2b(path.read_bytes(), digest_size=8).hexdigest())


def arms_of(names: str, rules: Rules) -> list[Arm]:
    """Read rows, separated by commas. Raises ValueError."""
    arms = [_arm(name.strip(), rules) for name in names.split(",")]
    if len({arm.name for arm in arms}) < len(arms):
        raise ValueError("a row is named twice")
    return arms


def rating(arms: list[Arm]) -> Arm | None:
    """Return what finds the pass rates: the most independent samples that a row draws anyway; None if too few."""
    most = max((arm.samples for arm in arms if arm.strategy in SAMPLED), default=0)
    if most < _LEAST_RATED:
        return None
    policy = Exhaustive(FixedPolicy("majority_voting", most))
    return Arm(f"pass_rate@{most}", "pass_rate", most, lambda _: policy, rated=True)


def _arm(name: str, rules: Rules) -> Arm:
    row = _ROW.fullmatch(name)
    strategy, part = (row["strategy"], row["part"]) if row else ("", None)
    n = int(row["n"] or 0) if row and row["n"] else AUTO_SAMPLES
    auto = row is not None and row["n"] is None
    fixed = strategy in STRATEGIES and part in (None, DECIDED) and not auto
    if not row or n < 1 or not (fixed or strategy == ROUTER):
        raise ValueError(f"'{name}' is no row: name a strategy and a number of samples, e.g. dvts@16 or router@auto")
    if fixed:
        policy = FixedPolicy(strategy, n) if part else Exhaustive(FixedPolicy(strategy, n))
        return Arm(name, name.partition("@")[0], n, lambda _: policy)
    if part and (part not in _PARTS or rules.table is None):
        known = f"one of {', '.join(_PARTS)}" if rules.table else "with --policy only: the default has no parts"
        raise ValueError(f"'{name}' is no row: what the router goes without is {known}")
    price = float(row["price"] or rules.price) if auto else SPENDING
    if not 0 < price <= 1:
        raise ValueError(f"'{name}' is no row: a price is an accuracy above 0 and at most 1")
    return Arm(
        name,
        name.partition("@")[0],
        n,
        partial(policy_of, rules.table, cast("Part | None", part), price, auto=auto),
        provenance=f"{rules.digest}, price {price:g}",
        verified=part != "scorer",
    )


def policy_of(table: Table | None, part: Part | None, price: float, problem: Problem, *, auto: bool) -> Policy:
    """Return what the router plans one problem by, `part` left out: what a client gets who asks for as much."""
    if auto and part != "estimate" and answerable(problem) < ANSWERABLE:
        return OneSample("no single answer to vote on")
    if table is None:
        return DefaultPolicy(thrifty=auto)
    without = frozenset[Part]() if part is None else frozenset((part,))
    guided = table.guided or part == "probe"  # without the first solution the prompt is all there is to plan by
    return CalibratedPolicy(table, price, table.estimate(features(problem)) if guided else 0.5, without)
