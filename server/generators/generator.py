"""The servers of a pool as the router's generator."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from hashlib import blake2b

import httpx

from router.ports import Draw, GeneratorError, Measure, ProblemTooLong, Tally
from router.types import Finish, Problem, Sample
from server.upstream import Pool, UpstreamError

from .backend import Backend, encoded, failed
from .dialects import UNKNOWN_CONTEXT, Dialect, Prompt, detect
from .drawing import Drawing
from .options import GeneratorOptions

_log = logging.getLogger(__name__)

_PROMPTS = 256
"""Rendered questions that are kept: a search asks for its own again and again."""

_DETECTION_SECONDS = 1.0
"""Between two attempts to find out what the servers are."""


class PoolGenerator:
    """Adapts a pool of servers to `router.ports.Generator`.

    `start` before, `aclose` after. With `dialect` None it is found out from the first server that answers: until
    then every call raises GeneratorError. It owns the pool: starts it, and closes it.
    """

    def __init__(self, pool: Pool, dialect: Dialect | None, name: str, options: GeneratorOptions) -> None:
        self._pool, self._name, self._options = pool, name, options
        self._backend = None if dialect is None else Backend(pool, dialect)
        self._prompts = OrderedDict[bytes, Prompt]()
        self._detecting: asyncio.Task[None] | None = None
        self._reason = "no server has answered yet"

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def pool(self) -> Pool:
        """The servers."""
        return self._pool

    @property
    def reachable(self) -> bool:
        """Whether it is known how to speak to the servers, and one of them is well."""
        return self._backend is not None and self._pool.healthy > 0

    async def start(self) -> None:
        """Start the pool, and begin to find out what its servers are."""
        await self._pool.start()
        if self._backend is None:
            self._detecting = asyncio.create_task(self._detect(), name=f"detection of {self._name}")

    async def aclose(self) -> None:
        """End all of that. Harmless if repeated."""
        if self._detecting is not None:
            self._detecting.cancel()
            await asyncio.gather(self._detecting, return_exceptions=True)
        await self._pool.aclose()

    async def measure(self, problem: Problem) -> Measure:
        """Count the prompt: exactly, or as the dialect guesses. Raises ProblemTooLong, GeneratorError."""
        prompt = await self._prompt(self._known(), problem)
        context = prompt.context or self._options.context or UNKNOWN_CONTEXT
        if prompt.tokens >= context:
            raise ProblemTooLong(prompt.tokens, context)
        return Measure(prompt.tokens, context - prompt.tokens)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncGenerator[tuple[int, Sample]]:
        """Yield (j, sample) as they end. Closing the iterator closes all connections of the draw. See the port."""
        backend = self._known()
        try:
            prompt = await self._prompt(backend, draw.problem, draw.deadline)
        except TimeoutError:  # the deadline came before the prompt
            for index in range(draw.count):
                yield index, Sample("", 0, Finish.LENGTH)
            return
        drawing = Drawing(backend, prompt, draw, tally, on_text)
        async with aclosing(drawing.samples()) as samples:
            async for index, sample in samples:
                yield index, sample

    def _known(self) -> Backend:
        if self._backend is None:
            raise GeneratorError(f"{self._name} is not there: {self._reason}", busy=True)
        return self._backend

    async def _prompt(self, backend: Backend, problem: Problem, deadline: float | None = None) -> Prompt:
        """Return the rendered question, from memory where it is. Raises GeneratorError."""
        try:
            key = _key(problem)
            if prompt := self._prompts.get(key):
                self._prompts.move_to_end(key)
                return prompt
            prompt = await backend.dialect.prompt(problem, backend.asker(key, deadline))
        except UpstreamError as failure:
            raise failed(failure) from failure
        self._prompts[key] = prompt
        if len(self._prompts) > _PROMPTS:
            self._prompts.popitem(last=False)
        return prompt

    async def _detect(self) -> None:
        """Ask one server after the other until one says what it is."""
        async with httpx.AsyncClient(headers=self._pool.options.headers, timeout=5.0, trust_env=False) as client:
            while self._backend is None:
                for replica in self._pool.replicas:
                    try:
                        self._backend = Backend(self._pool, await detect(client, replica.url, self._options))
                    except Exception as failure:  # noqa: BLE001 - the next server, or the next answer, may be better
                        self._complain(str(failure) or type(failure).__name__)
                    else:
                        return
                await asyncio.sleep(_DETECTION_SECONDS)

    def _complain(self, reason: str) -> None:
        if reason != self._reason:
            _log.warning("%s: %s", self._name, reason)
        self._reason = reason


def _key(problem: Problem) -> bytes:
    """Return what the rendered prompt depends on."""
    turns = [(message.role, message.content) for message in problem.messages]
    return blake2b(encoded((turns, problem.extra.get("chat_template_kwargs"))), digest_size=16).digest()
