"""Two gateways behind one proxy keep one account: what a key has used at one counts at the other."""

import asyncio

from tests.chaos.processes import until

from .fleet import Client, Fleet

Clients = dict[str, Client]


async def test_a_key_gets_as_many_requests_as_its_limit_from_both_gateways_together(clients: Clients) -> None:
    replies = [await clients["ten"].ask(number, samples=1) for number in range(14)]
    assert [reply.status for reply in replies] == [200] * 10 + [429] * 4
    assert len({reply.served_by for reply in replies[:10]}) == 2
    assert len({reply.served_by for reply in replies[10:]}) == 2
    for refused in replies[10:]:
        assert refused.error
        assert refused.error["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) >= 1
    assert [int(r.headers["x-ratelimit-remaining-requests"]) for r in replies[:10]] == list(range(9, -1, -1))


async def test_no_race_lets_one_request_more_through(clients: Clients, fleet: Fleet) -> None:
    replies = await asyncio.gather(*(clients["ten"].ask(number, samples=1) for number in range(24)))
    assert sorted(reply.status for reply in replies) == [200] * 10 + [429] * 14
    assert fleet.redis.used(clients["ten"].key_id)[0] == 10


async def test_compute_is_never_overspent_and_what_is_left_over_comes_back(clients: Clients, fleet: Fleet) -> None:
    spender = clients["spender"]
    while (last := await asyncio.gather(*(spender.ask(number) for number in range(8))))[-1].status == 200:
        assert fleet.charged(spender.key_id) <= 3000
    await until(fleet.settled(spender.key_id), 10)
    spent = fleet.charged(spender.key_id)
    assert {reply.status for reply in last} <= {200, 429}
    assert 0 < spent <= 3000


async def test_what_is_charged_is_what_replies_say_they_took(clients: Clients, fleet: Fleet) -> None:
    worker = clients["worker"]
    replies = await asyncio.gather(*(worker.ask(number, stream=number % 2 == 1) for number in range(8)))
    assert all(reply.whole for reply in replies)
    await until(fleet.settled(worker.key_id), 10)
    assert fleet.charged(worker.key_id) == sum(reply.compute["compute_tokens"] for reply in replies)


async def test_without_redis_a_key_with_limits_is_refused_and_another_is_served(clients: Clients, fleet: Fleet) -> None:
    fleet.redis.kill()
    try:
        refused = [await clients["worker"].ask(number) for number in range(4)]
        served = [await clients["free"].ask(number) for number in range(4)]
    finally:
        fleet.redis.start()
    assert [(r.status, (r.error or {}).get("code")) for r in refused] == [(503, "quota_unavailable")] * 4
    assert all(reply.whole for reply in served)
    assert {r.served_by for r in refused} == {r.served_by for r in served}
    again = [await clients["worker"].insist(number) for number in range(4)]
    assert len({reply.served_by for reply, _ in again}) == 2
