"""A host whose model runs in vLLM, on one replica or several."""

import asyncio
from collections.abc import Sequence
from math import ceil

import httpx
from pydantic import BaseModel, ValidationError

from server.upstream.errors import Refused, Unreachable, UpstreamError
from server.upstream.pool import Pool
from server.upstream.replica import Replica

from ..ports import Floats, Head, HostError, Passage, Reading
from .vllm_wire import Garbled, readout

_CALL_TOKENS = 32768  # of one call; its reply has about 90 bytes for each
_CALL_PASSAGES = 16
_LARGE = 256 << 10  # bytes; parsing more would hold up the event loop


class VllmHost:
    """Reads `head` from the model that the servers in `pool` serve, which it starts and closes.

    How vLLM has to be started is up to the head:

    - ClassLogits: `--runner pooling`. A model that is read at several tokens of a text needs
      `--pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'`; STEP with the separator as
      `step_tag_id` saves bytes, but refuses a text that has the separator elsewhere, too.
    - TokenLogits: the same, and the causal model served as a classifier of these tokens, in their order:
      `--convert classify --hf-overrides '{"architectures": ["<...>ForSequenceClassification"], "method":
      "no_post_processing", "classifier_from_token": ["<good>", "<bad>"], "num_labels": 2}'`.
    - TokenLogprobs: served as a generator. A passage then has one token less than the context.

    `model` is the served name, by default the first. One `read` takes at most `seconds`. vLLM keeps no prefixes for
    readings within a text and does not tell of those it keeps at its end: everything counts as computed. The pool
    needs no affinity.
    """

    def __init__(self, pool: Pool, head: Head, *, model: str | None = None, seconds: float = 60.0) -> None:
        self._pool, self._model, self._seconds = pool, model, seconds
        self._readout = readout(head)
        self._served: _Model | None = None

    @property
    def name(self) -> str:
        """The name the model is served by."""
        return self._known.id

    @property
    def context(self) -> int:
        """The most tokens a passage may have."""
        return self._known.max_model_len - self._readout.spare

    @property
    def _known(self) -> "_Model":
        if self._served is None:
            raise HostError("the model server has not been asked yet")
        return self._served

    async def start(self) -> None:
        """Ask the servers what they serve. Raises HostError, also when none answers."""
        await self._pool.start()
        self._served = await self._ask()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        """Read every passage, in order. Raises HostError."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.TaskGroup() as calls:
                parts = [(part, calls.create_task(self._call(part, deadline))) for part in self._split(passages)]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [
            Reading(values, len(passage.tokens))
            for part, call in parts
            for passage, values in zip(part, call.result(), strict=True)
        ]

    def _split(self, passages: Sequence[Passage]) -> list[list[Passage]]:
        """Share the passages out: over the replicas, and into calls of bounded size."""
        most = min(_CALL_PASSAGES, ceil(len(passages) / max(1, self._pool.healthy)))
        parts, size = list[list[Passage]](), 0
        for passage in passages:
            size += len(passage.tokens)
            if not parts or len(parts[-1]) == most or size > _CALL_TOKENS:
                parts.append([])
                size = len(passage.tokens)
            parts[-1].append(passage)
        return parts

    async def _call(self, passages: Sequence[Passage], deadline: float) -> list[Floats]:
        body, failed = self._readout.ask(self.name, passages), list[Replica]()
        while True:
            try:
                return await self._try(passages, body, deadline, failed)
            except TimeoutError as error:
                raise HostError(f"the model server gave no answer in {self._seconds:g} s") from error
            except Refused as refusal:
                raise HostError(f"the model server refuses ({refusal.status}): {refusal}") from refusal
            except UpstreamError as failure:
                if not await self._pool.patience(failure, deadline, len(failed)):
                    raise HostError(str(failure)) from failure

    async def _try(
        self, passages: Sequence[Passage], body: bytes, deadline: float, failed: list[Replica]
    ) -> list[Floats]:
        with self._pool.lease(b"", len(passages), failed) as replica:
            failed.append(replica)
            reply = await self._pool.post(replica, self._readout.path, body, deadline=deadline)
            try:
                if len(reply) <= _LARGE:
                    return self._readout.tell(passages, reply)
                return await asyncio.to_thread(self._readout.tell, passages, reply)
            except Garbled as garbled:
                raise Unreachable(f"{replica.url}: {garbled}") from garbled

    async def _ask(self) -> "_Model":
        """Return what the first server to answer serves."""
        options, faults = self._pool.options, list[str]()
        async with httpx.AsyncClient(
            headers=options.headers, timeout=min(10.0, self._seconds), trust_env=False
        ) as client:
            for replica in self._pool.replicas:
                try:
                    answer = await client.get(f"{replica.url}/v1/models")
                    answer.raise_for_status()
                    return self._chosen(_Models.model_validate_json(answer.content))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    faults.append(f"{replica.url}: {error or type(error).__name__}")
                except ValidationError as error:
                    faults.append(f"{replica.url} is not vLLM: {error.errors()[0]['msg']}")
        raise HostError(f"no model server answers: {'; '.join(faults) or 'there is none'}")

    def _chosen(self, models: "_Models") -> "_Model":
        for model in models.data:
            if self._model in {None, model.id}:
                return model
        raise HostError(
            f"{self._model!r} is not served, but {', '.join(model.id for model in models.data) or 'nothing'}"
        )


class _Model(BaseModel):
    id: str
    max_model_len: int


class _Models(BaseModel):
    data: list[_Model]
