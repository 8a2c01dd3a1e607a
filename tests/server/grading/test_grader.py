import asyncio
import importlib.util
import time
from itertools import product
from typing import cast

import pytest

from server.grading import Grader, GraderOptions, Verdict
from server.grading.pool import Allowance, Pool

EQUAL, DIFFERENT, UNDECIDED = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.UNDECIDED
PATIENT = GraderOptions(seconds_per_item=30.0, seconds_per_call=60.0)
SLOW = r"\det\begin{pmatrix}" + r"\\".join("&".join(f"x_{6 * i + j}" for j in range(6)) for i in range(6))
SLOW += r"\end{pmatrix}"
NASTY = [
    "9^{9^{9^9}}",
    "9^9^9^9",
    "10^{100000000}",
    "2^{10^{10}}",
    "(10^6)!",
    "(20000!)!",
    r"\binom{10^7}{5*10^6}",
    "(" * 500 + "1" + ")" * 500,
    r"\frac{" * 8000,
    r"\frac{1}{" * 300 + "2" + "}" * 300,
    r"\sum_{k=1}^{10^7}\frac{1}{k^2}",
    r"\cup".join(f"({2 * i},{2 * i + 1})" for i in range(200)),
    "(x+1)^{2000}",
    r"\int_0^\infty \frac{\sin(x^{x})}{x^{\sqrt{x}}}dx",
    "x^{x^{x^{x^x}}}",
    "(10^{9999})^{9999}",
    "{" * 40 + "}" * 40,
    "-" * 300 + "x",
    "1/" * 150 + "x",
    "\\" * 300,
    "$" * 300,
    "\x00\ud800+x",
    SLOW,
]


class FakePool:
    """Answers marks from a table, verdicts from equality of marks."""

    def __init__(self, marks: dict[str, str | None], seconds: float = 0.0) -> None:
        self.marks, self.seconds, self.asked = marks, seconds, list[tuple[str, ...]]()

    async def ask(self, texts: tuple[str, ...], allowance: Allowance) -> str | None:
        self.asked.append(texts)
        allowance.left -= self.seconds
        if len(texts) == 1:
            return self.marks.get(texts[0])
        return "equal" if self.marks[texts[0]] == self.marks[texts[1]] else "different"

    async def close(self) -> None:
        pass


def with_pool(grader: Grader, pool: FakePool) -> FakePool:
    grader._pool = cast("Pool", pool)
    return pool


async def test_algebra_is_asked_of_a_process():
    async with Grader(PATIENT) as grader:
        assert await grader.compare("(x+1)^2", "x^2+2x+1") is EQUAL
        assert await grader.compare("(x+1)^2", "x^2+2x") is DIFFERENT
        assert await grader.compare(r"\frac{1}", "x") is UNDECIDED


async def test_plain_answers_start_no_process():
    async with Grader() as grader:
        pool = with_pool(grader, FakePool({}))
        assert await grader.compare("0.5", r"\frac{1}{2}") is EQUAL
        assert await grader.compare("0.3333", "1/3") is DIFFERENT
        assert await grader.cluster(["1", "1.0", "two", "3", "even", ""]) == (0, 0, 1, 2, 3, 4)
        assert pool.asked == []


async def test_a_pair_is_asked_once():
    async with Grader(GraderOptions(remembered=1)) as grader:
        pool = with_pool(grader, FakePool({"x+1": "a", "1+x": "a", "x": "b"}))
        assert await grader.compare("x+1", "1+x") is EQUAL
        assert await grader.compare("x+1", "1+x") is EQUAL
        assert len(pool.asked) == 1
        await grader.compare("x+1", "x")  # there is room for one
        await grader.compare("x+1", "1+x")
        assert len(pool.asked) == 3


async def test_answers_are_grouped_by_value():
    async with Grader(PATIENT) as grader:
        answers = [r"\frac{\sqrt3}{3}", "7", r"\frac{1}{\sqrt3}", r"\sqrt3", "7.0", r"\sqrt{49}x", "7x", "x<3", "3>x"]
        assert await grader.cluster(answers) == (0, 1, 0, 2, 1, 3, 3, 4, 4)
        assert await grader.cluster([]) == ()


async def test_only_answers_of_one_mark_are_compared():
    async with Grader() as grader:
        pool = with_pool(grader, FakePool({"x+1": "a", "x+2": "b", "1+x": "a", "3": "c"}))
        assert await grader.cluster(["x+1", "x+2", "1+x", "3", "x+1"]) == (0, 1, 0, 2, 0)
        assert [texts for texts in pool.asked if len(texts) == 2] == [("1+x", "x+1")]


async def test_a_cluster_that_takes_too_long_leaves_the_rest_apart():
    async with Grader(GraderOptions(seconds_per_item=1.0, seconds_per_call=2.0)) as grader:
        pool = with_pool(grader, FakePool({"x+1": "a", "1+x": "a", "x+2": "b", "2+x": "b"}, seconds=1.0))
        assert await grader.cluster(["x+1", "1+x", "x+2", "2+x"]) == (0, 1, 2, 3)
        assert len(pool.asked) == 2


async def test_what_was_cut_short_is_asked_again_and_what_was_not_is_not():
    async with Grader(GraderOptions(seconds_per_item=1.0, seconds_per_call=1.5)) as grader:
        pool = with_pool(grader, FakePool({"x+1": "a"}, seconds=1.0))
        assert await grader.cluster(["x+1", "x+2"]) == (0, 1)
        assert await grader.cluster(["x+1", "x+2"]) == (0, 1)
        assert pool.asked == [("x+1",), ("x+2",), ("x+2",)]


async def test_a_long_answer_is_only_itself():
    async with Grader() as grader:
        assert await grader.cluster(["x" * 500, "x" * 500 + " ", "x" * 501]) == (0, 0, 1)


async def test_hostile_answers_all_get_a_verdict_in_time():
    async with Grader(GraderOptions(workers=1)) as grader:
        await grader.start()
        for text, truth in product(NASTY, ("7", r"\sqrt2+y")):
            for _ in range(4):  # a busy machine is slow at times, a hostile answer always
                grader._known.clear()
                start = time.perf_counter()
                assert await grader.compare(text, truth) in Verdict
                if time.perf_counter() - start < 5.0:
                    break
            else:
                pytest.fail(f"{text[:40]} takes too long")


async def test_the_loop_goes_on_while_answers_are_graded():
    async with Grader() as grader:
        longest, done = 0.0, asyncio.Event()

        async def tick() -> None:
            nonlocal longest
            while not done.is_set():
                before = time.thread_time()  # of this thread: a busy machine is no blocked loop
                await asyncio.sleep(0.001)
                longest = max(longest, time.thread_time() - before)

        ticking = asyncio.create_task(tick())
        answers = [rf"\frac{{{i}\sqrt{{{j}}}}}{{7}}" for i in range(1, 9) for j in (2, 3, 5, 7)]
        await asyncio.gather(grader.cluster(answers), grader.cluster(answers[::-1]), grader.compare(SLOW, "y"))
        done.set()
        await ticking
        assert longest < 0.05  # the slow one alone takes a second


async def test_without_the_library_there_is_no_grader(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("server.grading.grader.find_spec", lambda name: None if name == "math_verify" else find(name))
    with pytest.raises(ImportError, match="pip install"):
        Grader()


def test_limits_are_above_zero():
    with pytest.raises(ValueError, match="above zero"):
        GraderOptions(workers=0)
