"""Searches over llama.cpp's server: an OpenAI-compatible backend that knows nothing of vLLM's extensions."""

import asyncio

import pytest

from router.answering import answer
from router.budget import Budget
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.types import Message, Problem
from server.embedded import Embedded
from server.embedded.problems import checker
from server.embedded.problems.problem import Problem as Task
from server.embedded.problems.splits import draw
from server.generators import PoolGenerator

TASKS = draw("test", 3, seed=11)[:6]
"""Of the two easiest levels, three each."""


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_every_strategy_finds_the_right_answers(generator: PoolGenerator, models: Embedded, strategy: str):
    right = await asyncio.gather(*(_is_right(generator, models, strategy, task) for task in TASKS))
    assert sum(right) >= len(TASKS) - 1


async def _is_right(generator: PoolGenerator, models: Embedded, strategy: str, task: Task) -> bool:
    done = await answer(
        Problem((Message("user", task.question),)),
        Budget(samples=8, deadline=60.0),
        generator=generator,
        scorer=models.scorer,
        policy=FixedPolicy(strategy, 8),
        seed=1,
    )
    assert not done.lost
    assert not done.degraded
    return done.verdict.answer is not None and checker.is_correct(task, done.verdict.answer)
