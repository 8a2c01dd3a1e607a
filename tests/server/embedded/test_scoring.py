import numpy as np
import pytest

from server.embedded.llama import Llama
from server.embedded.orders import Judgement, Passage, ScoreOrder
from server.embedded.prefixes import PrefixTree
from server.embedded.scoring import BATCH_ROWS, ROUND_PASSAGES, Scoring

from .checkpoints import SIZES, plain_logprobs, random_tensors

PROMPT = (1, 3, 50, 60, 70, 4)
TENSORS = random_tensors()


def scoring(model: Llama, cache: int = 2**24) -> Scoring:
    return Scoring(model, PrefixTree(cache))


def judge(scoring: Scoring, *orders: ScoreOrder) -> list[Judgement]:
    for order in orders:
        scoring.submit(order)
    done: dict[ScoreOrder, Judgement] = {}
    while scoring.busy:
        done.update(scoring.step())
    return [done[order] for order in orders if order in done]


def passages(*answers: tuple[int, ...], prompt: tuple[int, ...] = PROMPT) -> ScoreOrder:
    return ScoreOrder(tuple(Passage(prompt + answer, len(prompt)) for answer in answers))


def assert_plain(order: ScoreOrder, judgement: Judgement) -> None:
    for passage, logprobs in zip(order.passages, judgement.logprobs, strict=True):
        after = plain_logprobs(TENSORS, SIZES, list(passage.tokens))
        expected = [after[i - 1, passage.tokens[i]] for i in range(passage.start, len(passage.tokens))]
        np.testing.assert_allclose(logprobs, expected, atol=2e-4)


def answer(seed: int, length: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(8, 768, length).tolist())


def test_scores_equal_the_plain_computation_whatever_the_lengths(model: Llama):
    order = passages(*(answer(i, length) for i, length in enumerate((1, 40, 7, 2, 90, 13))))
    (judgement,) = judge(scoring(model), order)
    assert_plain(order, judgement)


def test_the_shared_prompt_is_computed_once(model: Llama):
    order = passages(answer(1, 10), answer(2, 10))
    (judgement,) = judge(scoring(model), order)
    assert judgement.tokens == (len(PROMPT) - 1) + 2 * (10 + 1)


def test_an_identical_passage_costs_nothing_more(model: Llama):
    order = passages(answer(1, 10), answer(1, 10), answer(1, 10))
    (judgement,) = judge(scoring(model), order)
    assert judgement.tokens == len(PROMPT) + 10
    assert_plain(order, judgement)


def test_what_was_judged_is_not_computed_again(model: Llama):
    engine = scoring(model)
    first = judge(engine, passages(answer(1, 10)))[0]
    again = judge(engine, passages(answer(1, 10)))[0]
    assert again.tokens == 0
    np.testing.assert_array_equal(first.logprobs[0], again.logprobs[0])


def test_a_longer_passage_costs_its_new_tokens_and_one(model: Llama):
    engine = scoring(model)
    judge(engine, passages(answer(1, 10)))
    order = passages(answer(1, 10) + answer(2, 6), answer(1, 4))
    (judgement,) = judge(engine, order)
    assert judgement.tokens == 6 + 1
    assert_plain(order, judgement)


def test_orders_that_come_together_are_judged_together(model: Llama):
    first, second = passages(answer(1, 10), answer(2, 5)), passages(answer(1, 10), answer(3, 8), prompt=PROMPT)
    judgements = judge(scoring(model), first, second)
    assert_plain(first, judgements[0])
    assert_plain(second, judgements[1])
    assert judgements[1].tokens == 8 + 1, "only the passage that nobody else asked for"


@pytest.mark.parametrize("cache", [0, 20_000, 2**24])
@pytest.mark.parametrize("prompt", [PROMPT, (1,), tuple(range(10, 50))])
def test_a_judgement_never_costs_more_than_reading_every_passage(model: Llama, cache: int, prompt: tuple[int, ...]):
    engine = scoring(model, cache)
    grown: tuple[int, ...] = ()
    for step in range(6):
        grown += answer(step, 5)
        order = passages(grown, grown + answer(99, 3), grown + answer(98, 1), answer(step + 50, 20), prompt=prompt)
        (judgement,) = judge(engine, order)
        assert judgement.tokens <= sum(len(passage.tokens) for passage in order.passages)
        assert_plain(order, judgement)


def test_the_full_context_can_be_judged(model: Llama):
    order = passages(answer(1, model.config.context - len(PROMPT)), answer(2, 3))
    assert_plain(order, judge(scoring(model), order)[0])


def test_more_passages_than_a_round_has_are_all_judged(model: Llama):
    orders = [passages(*(answer(100 * i + j, 2 + j % 5) for j in range(100))) for i in range(4)]
    assert sum(len(order.passages) for order in orders) > ROUND_PASSAGES
    judgements = judge(scoring(model), *orders)
    assert_plain(orders[3], judgements[3])
    assert [len(judgement.logprobs) for judgement in judgements] == [100] * 4


def test_many_short_extensions_go_in_several_passes(model: Llama):
    engine = scoring(model)
    order = passages(*(answer(i, 2) for i in range(3 * BATCH_ROWS)))
    engine.submit(order)
    passes, done = 0, list[tuple[ScoreOrder, Judgement]]()
    while engine.busy:
        done = engine.step()
        passes += 1
    assert passes == 1 + 3, "the prompt, and the passages"
    assert_plain(order, done[0][1])


def test_a_cancelled_order_is_dropped_and_the_others_are_not(model: Llama):
    engine = scoring(model)
    doomed, kept = passages(answer(1, 10), answer(2, 10)), passages(answer(1, 10), answer(3, 10))
    engine.submit(doomed)
    engine.submit(kept)
    engine.step()  # the shared prompt
    doomed.cancelled = True
    gone = passages(answer(4, 10))
    gone.cancelled = True
    engine.submit(gone)
    done: list[tuple[ScoreOrder, Judgement]] = []
    while engine.busy:
        done += engine.step()
    assert [order for order, _ in done] == [kept]
    assert_plain(kept, done[0][1])


def test_nothing_to_judge_is_judged_at_once(model: Llama):
    assert judge(scoring(model), ScoreOrder(()))[0] == Judgement((), 0)


def test_unknown_log_probabilities_in_the_cache_are_computed(model: Llama):
    """A prompt's log-probabilities were never wanted; as part of an answer they are."""
    engine = scoring(model)
    judge(engine, passages(answer(1, 10)))
    order = ScoreOrder((Passage(PROMPT + answer(1, 12), 2),))
    assert_plain(order, judge(engine, order)[0])


def test_after_a_reset_nothing_is_left(model: Llama):
    engine = scoring(model)
    engine.submit(passages(answer(1, 10), answer(2, 10)))
    engine.step()
    engine.reset()
    assert not engine.busy
