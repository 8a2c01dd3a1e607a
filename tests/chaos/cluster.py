"""A gateway in front of two replicas and a scoring service: what can be done to it, asked of it, and seen of it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from .processes import Process, until

VARIED = "What is 345 * 67?"
"""A question whose samples differ in length, and in their answers."""

SAMPLES = 8
"""Of a search, where nothing else is said."""

VOTES = ("majority_voting", "weighted_best_of_n")
JUDGED = ("weighted_best_of_n", "beam_search")
SEARCHES = (*VOTES, "beam_search")

_numbers = count(1)


@dataclass(slots=True)
class Reply:
    """What came of one request; `seconds` is how long the client waited."""

    status: int
    headers: httpx.Headers
    seconds: float
    compute: dict[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""
    error: dict[str, Any] | None = None

    @property
    def votes(self) -> int:
        """How many solutions took part. Groups of equal answers beyond the sixteenth are not told."""
        return sum(vote["count"] for vote in self.compute["votes"])

    @property
    def degraded(self) -> bool:
        """Whether the search had to go on without its scorer."""
        return bool(self.compute["degraded"])


Replies = dict[str, Reply]
"""By how the question was put."""


def assert_answered(replies: Replies, *, samples: int = SAMPLES, degraded: Collection[str] = ()) -> None:
    """Assert that every search has its answer, with all samples it asked for, and degraded where it should be."""
    for name, reply in replies.items():
        compute = reply.compute
        assert (reply.status, reply.error) == (200, None), name
        decided = "voting" in name and compute["stopped"] == "agreed"  # the rest could not change the answer
        assert (compute["lost"], decided or compute["stopped"] == "complete") == (0, True), name
        assert 1 <= compute["samples"] <= samples, name
        assert decided or "beam" in name or reply.votes == compute["samples"] == samples, name
        assert reply.text, name
        assert reply.degraded is (name.partition(",")[0] in degraded), (name, compute["degraded"])


@dataclass(slots=True)
class Cluster:
    """The processes, and a client of them."""

    gateway: Process
    replicas: tuple[Process, Process]
    prm: Process
    http: httpx.AsyncClient

    async def ask(
        self,
        strategy: str = "majority_voting",
        samples: int = SAMPLES,
        *,
        question: str = VARIED,
        deadline: float = 20.0,
        stream: bool = False,
        **fields: Any,
    ) -> Reply:
        """Put one question, and wait for all of the answer."""
        body = {"messages": [{"role": "user", "content": question}], "seed": 5, "stream": stream, **fields}
        budget = f"samples={samples}, deadline={deadline}, strategy={strategy}"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        reply = await self.http.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": budget})
        found = Reply(reply.status_code, reply.headers, loop.time() - begun)
        if reply.headers["content-type"].startswith("text/event-stream"):
            _read_stream(reply.text, found)
        elif reply.status_code == 200:
            found.compute = reply.json()["compute"]
            found.text = reply.json()["choices"][0]["message"]["content"]
        else:
            found.error = reply.json()["error"]
        return found

    async def all_ways(self, *searches: str, **order: Any) -> Replies:
        """Put one question in several ways at the same time: to each search, plain and as a stream."""
        ways = [(search, stream) for search in searches for stream in (False, True)]
        replies = await asyncio.gather(*(self.ask(search, stream=stream, **order) for search, stream in ways))
        return {
            f"{search}, {'streaming' if stream else 'plain'}": reply
            for (search, stream), reply in zip(ways, replies, strict=True)
        }

    @asynccontextmanager
    async def asking(self, *searches: str, **order: Any) -> AsyncGenerator[Replies]:
        """Put one question in several ways, and meanwhile do what is in the context; then the replies are there."""
        replies: Replies = {}
        asking = asyncio.create_task(self.all_ways(*searches, **order))
        try:
            yield replies
            replies.update(await asking)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def fault(self, replica: Process, kind: str | None, **how: Any) -> None:
        """Let a replica misbehave from its next call on."""
        (await self.http.post(f"{replica.url}/fault", json={"kind": kind, **how})).raise_for_status()

    async def stats(self, replica: Process) -> Counter[str]:
        """Return what a replica has counted since it started."""
        return Counter((await self.http.get(f"{replica.url}/stats")).json())

    async def counted(self) -> Counter[str]:
        """Return what all replicas that run have counted together."""
        return sum([await self.stats(r) for r in self.replicas if r.alive], Counter[str]())

    async def metrics(self, process: Process | None = None) -> Counter[str]:
        """Return the metrics of a process, or of the gateway, by name over all labels, and by "name label=value"."""
        text = (await self.http.get(f"{(process or self.gateway).url}/metrics")).text
        found = Counter[str]()
        for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
            for name in (sample.name, *(f"{sample.name} {label}={value}" for label, value in sample.labels.items())):
                found[name] += int(sample.value)
        return found

    async def running(self, replica: Process) -> int:
        """Return how many choices a replica is generating."""
        return (await self.metrics(replica))["vllm:num_requests_running"]

    async def condition(self) -> dict[str, Any]:
        """Return what the gateway says of its model."""
        (model,) = (await self.http.get("/ready")).json()["models"].values()
        return model

    async def preferred(self, question: str = VARIED) -> tuple[Process, Process]:
        """Return the replica that gets this question, and the other one."""
        before = [await self.stats(r) for r in self.replicas]
        assert (await self.ask("greedy", 1, question=question, max_tokens=1)).status == 200
        after = [await self.stats(r) for r in self.replicas]
        asked = [now["calls"] - then["calls"] for now, then in zip(after, before, strict=True)]
        assert sorted(asked) == [0, 1]
        return (self.replicas[0], self.replicas[1]) if asked[0] else (self.replicas[1], self.replicas[0])

    async def healthy(self) -> bool:
        """Ask whether the gateway thinks that all replicas and the scorer may be asked."""
        condition = await self.condition()
        return condition["replicas"]["healthy"] == 2 and condition["scorers"]["healthy"] == 1

    async def heal(self) -> None:
        """Make everything as it was in the beginning, and let the gateway find that out."""
        for process in (*self.replicas, self.prm):
            process.thaw()
            process.start()
        for process in (*self.replicas, self.prm):
            await until(lambda p=process: asyncio.to_thread(p.answers), 180)
        for replica in self.replicas:
            await self.fault(replica, None)
        await until(self.healthy)
        await until(self._trusted)

    async def _trusted(self) -> bool:
        """Put small questions until both replicas have answered one and the scorer judged one.

        What was ejected has passed its trial then, and the calls have earned what retries cost.
        """
        before = [await self.stats(r) for r in self.replicas]
        asked = (
            self.ask("weighted_best_of_n", 1, question=f"What is {next(_numbers)} + 1?", max_tokens=2) for _ in range(8)
        )
        replies = await asyncio.gather(*asked)
        after = [await self.stats(r) for r in self.replicas]
        used = all(now["finished"] > then["finished"] for now, then in zip(after, before, strict=True))
        return used and all(r.status == 200 and not r.degraded for r in replies)

    async def at_rest(self) -> bool:
        """Ask whether nothing is under way: not in the gateway, not on a replica that can tell."""
        busy = [await self.running(r) for r in self.replicas if r.alive]
        return not any(busy) and (await self.metrics())["cogitate_requests_in_flight"] == 0


def _read_stream(text: str, reply: Reply) -> None:
    """Read server-sent events into `reply`. Raises AssertionError for a stream that ends before its end."""
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    for event in events:
        if event == "[DONE]":
            continue
        chunk = json.loads(event)
        reply.error = chunk.get("error", reply.error)
        reply.compute = chunk.get("compute", reply.compute)
        reply.text += "".join(c["delta"].get("content") or "" for c in chunk.get("choices", ()))
    assert reply.error or (events and events[-1] == "[DONE]"), "the stream broke off"
