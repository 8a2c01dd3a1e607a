"""Reports of searches that have really run, on a virtual clock and over the router's fakes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from router.answering import NoAnswer, answer
from router.budget import Budget
from router.events import Event
from router.plan import Policy
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.ports import Generator, Scorer
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Message, Problem
from server.gateway.metering import Meter, MeteredGenerator, MeteredScorer
from server.report import Outcome, Report, Step

QUESTION = "CANARYQUESTION: how much is 40 and 2?"
BEGAN = 1_790_000_000.0


def script(text: str, seed: int) -> str:
    """Two in three samples say that it is 42 (or 42.0), the others 41."""
    number = ("42", "41", "42.0")[seed % 3]
    steps = ["## Step 1: CANARYSTEP.\n\n", "## Step 2: We add.\n\n", f"The answer is $\\boxed{{{number}}}$."]
    return "".join(steps[text.count("\n\n") :])


def judge(text: str) -> float:
    """The right answer is worth more."""
    return 0.2 if "41" in text else 0.9


def fixed(name: str = "beam_search", samples: int = 8) -> Policy:
    """A policy that runs one strategy."""
    return FixedPolicy(name, samples)


def searched(
    policy: Policy | None = None,
    samples: int = 16,
    generator: Generator | None = None,
    scorer: Scorer | None = None,
    question: str = QUESTION,
) -> Report:
    """Return the report of a request that was asked this question, answered or not."""
    return run(_searched(policy or DefaultPolicy(), samples, generator, scorer, question))


async def _searched(
    policy: Policy, samples: int, generator: Generator | None, scorer: Scorer | None, question: str
) -> Report:
    clock: Callable[[], float] = asyncio.get_running_loop().time
    meter, steps = Meter(clock), list[Step]()
    budget = Budget(samples=samples, deadline=60.0)
    problem = Problem((Message("user", question),))

    def observe(event: Event) -> None:
        steps.append(Step(clock(), event))

    found, cause = None, None
    try:
        found = await answer(
            problem,
            budget,
            generator=MeteredGenerator(generator or FakeGenerator(script, seconds=0.01), meter),
            scorer=MeteredScorer(scorer or FakeScorer(judge), meter),
            policy=policy,
            observe=observe,
            seed=1,
        )
    except NoAnswer as failure:
        cause = str(failure)
    return Report(
        request_id="req_1",
        outcome=Outcome.ANSWERED if found else Outcome.GENERATOR,
        status=200 if found else 502,
        stream=False,
        seconds=clock() + 0.002,
        first_token=None,
        preset="custom",
        budget=budget,
        asked=replace(budget, samples=2 * samples),
        answer=found,
        model="math",
        cause=cause,
        began=BEGAN,
        upstream=meter.seconds,
        queued=0.0,
        key="team-a",
        policy="default",
        seed=1,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        problem=problem,
        steps=tuple(steps),
        calls=tuple(meter.calls),
    )
