"""A reply of `POST /v1/score`, read by a client that believes nothing: a wrong reward would win a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

import orjson


class Garbled(Exception):
    """The reply is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """For each item in order its rewards, or the message why there are none; and the tokens that were computed."""

    entries: tuple[tuple[float, ...] | str, ...]
    computed: int


def read_reply(data: bytes, steps: Sequence[int], most: int) -> Answer:
    """Return the rewards of items with so many `steps`, for at most `most` tokens in all. Raises Garbled."""
    try:
        reply: Any = orjson.loads(data)
    except orjson.JSONDecodeError as fault:
        raise Garbled(f"the reply is no JSON ({fault})") from fault
    entries = _list(_field(reply, "data"), "data")
    if len(entries) != len(steps):
        raise Garbled(f"{len(entries)} results for {len(steps)} items")
    read = tuple(_entry(entry, i, count) for i, (entry, count) in enumerate(zip(entries, steps, strict=True)))
    computed = _field(_field(reply, "usage"), "computed_tokens")
    if not isinstance(computed, int) or isinstance(computed, bool) or not 0 <= computed <= most:
        raise Garbled(f"the tokens computed are {str(computed)[:40]}, where at most {most} were allowed")
    return Answer(read, computed)


def _entry(entry: Any, index: int, steps: int) -> tuple[float, ...] | str:
    if _field(entry, "index") != index:
        raise Garbled("the results are not in order")
    if (error := entry.get("error")) is not None:
        return str(_field(error, "message"))
    rewards = _list(_field(entry, "rewards"), "rewards")
    if len(rewards) != steps:
        raise Garbled(f"{len(rewards)} rewards for {steps} steps")
    return tuple(_reward(reward) for reward in rewards)


def _reward(reward: Any) -> float:
    number = isinstance(reward, int | float) and not isinstance(reward, bool)
    if not number or not isfinite(reward) or not 0.0 <= reward <= 1.0:
        raise Garbled(f"a reward is {str(reward)[:40]}, not a number between 0 and 1")
    return float(reward)


def _field(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise Garbled(f"'{name}' is missing")
    return cast("dict[str, Any]", value)[name]


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Garbled(f"'{name}' is no list")
    return cast("list[Any]", value)
