"""`cogitate calibrate`: what is drawn, what is written, and what is told when something is in the way."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from router.calibration.fit import Fitted, fit
from router.calibration.pools import Heading, Pool, PoolFile, Searched, Solution, read_pools
from router.difficulty.prompt import FEATURES, features
from router.evaluation.recording import RecordedScorer, Tape
from router.evaluation.sweep import Models
from router.policy.file import read as read_policy
from router.ports import Draw, GeneratorError, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Candidate, Finish, Message, Problem, Sample
from server.cli import calibrate as command
from server.cli import fitting
from server.cli.calibrate import Order, calibrate
from server.cli.drawing import Asked, Reading, Shape, Skipped, draw
from server.cli.filling import fill
from server.cli.harvest import joined
from server.cli.marking import FamilyMarker, Marks, TruthMarker
from server.cli.progress import Questionnaire
from server.cli.questions import Manner, of_family, of_file
from server.embedded.problems import splits
from server.gateway import Model
from server.grading import Grader
from server.settings import Settings

PROBLEM = Problem((Message("user", "What is 3 + 4?"),))


async def marked(answers: Sequence[str | None], weights: Sequence[float]) -> Marks:
    """Mark: 7 is right."""
    groups = {answer: number for number, answer in enumerate(dict.fromkeys(a for a in answers if a))}
    right = tuple(a == "7" for a in answers)
    return Marks(tuple(groups.get(a, -1) if a else -1 for a in answers), right, tuple(a == "?" for a in answers))


def asked(item: int = 0) -> Asked:
    return Asked(item, f"q{item}", 2, PROBLEM, marked)


def sevens(prefix: str, seed: int) -> str:
    return f"3 and 4\n\nThe answer is {7 if seed % 3 else 8}."


def judge(text: str) -> float:
    return 0.9 if "7" in text else 0.5


def heading(**changed: Any) -> Heading:
    made = Heading("fake", "fake-scorer", None, 2.0, "q.jsonl", "d", 0, 4, (), None, None, FEATURES)
    return replace(made, **changed)


def quiet() -> Console:
    return Console(file=StringIO(), width=200)


# What one pool holds


def test_a_pool_has_a_greedy_solution_first_and_then_samples():
    generator = FakeGenerator(sevens)
    pool = run(draw(asked(), Models(generator, FakeScorer(judge)), Shape(8)))
    assert [(d.count, d.temperature) for d in generator.draws] == [(1, 0.0), (7, 0.8)]
    assert generator.draws[1].seed == generator.draws[0].seed + 1
    assert len(pool.solutions) == 8
    assert pool.features == features(PROBLEM)
    assert {(s.correct, round(s.value or 0.0, 6)) for s in pool.solutions} == {(True, 0.45), (False, 0.25)}


def test_without_a_scorer_nothing_has_a_value():
    pool = run(draw(asked(), Models(FakeGenerator(sevens), None), Shape(4)))
    assert [s.value for s in pool.solutions] == [None] * 4


def test_tree_searches_run_whole_and_are_paid_as_in_a_request_of_their_own():
    models = Models(FakeGenerator(sevens), FakeScorer(judge))
    pool = run(draw(asked(), models, Shape(4, (("beam_search", 4), ("dvts", 4)))))
    assert [(s.strategy, s.n, s.m) for s in pool.searches] == [("beam_search", 4, 4), ("dvts", 4, 4)]
    assert all(s.compute > 0 for s in pool.searches)


def test_seeds_depend_on_the_question_and_on_the_run():
    def first(item: int, seed: int) -> int:
        generator = FakeGenerator(sevens)
        run(draw(asked(item), Models(generator, None), Shape(2, seed=seed)))
        return generator.draws[0].seed

    assert first(0, 0) == first(0, 0)
    assert len({first(0, 0), first(1, 0), first(0, 1)}) == 3


def test_a_scorer_reads_what_no_candidate_before_began_with():
    reading = Reading(10)
    ids = [(1, 2, 3), (1, 2, 4, 5), (1, 2, 3), (1, 2), ()]
    candidates = [Candidate(ids=i, tokens=len(i), finish=Finish.EOS) for i in ids]
    assert [reading.add(c) for c in candidates[:4]] == [13, 2, 0, 0]
    assert reading.add(replace(candidates[4], tokens=6)) == 16


def test_what_a_scorer_reads_is_counted_as_a_replayed_request_counts_it():
    rng, tape, scorer = Random(0), Tape(), FakeScorer(judge)
    ids = [tuple(rng.randrange(3) for _ in range(rng.randrange(1, 9))) for _ in range(40)]
    candidates = [Candidate(text=str(i), ids=i, tokens=len(i), finish=Finish.EOS) for i in ids]
    reading, recorded = Reading(12), RecordedScorer(scorer, tape)
    mine = [reading.add(c) for c in candidates]

    async def theirs() -> list[int]:
        return [(await recorded.score(PROBLEM, [c], 12)).tokens for c in candidates]

    assert mine == run(theirs())


@dataclass
class Unreliable:
    """A generator that fails its first calls."""

    failures: int
    refusal: bool = False
    inner: FakeGenerator = field(default_factory=lambda: FakeGenerator(sevens))
    name: str = "unreliable"

    async def measure(self, problem: Problem):
        return await self.inner.measure(problem)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        if self.failures:
            self.failures -= 1
            raise GeneratorError("gone for a while", refusal=self.refusal)
        async for one in self.inner.sample(draw, tally, on_text):
            yield one


def test_what_is_lost_is_drawn_again():
    pool = run(draw(asked(), Models(Unreliable(2), None), Shape(4)))
    assert len(pool.solutions) == 4


def test_what_stays_lost_skips_the_question_with_the_backends_words():
    with pytest.raises(Skipped, match="gone for a while") as skipped:
        run(draw(asked(), Models(Unreliable(99), None), Shape(4)))
    assert skipped.value.failed


def test_a_refusal_is_not_asked_again():
    generator = Unreliable(99, refusal=True)
    with pytest.raises(Skipped):
        run(draw(asked(), Models(generator, None), Shape(4)))
    assert generator.failures == 98


def test_a_question_longer_than_the_context_is_no_failure_of_the_backend():
    class Short(FakeGenerator):
        async def measure(self, problem: Problem):
            from router.ports import ProblemTooLong

            raise ProblemTooLong(99, 50)

    with pytest.raises(Skipped, match="99 tokens") as skipped:
        run(draw(asked(), Models(Short(sevens), None), Shape(4)))
    assert not skipped.value.failed


@pytest.mark.parametrize("scorer", [FakeScorer(judge, fail_after=0), FakeScorer(lambda _: float("nan"))])
def test_a_scorer_that_fails_skips_the_question(scorer: FakeScorer):
    with pytest.raises(Skipped, match="scorer"):
        run(draw(asked(), Models(FakeGenerator(sevens), scorer), Shape(4)))


def test_a_tree_search_that_lost_its_scorer_counts_for_nothing():
    with pytest.raises(Skipped, match="told to fail"):
        run(draw(asked(), Models(FakeGenerator(sevens), FakeScorer(judge, fail_after=1)), Shape(4, (("dvts", 4),))))


def test_a_refused_tree_search_skips_the_question():
    class Whole(FakeGenerator):
        async def sample(self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None):
            if not draw.whole:
                raise GeneratorError("no steps here", refusal=True)
            async for one in super().sample(draw, tally, on_text):
                yield one

    with pytest.raises(Skipped, match="no steps here"):
        run(draw(asked(), Models(Whole(sevens), FakeScorer(judge)), Shape(4, (("dvts", 4),))))


# Which answers are right


async def test_the_family_is_marked_by_its_checker():
    problem = next(p for p in splits.draw("calibration", 4, 0) if p.kind != "countdown")
    marks = await FamilyMarker(problem)([problem.answer, None, f"{problem.answer}.0", "nothing"], [1.0] * 4)
    assert (marks.groups, marks.correct) == ((0, -1, 0, 1), (True, False, True, False))
    assert not marks.agreed
    assert marks.undecided == (False,) * 4


async def test_published_answers_are_compared_as_mathematics():
    async with Grader() as grader:
        marks = await TruthMarker(grader, r"\frac{1}{2}")(["0.5", "1/2", None, "2", "either 1 or 2 of them"], [1.0] * 5)
    assert marks.groups[0] == marks.groups[1] != marks.groups[3]
    assert marks.correct == (True, True, False, False, False)
    assert marks.undecided == (False, False, False, False, True)


async def test_where_nobody_knows_the_heaviest_answer_stands_in():
    async with Grader() as grader:
        marker = TruthMarker(grader, None)
        marks = await marker(["1", "2", "2", None, "1.0"], [0.9, 0.2, 0.2, 5.0, 0.0])
        silent = await marker([None, None], [1.0, 1.0])
    assert marks.agreed
    assert marks.correct == (True, False, False, False, True)
    assert silent.correct == (False, False)


# Which questions are asked


def test_files_are_put_in_a_shuffled_order_and_more_of_them_go_on_with_it(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps({"question": f"What is {i} + 1?", "answer": i + 1}) + "\n" for i in range(20)))
    few, many = (of_file(path, None, Grader(), Manner(limit=limit)) for limit in (5, 12))
    assert [a.item for a in many.asked[:5]] == [a.item for a in few.asked] != [0, 1, 2, 3, 4]
    assert (few.digest, few.source, few.answered) == (many.digest, "q.jsonl", 5)


def test_a_question_that_is_there_twice_is_asked_once_and_with_its_answer(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    rows = [{"question": "What is 1 + 1?"}, {"question": "Why?"}, {"question": "What  is 1 + 1?\n", "answer": 2}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    questions = of_file(path, None, Grader(), Manner(system="Be brief.", longest=9))
    assert (len(questions.asked), questions.repeated, questions.answered) == (2, 1, 1)
    assert [m.role for m in questions.asked[0].problem.messages] == ["system", "user"]
    assert questions.asked[0].problem.max_tokens == 9


def test_the_family_is_shared_out_over_the_levels_asked_for():
    questions = of_family(10, (3, 5), Manner())
    assert sorted(a.level or 0 for a in questions.asked) == [3] * 5 + [5] * 5
    assert len({a.id for a in questions.asked}) == 10
    with pytest.raises(ValueError, match="no level 7"):
        of_family(10, (7,), Manner())


# Filling a file


def filled(path: Path, generator: Any, count: int, concurrency: int = 2) -> tuple[list[bool], Any]:
    told = list[bool]()

    async def go():
        with PoolFile(path, heading()) as file:
            everything = [asked(i) for i in range(count)]
            return await fill(file, everything, Models(generator, None), Shape(4), concurrency, told.append)

    return told, run(go())


def test_only_what_is_missing_is_asked(tmp_path: Path):
    path, generator = tmp_path / "p.jsonl", FakeGenerator(sevens)
    filled(path, generator, 3)
    assert filled(path, generator, 5)[0] == [True, True]
    assert generator.drawn == 5 * 4
    assert sorted(p.item for p in read_pools(path).pools) == [0, 1, 2, 3, 4]


def test_a_question_that_is_skipped_does_not_stop_the_others(tmp_path: Path):
    told, skipped = filled(tmp_path / "p.jsonl", Unreliable(1, refusal=True), 6, concurrency=1)
    assert told == [False] + [True] * 5
    assert skipped == {"gone for a while": 1}


def test_a_backend_that_refuses_everything_ends_the_run(tmp_path: Path):
    generator = Unreliable(10**6, refusal=True)
    with pytest.raises(GeneratorError, match=r"the last 4 questions all failed.*gone for a while"):
        filled(tmp_path / "p.jsonl", generator, 50)
    assert 10**6 - generator.failures < 10


def test_a_few_questions_that_all_fail_are_told(tmp_path: Path):
    with pytest.raises(GeneratorError, match="every question was skipped: gone"):
        filled(tmp_path / "p.jsonl", Unreliable(99, refusal=True), 2)


def test_a_disk_that_is_full_ends_the_run_with_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: PoolFile, pool: Pool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PoolFile, "add", full)
    with pytest.raises(OSError, match="No space left"):
        filled(tmp_path / "p.jsonl", FakeGenerator(sevens), 3)


# Telling how far it has come


def test_where_nobody_watches_a_line_comes_now_and_then():
    now, console = [0.0], quiet()
    with Questionnaire(console, 100, 20, clock=lambda: now[0]) as shown:
        for second in range(60):
            now[0] = second + 1.0
            shown.one_more(usable=second != 3)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [
        "20 of 100 questions are done",
        "50 of 100 questions are done, 1 skipped, about 50 s left",
        "80 of 100 questions are done, 1 skipped, about 20 s left",
        "80 of 100 questions are done, 1 skipped, about 20 s left",
    ]


@pytest.mark.parametrize(("seconds", "told"), [(60.0, "16 min"), (3600.0, "16 h 0 min")])
def test_long_waits_are_told_in_minutes_and_hours(seconds: float, told: str):
    now, console = [0.0], quiet()
    with Questionnaire(console, 17, 0, clock=lambda: now[0]) as shown:
        now[0] = seconds
        shown.one_more(usable=True)
    assert f"about {told} left" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_terminal_sees_a_bar():
    console = Console(file=StringIO(), width=120, force_terminal=True)
    with Questionnaire(console, 3, 1) as shown:
        shown.one_more(usable=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2/3" in text
    assert "1 skipped" in text


# The command


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A fit of its own, once: fitting is tested where it is."""
    return fit(pools(100, samples=4), ratio=2.0, seed=0)


@pytest.fixture
def fits(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> list[list[Pool]]:
    """Return in place of fitting what was fitted before; the list has the pools of each call."""
    calls = list[list[Pool]]()

    def fit_once(some: Sequence[Pool], *, ratio: float, seed: int, **_: Any) -> Fitted:
        assert (ratio, seed) == (2.0, 0)
        calls.append(list(some))
        return fitted

    monkeypatch.setattr(fitting, "fit", fit_once)
    return calls


def pools(count: int, samples: int = 8) -> list[Pool]:
    """Make pools of easy and hard questions, whose scorer knows something."""
    rng, made = Random(0), list[Pool]()
    for item in range(count):
        rate = (0.95, 0.4)[item % 2]
        right = [rng.random() < rate for _ in range(samples)]
        solutions = tuple(
            Solution(20 + rng.randrange(9), -1.0 - (not r), 0 if r else 1, r, 0.8 if r else rng.random() / 2, 5)
            for r in right
        )
        shown = tuple(float(item % 2) for _ in FEATURES)
        runs = (Searched("dvts", 4, 4, right[0], 200),)
        made.append(Pool(item, f"q{item}", None, 20, shown, solutions, runs, undecided=item == 0))
    return made


def recorded(path: Path, made: list[Pool], asked: int | None = None, **changed: Any) -> Path:
    with PoolFile(path, heading(**{"samples": 8, **changed})) as file:
        for pool in made:
            file.add(pool)
        if asked is not None:
            file.end(asked)
    return path


def test_recorded_pools_are_fitted_without_a_backend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fits: list[list[Pool]]
):
    made = recorded(tmp_path / "a.pools.jsonl", pools(120), asked=123)
    assert calibrate(Order(tmp_path / "policy.json", pools=(made,))) == 0
    policy = read_policy(tmp_path / "policy.json")
    assert (policy.models.generator, policy.models.scorer) == ("fake", "fake-scorer")
    told = {"source": "q.jsonl", "asked": 123, "problems": 120, "skipped": 3, "undecided": 1, "truth": "answers"}
    assert told.items() <= policy.data.items()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", policy.made)
    shown = capsys.readouterr()
    assert "cross-validation" in shown.out
    assert "stop" in shown.out
    assert "1 solutions have an answer that nobody could compare" in shown.out
    assert f"COGITATE_POLICY={tmp_path / 'policy.json'}" in shown.out.replace("\n", "")


def test_the_order_of_arrival_does_not_change_the_policy(tmp_path: Path, fits: list[list[Pool]]):
    made = pools(120)
    for name, some in (("a", made), ("b", made[::-1])):
        assert calibrate(Order(tmp_path / f"{name}.json", pools=(recorded(tmp_path / f"{name}.jsonl", some),))) == 0
    first, second = (read_policy(tmp_path / f"{name}.json") for name in "ab")
    assert first.table == second.table
    assert fits[0] == fits[1] == list(read_pools(tmp_path / "a.jsonl").pools)
    assert first.data["asked"] is None


def test_agreement_as_truth_is_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fits: list[list[Pool]]
):
    made = recorded(tmp_path / "a.jsonl", [replace(p, agreed=p.item > 9) for p in pools(120)])
    assert calibrate(Order(tmp_path / "policy.json", pools=(made,))) == 0
    assert {"truth": "agreement", "agreed": 110}.items() <= read_policy(tmp_path / "policy.json").data.items()
    assert "for 110 of 120 questions nobody knew the answer" in capsys.readouterr().out.replace("\n", " ")


def test_too_little_is_refused_with_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = recorded(tmp_path / "a.jsonl", pools(20))
    assert calibrate(Order(tmp_path / "policy.json", pools=(made,))) == 2
    assert "80 more" in capsys.readouterr().err
    assert not (tmp_path / "policy.json").exists()


def test_files_of_pools_are_put_together_with_each_question_once(tmp_path: Path):
    made = pools(6)
    first = recorded(tmp_path / "a.jsonl", made[:4], asked=5)
    second = recorded(tmp_path / "b.jsonl", made[2:], asked=4, samples=4, seed=9)
    other = recorded(tmp_path / "c.jsonl", made[:1], asked=1, digest="e", source="r.jsonl")
    console = quiet()
    harvest = joined((first, second, other), console)
    assert [p.item for p in harvest.pools] == list(range(7))
    assert {len(p.solutions) for p in harvest.pools} == {4}
    assert (harvest.asked, harvest.heading.source, harvest.heading.digest) == (10, "q.jsonl + r.jsonl", "d+e")
    assert "first 4 solutions" in console.file.getvalue()  # type: ignore[attr-defined]


def test_pools_of_another_model_are_not_put_together(tmp_path: Path):
    first = recorded(tmp_path / "a.jsonl", pools(2))
    second = recorded(tmp_path / "b.jsonl", pools(2), generator="large")
    with pytest.raises(ValueError, match=r"do not go together.*another generator"):
        joined((first, second), quiet())


def test_pools_with_features_of_another_version_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="another version of the prompt's features"):
        joined((recorded(tmp_path / "a.jsonl", pools(2), features=("length",)),), quiet())


def test_damaged_lines_are_told(tmp_path: Path):
    path, console = recorded(tmp_path / "a.jsonl", pools(2)), quiet()
    path.write_bytes(path.read_bytes() + b"\0\0\n")
    assert len(joined((path,), console).pools) == 2
    assert "1 damaged lines" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Model]:
    """Serve fakes in place of what the settings name; what is in the list, the first, is served."""
    models = [Model("fake", FakeGenerator(sevens), FakeScorer(judge))]

    @asynccontextmanager
    async def opened(settings: Settings):
        assert settings.policy is None
        yield models[0]

    monkeypatch.setattr(command, "opened", opened)
    return models


def questions(path: Path, count: int, answers: bool = True) -> Path:
    rows = [{"question": f"What is {i} + 4?"} | ({"answer": "7"} if answers else {}) for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_of_questions_is_asked_and_what_was_drawn_is_kept(
    tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COGITATE_POLICY", str(tmp_path / "policy.json"))  # it is what is to be made
    order = Order(tmp_path / "policy.json", questions(tmp_path / "q.jsonl", 6), samples=4, searches="dvts@4")
    assert calibrate(order) == 2
    recording = read_pools(tmp_path / "policy.pools.jsonl")
    assert (len(recording.pools), recording.asked, recording.heading.searches) == (6, 6, ("dvts@4",))
    told = capsys.readouterr().err.replace("\n", " ")
    assert "94 more" in told
    assert "is kept in" in told
    drawn = served[0].generator.drawn  # type: ignore[attr-defined]
    assert calibrate(order) == 2
    assert served[0].generator.drawn == drawn  # type: ignore[attr-defined]


def test_questions_without_answers_are_told(tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str]):
    calibrate(Order(tmp_path / "policy.json", questions(tmp_path / "q.jsonl", 3, answers=False), samples=4))
    assert "3 of 3 questions have no answer" in capsys.readouterr().err
    assert all(p.agreed for p in read_pools(tmp_path / "policy.pools.jsonl").pools)


def test_another_model_does_not_go_on_with_the_pools_of_the_first(
    tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str]
):
    order = Order(tmp_path / "policy.json", questions(tmp_path / "q.jsonl", 3), samples=4)
    calibrate(order)
    served[0] = Model("other", FakeGenerator(sevens, name="other"), FakeScorer(judge))
    assert calibrate(order) == 2
    assert "another generator" in capsys.readouterr().err


def test_tree_searches_without_a_scorer_are_refused(
    tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str]
):
    served[0] = Model("fake", FakeGenerator(sevens), None)
    order = Order(tmp_path / "policy.json", questions(tmp_path / "q.jsonl", 3), searches="dvts@4")
    assert calibrate(order) == 2
    assert "need a scorer" in capsys.readouterr().err


def test_repeated_and_skipped_questions_are_told(
    tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str]
):
    path = questions(tmp_path / "q.jsonl", 3)
    path.write_text(path.read_text() * 2)
    served[0] = Model("fake", Unreliable(1, refusal=True), None)
    calibrate(Order(tmp_path / "policy.json", path, samples=4))
    told = capsys.readouterr().err
    assert "3 questions are there more than once" in told
    assert "1 x gone for a while" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "name a file of questions"),
        ({"problems": 10, "pools": (Path("a"),)}, "one of the three"),
        ({"problems": 10, "levels": "1,x"}, "no list of levels"),
        ({"problems": 10, "searches": "greedy@3"}, "no tree search"),
        ({"problems": 10, "searches": "dvts@0"}, "no tree search"),
        ({"problems": 10, "out": Path("missing/policy.json")}, "folder that is not there"),
        ({"problems": 10, "out": Path()}, "that is a folder"),
        ({"problems": 10, "out": Path("x.json")}, "no file of pools"),
        ({"file": Path("nowhere.jsonl")}, "nowhere.jsonl"),
        ({"file": Path("policy.json")}, "would overwrite"),
        ({"pools": (Path("nowhere.jsonl"),)}, "nowhere.jsonl"),
    ],
)
def test_orders_that_cannot_be_carried_out_are_refused_in_words(
    changes: dict[str, Any],
    told: str,
    tmp_path: Path,
    served: list[Model],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pools.jsonl").write_text("other\n")
    assert calibrate(Order(**{"out": Path("policy.json"), "samples": 4, **changes})) == 2
    assert re.search(told, capsys.readouterr().err.replace("\n", " "))


def test_an_empty_file_is_told(tmp_path: Path, served: list[Model], capsys: pytest.CaptureFixture[str]):
    (tmp_path / "q.jsonl").touch()
    assert calibrate(Order(tmp_path / "policy.json", tmp_path / "q.jsonl")) == 2
    assert "holds no questions" in capsys.readouterr().err.replace("\n", " ")


def test_without_scikit_learn_nothing_is_drawn(
    tmp_path: Path, served: list[Model], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    assert calibrate(Order(tmp_path / "policy.json", questions(tmp_path / "q.jsonl", 3))) == 2
    assert "cogitate[calibrate]" in capsys.readouterr().err
    assert served[0].generator.drawn == 0  # type: ignore[attr-defined]


def test_an_interruption_leaves_a_file_that_the_same_command_goes_on_with(tmp_path: Path):
    drawn = tmp_path / "policy.pools.jsonl"
    arguments = ["--problems", "100", "--samples", "4", "--concurrency", "1", "--out", str(tmp_path / "policy.json")]
    child = subprocess.Popen(
        [sys.executable, "-m", "server", "calibrate", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        latest = time.monotonic() + 90
        while not (drawn.exists() and drawn.read_bytes().count(b"\n") > 1):
            assert time.monotonic() < latest
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 130
    assert "the same command goes on" in told
    assert "Traceback" not in told
    recording = read_pools(drawn)
    assert (recording.damaged, recording.asked) == (0, None)
    assert 0 < len(recording.pools) < 100
