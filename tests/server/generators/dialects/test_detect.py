from typing import Any

import httpx
import pytest

from server.generators import VLLM, Chat, Dialect, GeneratorOptions, LlamaCpp
from server.generators.dialects import Prompt, detect
from server.upstream import UpstreamError

VLLM_ENTRY = {"id": "a", "owned_by": "vllm", "max_model_len": 512}


async def detected(*entries: Any, body: Any = None, status: int = 200, **options: Any) -> Dialect:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/models"
        if isinstance(body, bytes):
            return httpx.Response(status, content=body)
        return httpx.Response(status, json=body if body is not None else {"data": list(entries)})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await detect(client, "http://test", GeneratorOptions(**options))


async def context_of(dialect: Dialect) -> int | None:
    from router.types import Message, Problem

    async def ask(path: str, _: Any) -> Any:
        return {"prompt": ""} if path == "/apply-template" else {"tokens": []}

    prompt: Prompt = await dialect.prompt(Problem((Message("user", "Hi"),)), ask)
    return prompt.context


async def test_who_owns_the_model_decides():
    assert isinstance(await detected(VLLM_ENTRY), VLLM)
    assert isinstance(await detected({"id": "a", "owned_by": "llamacpp"}), LlamaCpp)
    assert isinstance(await detected({"id": "a", "owned_by": "someone"}), Chat)
    assert isinstance(await detected({"id": "a", "owned_by": ["odd"]}), Chat)


async def test_an_operator_knows_better():
    assert isinstance(await detected({"id": "a"}, dialect="vllm"), VLLM)
    assert isinstance(await detected(VLLM_ENTRY, dialect="chat"), Chat)
    assert isinstance(await detected(VLLM_ENTRY, dialect="llamacpp"), LlamaCpp)


async def test_the_first_model_is_taken_or_the_one_that_is_named():
    other = {"id": "b", "owned_by": "vllm"}
    assert (await detected(3, {"name": "x"}, VLLM_ENTRY, other)).model == "a"
    assert (await detected(VLLM_ENTRY, other, model="b")).model == "b"
    with pytest.raises(UpstreamError, match="serves a, not c"):
        await detected(VLLM_ENTRY, model="c")


async def test_a_hosted_service_need_not_list_all_it_serves():
    assert (await detected({"id": "a", "owned_by": "them"}, model="c")).model == "c"
    assert (await detected(model="c")).model == "c"


@pytest.mark.parametrize(
    "fields",
    [
        {"max_model_len": 99},
        {"context_length": 99},
        {"meta": {"n_ctx": 99, "n_ctx_train": 7}},
        {"meta": {"n_ctx_train": 99}},
    ],
)
async def test_the_context_is_found_where_servers_put_it(fields: dict[str, Any]):
    assert await context_of(await detected({"id": "a", **fields})) == 99
    assert await context_of(await detected({"id": "a", "owned_by": "llamacpp", **fields})) == 99
    assert await context_of(await detected({"id": "a", **fields}, context=50)) == 50


async def test_a_context_nobody_tells_is_not_known():
    assert await context_of(await detected({"id": "a", "max_model_len": "long", "meta": 3})) is None


@pytest.mark.parametrize("body", [[], {"data": 3}, {"data": []}, {}, b"<html>"])
async def test_a_server_that_lists_nothing_is_not_known(body: Any):
    with pytest.raises(UpstreamError):
        await detected(body=body)


async def test_a_server_that_fails_is_not_known():
    with pytest.raises(UpstreamError, match="answered 500"):
        await detected(status=500)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="dialect"):
        GeneratorOptions(dialect="klingon")
    with pytest.raises(ValueError, match="samples_per_call"):
        GeneratorOptions(samples_per_call=0)
    with pytest.raises(ValueError, match="context"):
        GeneratorOptions(context=1)
