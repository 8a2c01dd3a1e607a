"""One of two gateways dies under load, or is asked to stop."""

import asyncio

from tests.chaos.processes import until

from .fleet import Client, Fleet, Gateway, Proxy, Reply

Clients = dict[str, Client]

CLIENTS = 16


async def under_way(fleet: Fleet, at_least: int = 4) -> None:
    """Wait until both gateways are busy."""

    async def busy() -> bool:
        return min([await fleet.in_flight(gateway) for gateway in fleet.gateways]) >= at_least

    await until(busy, 30)


async def test_no_answer_is_lost_when_a_gateway_is_killed(clients: Clients, fleet: Fleet) -> None:
    worker, (victim, other) = clients["worker"], fleet.gateways
    await fleet.slow(0.1)
    asking = [asyncio.create_task(worker.insist(n, stream=n % 2 == 1)) for n in range(CLIENTS)]
    await under_way(fleet)
    held = await fleet.in_flight(victim)
    victim.kill()
    await fleet.slow(0.01)
    answers = await asyncio.gather(*asking)

    assert all(reply.whole for reply, _ in answers)
    assert len({reply.request_id.rpartition("-")[0] for reply, _ in answers}) == CLIENTS
    spent = sum(reply.compute["compute_tokens"] for reply, _ in answers)
    crashed = fleet.open_grants(worker.key_id)
    assert 0 < len(crashed) <= held
    assert fleet.charged(worker.key_id) == spent + sum(
        crashed
    )  # and not a token beyond what the dead one had set aside
    assert await fleet.in_flight(other) == 0
    await served_by_both_again(clients, fleet, victim)


async def test_the_answers_are_those_of_a_calm_day(clients: Clients, fleet: Fleet) -> None:
    calm = [(await clients["free"].ask(n)).compute["answer"] for n in range(6)]
    await fleet.slow(0.1)
    asking = [asyncio.create_task(clients["free"].insist(n)) for n in range(6)]
    await under_way(fleet, 2)
    fleet.gateways[1].kill()
    await fleet.slow(None)
    assert [reply.compute["answer"] for reply, _ in await asyncio.gather(*asking)] == calm


async def test_no_request_is_lost_when_a_gateway_is_asked_to_stop(clients: Clients, fleet: Fleet, proxy: Proxy) -> None:
    worker, (leaving, _) = clients["worker"], fleet.gateways
    before = len(proxy.told())
    await fleet.slow(0.02)
    gone = asyncio.Event()

    async def go_on(number: int) -> list[bool]:
        """Ask once and again without a second try, until some time after the gateway has gone."""
        fine = list[bool]()
        while not gone.is_set() or len(fine) < 3:
            reply = await worker.ask(number, stream=number % 2 == 1)
            assert reply.whole, reply
            fine.append(True)
        return fine

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS // 2):
            group.create_task(go_on(number))
        await under_way(fleet, 2)
        leaving.terminate()
        drizzle = group.create_task(short_ones(clients["free"]))
        status = await leaving.stopped()
        assert all(reply.whole for reply in await drizzle)
        gone.set()
    assert status in (0, -15)
    await until(fleet.settled(worker.key_id), 10)
    if proxy.name == "haproxy":  # which looks at /ready: thanks to the drain it had nothing to try again
        tries = [line.rpartition("retries=")[2] for line in proxy.told()[before:] if "status=" in line]
        assert len(tries) >= CLIENTS
        assert set(tries) == {"0"}
    await served_by_both_again(clients, fleet, leaving)


async def short_ones(client: Client) -> list[Reply]:
    """Ask for little every 20 ms, for a second: some are on their way whenever a door closes."""
    asking = list[asyncio.Task[Reply]]()
    for number in range(50):
        asking.append(asyncio.create_task(client.ask(number, samples=1)))
        await asyncio.sleep(0.02)
    return await asyncio.gather(*asking)


async def served_by_both_again(clients: Clients, fleet: Fleet, gateway: Gateway) -> None:
    """Start a gateway again, and wait until the proxy sends it requests."""
    gateway.start()
    await fleet.heal()
    seen = set[str]()

    async def both() -> bool:
        seen.add((await clients["free"].ask(samples=1)).served_by)
        return len(seen - {""}) == 2

    await until(both, 30)
