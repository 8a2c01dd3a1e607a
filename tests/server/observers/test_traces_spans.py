import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from router.aggregation import Aggregate
from router.events import Answered, Event, Planned, Probed, Sampled
from router.testing import FakeGenerator, FakeScorer
from router.types import Difficulty, Finish
from server.observers.spans import Span, attributes, spans
from server.report import Call, Port, Report, Step

from .reports import ANSWERED, FAILED, REFUSED
from .searched import fixed, judge, script, searched

SEEN = Difficulty(4, 0.5, None, 0.5, 3)
SAMPLE = Sampled((0,), 12, Finish.EOS, "CANARYANSWER")
ENOUGH = Planned(None, 0, Aggregate.MAJORITY, "enough")


def report(steps: dict[float, Event], *calls: Call) -> Report:
    return replace(
        ANSWERED, model="math", seconds=2.0, steps=tuple(Step(t, event) for t, event in steps.items()), calls=calls
    )


def plan(n: int) -> Planned:
    return Planned("majority_voting", n, Aggregate.MAJORITY, f"{n} more")


def laid(parts: tuple[Span, ...]) -> list[tuple[str, float, float]]:
    return [(part.name, part.start, part.end) for part in parts]


def every(parts: tuple[Span, ...]) -> Iterator[Span]:
    for part in parts:
        yield part
        yield from every(part.children)


PROBED = report(
    {
        0.5: SAMPLE,
        0.6: Probed(SEEN),
        0.61: plan(2),
        1.0: SAMPLE,
        1.21: Probed(SEEN),
        1.22: plan(4),
        1.7: SAMPLE,
        1.73: ENOUGH,
        1.75: Answered("CANARYANSWER", 2, 3, 0.9, "agreed"),
    },
    Call(Port.MEASURE, 0.01, 0.1),
    Call(Port.SCORE, 0.51, 0.59, 1, 30),
    Call(Port.GENERATE, 0.11, 0.5, 4, 48),
    Call(Port.GENERATE, 0.62, 1.0, 1, 12),
    Call(Port.SCORE, 1.01, 1.2, 1, 30),
    Call(Port.GENERATE, 1.23, 1.7, 1, 12, "cancelled"),
    Call(Port.GENERATE, 1.24, 1.71, 0, 3, "GeneratorError"),
)


def test_a_search_is_measure_probe_plans_rounds_and_aggregate_one_after_the_other() -> None:
    assert laid(spans(PROBED)) == [
        ("measure", 0.01, 0.1),
        ("probe", 0.1, 0.6),
        ("plan", 0.6, 0.61),
        ("round", 0.61, 1.2),
        ("plan", 1.2, 1.22),  # which grades what has come before it plans
        ("round", 1.22, 1.71),
        ("plan", 1.71, 1.73),
        ("aggregate", 1.73, 1.75),
    ]


def test_calls_are_below_the_part_that_made_them() -> None:
    _, probe, _, first, _, second, _, _ = spans(PROBED)
    assert laid(probe.children) == [("chat math", 0.11, 0.5), ("score", 0.51, 0.59)]
    assert laid(first.children) == [("chat math", 0.62, 1.0), ("score", 1.01, 1.2)]
    assert laid(second.children) == [("chat math", 1.23, 1.7), ("chat math", 1.24, 1.71)]
    assert all(call.call for part in (probe, first, second) for call in part.children)


def test_what_failed_is_an_error_and_what_was_no_longer_wanted_is_not() -> None:
    cancelled, failed = spans(PROBED)[5].children
    assert (cancelled.error, cancelled.attributes["error.type"]) == (None, "cancelled")
    assert (failed.error, failed.attributes["error.type"]) == ("GeneratorError", "GeneratorError")


def test_parts_say_what_they_were_for_and_what_came_of_them() -> None:
    measure, probe, first, round_, *_, aggregate = spans(PROBED)
    assert measure.attributes["gen_ai.operation.name"] == "measure"
    assert (probe.attributes["cogitate.difficulty"], probe.attributes["cogitate.agreement"]) == (3, 0.5)
    assert (first.attributes["gen_ai.operation.name"], first.attributes["cogitate.reason"]) == ("plan", "2 more")
    assert (round_.attributes["cogitate.round"], round_.attributes["cogitate.samples"]) == (1, 1)
    assert (aggregate.attributes["cogitate.votes"], aggregate.attributes["cogitate.stopped"]) == (2, "agreed")


def test_calls_follow_the_conventions() -> None:
    chat, score = spans(PROBED)[1].children
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.request.model"] == "math"
    assert chat.attributes["gen_ai.usage.output_tokens"] == 48
    assert score.attributes["gen_ai.request.model"] is None
    assert (score.attributes["cogitate.candidates"], score.attributes["cogitate.scorer_tokens"]) == (1, 30)


def test_what_is_known_of_the_question_beforehand_is_no_probe() -> None:
    found = spans(report({0.1: Probed(SEEN), 0.11: plan(1), 0.5: SAMPLE}, Call(Port.GENERATE, 0.12, 0.5)))
    assert laid(found) == [("plan", 0.0, 0.11), ("round", 0.11, 0.5)]


def test_a_search_that_broke_off_ends_its_round_with_its_last_call() -> None:
    found = spans(report({0.1: plan(1), 0.3: SAMPLE}, Call(Port.GENERATE, 0.12, 0.9, failed="cancelled")))
    assert laid(found) == [("plan", 0.0, 0.1), ("round", 0.1, 0.9)]


def test_calls_of_a_probe_that_never_ended_are_below_the_request() -> None:
    found = spans(report({0.2: SAMPLE}, Call(Port.GENERATE, 0.1, 0.9, failed="cancelled")))
    assert laid(found) == [("chat math", 0.1, 0.9)]


def test_a_call_without_a_model_is_named_for_what_it_does() -> None:
    nameless = replace(report({}, Call(Port.GENERATE, 0.1, 0.9)), model=None)
    assert laid(spans(nameless)) == [("generate", 0.1, 0.9)]


def test_only_so_many_calls_have_spans() -> None:
    many = report({}, *(Call(Port.GENERATE, t / 1000, t / 1000) for t in range(300)))
    assert len(spans(many)) == 256
    assert attributes(many)["cogitate.calls_without_span"] == 44


def test_a_real_search_lies_within_its_request_and_its_parts_do_not_overlap() -> None:
    for found in (
        searched(),
        searched(fixed("dvts", 8)),
        searched(scorer=FakeScorer(judge, fail_after=1)),
        searched(generator=FakeGenerator(script, seconds=0.01, fail=True)),
        searched(generator=FakeGenerator(script, seconds=0.01, lose=2)),
    ):
        parts = spans(found)
        assert all(part.start <= part.end <= found.seconds for part in every(parts))
        assert all(a.end <= b.start for a, b in itertools.pairwise(parts))
        whole = [part for part in parts if part.children]
        assert all(p.start <= c.start <= c.end <= p.end for p in whole for c in p.children)
        named = [part for part in every(parts) if part.call]
        assert len(named) == len(found.calls)


def test_the_request_says_what_it_asked_got_and_took() -> None:
    found = attributes(searched(fixed("weighted_best_of_n", 8)))
    assert found["gen_ai.operation.name"] == "invoke_workflow"
    assert found["gen_ai.provider.name"] == "cogitate"
    assert found["gen_ai.request.model"] == "math"
    assert found["gen_ai.usage.input_tokens"] == 7
    assert found["gen_ai.usage.output_tokens"] == 88
    assert found["http.response.status_code"] == 200
    assert (found["cogitate.asked.samples"], found["cogitate.granted.samples"]) == (32, 16)
    assert (found["cogitate.strategy"], found["cogitate.n"], found["cogitate.samples"]) == ("weighted_best_of_n", 8, 8)
    assert (found["cogitate.stopped"], found["cogitate.degraded"]) == ("complete", False)
    assert "error.type" not in found


@pytest.mark.parametrize(("ended", "error"), [(REFUSED, "invalid"), (FAILED, "generator")])
def test_a_request_without_an_answer_says_how_it_ended(ended: Report, error: str) -> None:
    assert attributes(ended)["error.type"] == error


def test_no_span_holds_a_question_an_answer_or_a_cause() -> None:
    told = replace(PROBED, cause="CANARYCAUSE", problem=searched().problem, key="CANARYKEY")
    texts = [str(attributes(told)), *(str((part.name, part.attributes, part.error)) for part in every(spans(told)))]
    assert not [text for text in texts if "CANARY" in text]
