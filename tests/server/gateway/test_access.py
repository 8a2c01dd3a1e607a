"""Keys at the gateway: who may ask, for what, and how much of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.testing import FakeGenerator
from server.gateway import create_app
from server.keys import Key, KeyLimits, Keyring, LocalQuota, Quota, Reservation, Unavailable, keyfile
from server.keys.key import digest
from server.report import Outcome

from .serving import Watch, client, deps, script, serving

TOKEN = "cog_a-token-nobody-else-has"
QUESTION = {"messages": [{"role": "user", "content": "How much is 6 times 7?"}], "seed": 1}
"""A question with one short answer."""


def keyring(path: Path, **fields: Any) -> Keyring:
    key = Key(id="key_1", name="alice", digest=digest(TOKEN), **fields)
    return written(path, key)


def written(path: Path, *keys: Key) -> Keyring:
    file = path / "keys.toml"
    keyfile.write(file, keys)
    return Keyring.read(file)


async def ask(
    ring: Keyring,
    body: Mapping[str, Any] = QUESTION,
    *,
    token: str | None = TOKEN,
    quota: Quota | None = None,
    watch: Watch | None = None,
    budget: str = "auto",
) -> httpx.Response:
    headers = {"x-compute-budget": budget}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    async with client(deps(keyring=ring, quota=quota, watch=watch)) as http:
        return await http.post("/v1/chat/completions", json=body, headers=headers)


def error_of(response: httpx.Response) -> dict[str, Any]:
    return response.json()["error"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", f"Bearer {TOKEN}x", TOKEN, "Bearer é"])
async def test_without_a_valid_key_nobody_is_answered(tmp_path: Path, header: str | None) -> None:
    watch = Watch()
    headers = {} if header is None else {b"authorization": header.encode("latin-1")}
    async with client(deps(keyring=keyring(tmp_path), watch=watch)) as http:
        response = await http.post("/v1/chat/completions", json=QUESTION, headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert error_of(response)["code"] == "invalid_api_key"
    assert watch.reports[0].outcome is Outcome.REFUSED
    assert watch.reports[0].status == 401


@pytest.mark.parametrize(
    "others", [(b"Bearer x", f"Bearer {TOKEN}".encode()), (f"Bearer {TOKEN}".encode(), b"Bearer x")]
)
async def test_of_two_keys_none_counts(tmp_path: Path, others: tuple[bytes, bytes]) -> None:
    async with client(deps(keyring=keyring(tmp_path))) as http:
        lines = [(b"authorization", line) for line in others]
        response = await http.post("/v1/chat/completions", json=QUESTION, headers=lines)  # type: ignore[arg-type]
    assert response.status_code == 401


async def test_a_key_opens_and_its_name_is_reported(tmp_path: Path) -> None:
    watch = Watch()
    response = await ask(keyring(tmp_path), watch=watch)
    assert response.status_code == 200
    assert watch.reports[0].key == "alice"


@pytest.mark.parametrize(("scope", "path"), [("models", "/v1/models"), ("metrics", "/metrics")])
async def test_routes_ask_for_their_scopes(tmp_path: Path, scope: Any, path: str) -> None:
    ring = keyring(tmp_path, scopes=frozenset([scope]))
    headers = {"authorization": f"bearer {TOKEN}"}
    async with client(deps(keyring=ring)) as http:
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers=headers)).status_code == 200
        chat = await http.post("/v1/chat/completions", json=QUESTION, headers=headers)
    assert chat.status_code == 403
    assert error_of(chat)["type"] == "permission_error"


async def test_health_and_readiness_need_no_key(tmp_path: Path) -> None:
    async with client(deps(keyring=keyring(tmp_path))) as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/ready")).status_code == 200
        assert 'type="password"' in (await http.get("/")).text


@pytest.mark.parametrize(
    ("limits", "body", "budget", "param"),
    [
        (KeyLimits(models=frozenset(["another"])), {}, "low", "model"),
        (KeyLimits(strategies=frozenset(["best_of_n"])), {}, "samples=4, strategy=dvts", "strategy"),
        (KeyLimits(max_samples=2), {"n": 3}, "samples=8", "n"),
    ],
)
async def test_what_a_key_does_not_allow_is_refused_by_name(
    tmp_path: Path, limits: KeyLimits, body: dict[str, Any], budget: str, param: str
) -> None:
    response = await ask(keyring(tmp_path, limits=limits), {**QUESTION, **body}, budget=budget)
    assert response.status_code == 403
    assert error_of(response)["param"] == param
    assert error_of(response)["code"] == "permission_denied"


async def test_a_budget_over_the_keys_is_lowered_and_the_answer_says_so(tmp_path: Path) -> None:
    ring = keyring(tmp_path, limits=KeyLimits(max_samples=3, max_compute=5000))
    response = await ask(ring, budget="samples=16, strategy=majority_voting")
    compute = response.json()["compute"]
    assert compute["samples"] == 3
    assert compute["budget"]["granted"]["tokens"] == 5000
    assert compute["degraded"] == ["samples: 3 of 16, for the server or the key allows no more now"]
    assert response.headers["x-compute-degraded"] == "samples"


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [({"majority_voting"}, "majority_voting"), ({"best_of_n"}, "best_of_n"), ({"dvts"}, "greedy")],
)
async def test_a_policy_plans_with_the_keys_strategies_alone(tmp_path: Path, allowed: set[str], expected: str) -> None:
    ring = keyring(tmp_path, limits=KeyLimits(strategies=frozenset(allowed)))
    watch = Watch()
    response = await ask(ring, watch=watch, budget="medium")
    assert response.status_code == 200
    answer = watch.reports[0].answer
    assert answer is not None
    planned = {answer.plan.name} - {None}
    assert planned <= {expected, "greedy"}


async def test_requests_over_the_limit_are_told_when_to_come_back(tmp_path: Path) -> None:
    ring, watch = keyring(tmp_path, limits=KeyLimits(requests_per_day=2)), Watch()
    quota = LocalQuota()
    statuses = [(await ask(ring, quota=quota, watch=watch)).status_code for _ in range(3)]
    last = await ask(ring, quota=quota)
    assert statuses == [200, 200, 429]
    assert error_of(last)["code"] == "rate_limit_exceeded"
    assert 1 <= int(last.headers["retry-after"]) <= 86400
    assert watch.reports[-1].shed == "key_requests"


async def test_compute_is_settled_to_what_the_answer_took(tmp_path: Path) -> None:
    ring, quota = keyring(tmp_path, limits=KeyLimits(compute_per_day=100_000)), LocalQuota()
    first = await ask(ring, quota=quota, budget="low")
    took = first.json()["compute"]["compute_tokens"]
    key = ring.find(TOKEN)
    assert key is not None
    left = await quota.reserve(key, 100_000, 1)
    assert left.granted == (100_000 - took) // 2


async def test_a_bounded_quota_bounds_the_search_and_says_so(tmp_path: Path) -> None:
    ring = keyring(tmp_path, limits=KeyLimits(compute_per_day=600))
    response = await ask(ring, budget="samples=64, strategy=best_of_n")
    compute = response.json()["compute"]
    assert compute["compute_tokens"] <= 300
    assert compute["stopped"] == "budget"
    assert [told.partition(":")[0] for told in compute["degraded"]] == ["quota"]


async def test_a_day_too_small_for_any_answer_asks_for_no_retry(tmp_path: Path) -> None:
    response = await ask(keyring(tmp_path, limits=KeyLimits(compute_per_minute=10)))
    assert response.status_code == 429
    assert response.headers["x-should-retry"] == "false"


class Failing(LocalQuota):
    """Books that cannot be read."""

    async def reserve(self, key: Key, ask: int, least: int) -> Reservation:
        raise Unavailable


async def test_without_the_books_nobody_spends(tmp_path: Path) -> None:
    watch = Watch()
    response = await ask(keyring(tmp_path, limits=KeyLimits(requests_per_day=1)), quota=Failing(), watch=watch)
    assert response.status_code == 503
    assert error_of(response)["code"] == "quota_unavailable"
    assert watch.reports[0].shed == "quota"


async def test_a_request_whose_client_leaves_is_charged_for_what_was_drawn(tmp_path: Path) -> None:
    limit = 1_000_000
    ring, quota, watch = keyring(tmp_path, limits=KeyLimits(compute_per_day=limit)), LocalQuota(), Watch()
    generator = FakeGenerator(script, seconds=0.1)
    headers = {"authorization": f"Bearer {TOKEN}", "x-compute-budget": "samples=8, strategy=majority_voting"}
    async with serving(create_app(deps(generator, keyring=ring, quota=quota, watch=watch))) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=0.2) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post("/v1/chat/completions", json=QUESTION, headers=headers)
        async with asyncio.timeout(10):
            while not watch.reports:  # noqa: ASYNC110 - the observer is told within the server
                await asyncio.sleep(0.01)
    drawn = sum(call.tokens for call in watch.reports[0].calls)
    key = ring.find(TOKEN)
    assert key is not None
    assert watch.reports[0].outcome is Outcome.CANCELLED
    assert (await quota.reserve(key, limit, 1)).granted == (limit - drawn) // 2
    assert drawn > 0


class Distant(LocalQuota):
    """Books that take a moment, as those in Redis do, or hang until `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.settling = asyncio.Event()

    async def reserve(self, key: Key, ask: int, least: int) -> Reservation:
        reservation = await super().reserve(key, ask, least)

        async def settle(spent: int) -> None:
            self.settling.set()
            await self.answers.wait()
            await reservation.settle(spent)

        return Reservation(reservation.granted, reservation.remaining, settle)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_has_the_reply_waits_for_no_settling_and_counts_as_answered(tmp_path: Path, stream: bool) -> None:
    limit = 1_000_000
    ring, quota, watch = keyring(tmp_path, limits=KeyLimits(compute_per_day=limit)), Distant(), Watch()
    async with serving(create_app(deps(keyring=ring, quota=quota, watch=watch))) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            headers = {"authorization": f"Bearer {TOKEN}"}
            response = await http.post("/v1/chat/completions", json={**QUESTION, "stream": stream}, headers=headers)
        await quota.settling.wait()
        for _ in range(20):  # the server sees that the client has gone
            await asyncio.sleep(0)
        quota.answers.set()
    assert response.status_code == 200
    assert watch.reports[0].outcome is Outcome.ANSWERED
