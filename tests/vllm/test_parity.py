"""What vLLM serves is what the host in this process computes: for every family, in single precision."""

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from tokenizers import Tokenizer

from server.prm.families import load_family
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.hosts.vllm import VllmHost
from server.prm.ports import Family, Host, HostError, Item, TokenLogits
from server.prm.relabel import relabel
from server.upstream import Pool, PoolOptions
from tests.server.prm.hosts.vllm_server import Pooled, VllmServer
from tests.server.prm.models import MAKERS

from .conftest import Serve
from .process import Server, start

_log = logging.getLogger(__name__)

PRECISION = 1e-3
CASES = (
    "qwen STEP",
    "qwen ALL",
    "shepherd STEP",
    "shepherd ALL",
    "rlhflow ALL",
    "skywork ALL",
    "outcome LAST",
    "implicit",
)
"""A family, and what vLLM pools."""

PROBLEM = "Natalia sold 48 clips in April and half as many in May. How many did she sell altogether?"
STEPS = (
    "Natalia sold 48 / 2 = 24 clips in May.",
    "Altogether she sold 48 + 24 = 72 clips.",
    "The answer is $\\boxed{72}$.",
)
RAGGED = (
    Item(PROBLEM, STEPS[:1]),
    Item(PROBLEM, STEPS),
    Item("What is 12 + 30?", tuple(f"Then {i} + {i + 1} = {2 * i + 1}." for i in range(40))),
    Item("What is 1 + 1?", ("2",)),
    Item(PROBLEM, STEPS[:2], finished=False),
    Item("Größer?", ("日本語", "A line,\nand another.")),
)
"""One step, three, forty; an answer that goes on, a step of two lines, letters beyond ASCII."""

TAGGED = Item("Что такое кит?", ("A whale: <extra_0>.", "Yes."))
"""Math-Shepherd's tag occurs in it, and Qwen's by name."""


FAKES: Mapping[str, Pooled] = {"STEP": "STEP", "ALL": "ALL", "LAST": "LAST", "": "NONE"}


@dataclass(frozen=True)
class Case:
    """A model in both hosts; `original` is the checkpoint as published, `server` may serve a relabelled one."""

    family: Family
    original: Path
    server: Server
    pooled: str


@pytest.fixture(scope="module")
def cases(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return {name: _case(name, serve, tmp_path_factory.mktemp("models")) for name in CASES}


def _case(name: str, serve: Serve, folder: Path) -> Case:
    kind, _, pooled = name.partition(" ")
    original = served = MAKERS[kind](folder / kind)
    family = load_family(kind, original)
    if kind == "skywork":
        relabel(original, served := folder / "relabelled")
    server = serve(name.replace(" ", "-"), served, "--max-model-len=4096", *_flags(family, original, pooled))
    return Case(family, original, server, pooled)


def _flags(family: Family, model: Path, pooled: str) -> Iterator[str]:
    """How the documentation says that a family is served."""
    if not pooled:
        return
    yield "--runner=pooling"
    if pooled == "LAST":
        return
    pooler = {"task": "token_classify", "tok_pooling_type": pooled}
    if pooled == "STEP":
        pooler["step_tag_id"] = getattr(family, "separator")  # noqa: B009 - not every family has one
    yield f"--pooler-config={orjson.dumps(pooler).decode()}"
    if isinstance(family.head, TokenLogits):
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        decoder = orjson.loads((model / "config.json").read_bytes())["architectures"][0].removesuffix("ForCausalLM")
        overrides = {
            "architectures": [f"{decoder}ForSequenceClassification"],
            "method": "no_post_processing",
            "classifier_from_token": [tokenizer.id_to_token(i) for i in family.head.ids],
            "num_labels": len(family.head.ids),
        }
        yield "--convert=classify"
        yield f"--hf-overrides={orjson.dumps(overrides).decode()}"


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Iterator[Case]:
    """One server after the other, for their size; the next one starts while this one is at work."""
    now, *later = CASES[CASES.index(request.param) :]
    if later and not cases[later[0]].server.running:
        cases[later[0]].server.launch()
    start([cases[now].server])
    yield cases[now]
    cases[now].server.stop()


@asynccontextmanager
async def remote(family: Family, url: str) -> AsyncGenerator[VllmHost]:
    host = VllmHost(Pool("vllm", [url], options=PoolOptions(affinity=False)), family.head)
    try:
        await host.start()
        yield host
    finally:
        await host.aclose()


@asynccontextmanager
async def local(family: Family, model: Path) -> AsyncGenerator[TransformersHost]:
    host = TransformersHost(model, family.head, TransformersOptions(threads=1))
    try:
        await host.start()
        yield host
    finally:
        await host.aclose()


async def rewards(family: Family, host: Host, items: Sequence[Item]) -> list[tuple[float, ...]]:
    passages = [family.lay_out(item) for item in items]
    readings = await host.read(passages)
    return [family.rewards(p, r.values) for p, r in zip(passages, readings, strict=True)]


def furthest(some: Sequence[tuple[float, ...]], others: Sequence[tuple[float, ...]]) -> float:
    return max(abs(a - b) for x, y in zip(some, others, strict=True) for a, b in zip(x, y, strict=True))


async def test_vllm_gives_what_the_host_in_this_process_gives(case: Case) -> None:
    passages = [case.family.lay_out(item) for item in RAGGED]
    async with remote(case.family, case.server.url) as there, local(case.family, case.original) as here:
        expected, found = await here.read(passages), await there.read(passages)
        rewards_apart = furthest(await rewards(case.family, there, RAGGED), await rewards(case.family, here, RAGGED))
    numbers_apart = max(np.abs(a.values - b.values).max() for a, b in zip(found, expected, strict=True))
    _log.info("%s %s: numbers %.1e, rewards %.1e apart", case.family.name, case.pooled, numbers_apart, rewards_apart)
    assert np.ptp([reading.values[-1, 0] for reading in expected]) > 0.1, "were all alike, it would prove nothing"
    assert numbers_apart <= PRECISION
    assert rewards_apart <= PRECISION


async def test_a_text_alone_gets_what_it_gets_in_company(case: Case) -> None:
    async with remote(case.family, case.server.url) as there:
        together = await rewards(case.family, there, RAGGED)
        alone = [(await rewards(case.family, there, [item]))[0] for item in RAGGED]
    assert furthest(alone, together) <= PRECISION


async def test_a_separator_within_the_text_is_no_step(case: Case) -> None:
    async with remote(case.family, case.server.url) as there, local(case.family, case.original) as here:
        expected = await rewards(case.family, here, [TAGGED])
        if case.family.name == "shepherd" and case.pooled == "STEP":
            with pytest.raises(HostError, match="tok_pooling_type"):  # vLLM cannot know which of them is meant
                await rewards(case.family, there, [TAGGED])
        else:
            assert furthest(await rewards(case.family, there, [TAGGED]), expected) <= PRECISION


async def test_the_unit_tests_server_answers_as_vllm_does(case: Case) -> None:
    """Same status, and nothing in a reply that vLLM's has not."""
    texts = [case.family.lay_out(item).tokens for item in RAGGED[:2]]
    fake = VllmServer(FAKES[case.pooled], texts[0][-1], 1 if case.family.name in {"skywork", "outcome"} else 2, 4096)
    pooling, completions = ("/pooling", "input", {}), ("/v1/completions", "prompt", {"prompt_logprobs": 0})
    here, there = (completions, pooling) if fake.pooled == "NONE" else (pooling, completions)
    async with fake.serving() as url, httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        sides = ((url, "prm"), (case.server.url, case.server.model.name))
        assert_within(*[(await client.get(f"{address}/v1/models")).json() for address, _ in sides])
        for (path, field, wanted), inputs, model in (
            (here, texts, None),
            (here, [texts[0] * 4097], None),
            (here, texts, "other"),
            (there, texts, None),
        ):
            replies = [
                await client.post(
                    address + path, json={"model": model or name, field: inputs, "max_tokens": 1, **wanted}
                )
                for address, name in sides
            ]
            assert replies[0].status_code == replies[1].status_code
            if path == here[0]:
                assert_within(replies[0].json(), replies[1].json())


def assert_within(some: Any, others: Any) -> None:
    """Assert that `some` JSON has no field and no kind of value that `others` has not."""
    assert type(some) is type(others)
    if isinstance(some, dict):
        for key in some:
            assert_within(some[key], others[key])
    elif isinstance(some, list):
        assert len(some) == len(others)
        for a, b in zip(some, others, strict=True):
            assert_within(a, b)
