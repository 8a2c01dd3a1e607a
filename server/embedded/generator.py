"""The embedded model as the router's generator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from math import inf

from router.ports import Draw, GeneratorError, Measure, ProblemTooLong, Tally
from router.types import Problem, Sample

from .engine import Engine, EngineError
from .orders import Completion, Request
from .prompts import Prompts
from .tokenizer import Tokenizer
from .transcript import Transcript


class EmbeddedGenerator:
    """Adapts an engine to `router.ports.Generator`."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, prompts: Prompts, name: str) -> None:
        self._engine, self._tokenizer, self._prompts, self._name = engine, tokenizer, prompts, name

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    async def measure(self, problem: Problem) -> Measure:
        """Count the prompt. Raises ProblemTooLong, or GeneratorError where the chat template refuses."""
        prompt, context = await self._prompt(problem), self._engine.model.config.context
        if len(prompt) >= context:
            raise ProblemTooLong(len(prompt), context)
        return Measure(len(prompt), context - len(prompt))

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        """Yield (j, sample) as they end; one that has no time or no room left is empty. See the port."""
        live = _Live(on_text) if on_text else None
        transcripts = [self._transcript(draw, live if j == 0 else None) for j in range(draw.count)]
        request = await self._request(draw, transcripts)
        try:
            async with aclosing(self._engine.generate(request, tally)) as completions:
                async for index, completion in completions:
                    yield index, self._sample(completion, transcripts[index])
        except EngineError as error:
            raise GeneratorError(str(error)) from error
        finally:
            if live:
                live.closed = True

    async def _prompt(self, problem: Problem) -> tuple[int, ...]:
        try:
            return await self._prompts.ids(problem)
        except ValueError as error:
            raise GeneratorError(str(error)) from error

    def _transcript(self, draw: Draw, live: "_Live | None") -> Transcript | None:
        """Return what follows the row's text; None where nobody needs the text before the row has ended."""
        if live is None and not draw.problem.stop:
            return None
        return Transcript(self._tokenizer, draw.problem.stop, draw.prefix.text, live.emit if live else None)

    async def _request(self, draw: Draw, transcripts: list[Transcript | None]) -> Request:
        prefix = draw.prefix.ids or self._tokenizer.encode(draw.prefix.text)
        left = inf if draw.deadline is None else draw.deadline - asyncio.get_running_loop().time()
        return Request(
            tokens=await self._prompt(draw.problem) + prefix,
            seeds=tuple(range(draw.seed, draw.seed + draw.count)),
            temperature=draw.temperature,
            top_p=draw.problem.top_p,
            max_tokens=draw.max_tokens,
            step_end=None if draw.whole else self._tokenizer.separator,
            deadline=self._engine.clock() + left,
            watches=tuple(transcript and transcript.push for transcript in transcripts),
        )

    def _sample(self, completion: Completion, transcript: Transcript | None) -> Sample:
        if transcript:
            transcript.finish()
        return Sample(
            text=transcript.text if transcript else self._tokenizer.decode(completion.ids),
            tokens=len(completion.ids),
            finish=completion.finish,
            ids=completion.ids,
            logprob=float(completion.logprobs.sum()),
        )


class _Live:
    """Brings text from the engine's thread to the event loop, until the listener has gone."""

    def __init__(self, listener: Callable[[str], None]) -> None:
        self._listener, self._loop = listener, asyncio.get_running_loop()
        self.closed = False

    def emit(self, text: str) -> None:
        """Tell the listener soon. For the engine's thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.tell, text)

    def tell(self, text: str) -> None:
        """Tell the listener now. For the event loop."""
        if not self.closed:
            self._listener(text)
