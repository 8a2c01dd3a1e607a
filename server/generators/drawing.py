"""One draw, spread over as many calls as it takes: split, tried again, resumed, cut at the deadline."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence

from router.ports import Draw, Tally
from router.types import Finish, Sample
from server.upstream import Call, Refused, Replica, Unreachable, UpstreamError

from .backend import Backend, encoded, failed
from .dialects.dialect import Order, Prompt
from .reply import Piece, Reply, read
from .sse import DONE, LARGEST, Events, EventTooLarge
from .writing import Writing

_GOODBYE_SECONDS = 0.25
"""How long a server may take to end its reply once all samples have ended, so that the connection can be kept."""

_BLAMES_N = re.compile(
    r"""^(?:field )?['"`]?n['"`]?\s*(?:[:=<>]|must|should|is|can)|"loc":\["body","n"\]"""
    r"""|(?:only one|multiple) (?:\w+ )?(?:choice|completion)"""
)
"""How servers say that they make only one choice, where they do not name the field. They may repeat what was sent."""

_BLAMES_LENGTH = re.compile(r"max_(?:completion_)?tokens|context length")


class Drawing:
    """The samples of one draw while they are written.

    A sample is generated once, whoever fails meanwhile: before its first token it is drawn again, behind that it is
    resumed from its own text.
    """

    def __init__(
        self, backend: Backend, prompt: Prompt, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None
    ) -> None:
        self._backend, self._prompt, self._draw, self._tally = backend, prompt, draw, tally
        self._live = on_text is not None
        steps = backend.dialect.continues()
        self._writings = [Writing(j, draw, steps=steps, emit=on_text if j == 0 else None) for j in range(draw.count)]
        self._inbox: asyncio.Queue[Writing | BaseException] = asyncio.Queue()
        self._open = draw.count
        self._losses = list[UpstreamError]()
        self._calls = set[asyncio.Task[None]]()
        self._alone, self._bounded = backend.single, True

    async def samples(self) -> AsyncGenerator[tuple[int, Sample]]:
        """Yield what ends, as it ends; without the samples that were lost. Raises GeneratorError when all were."""
        delivered = 0
        try:
            if len(self._writings) == 1:  # it needs no task of its own, and the end of its reply is waited for
                await self._carry_out(self._writings, ())
            else:
                self._begin(self._writings)
            while self._open:
                letter = await self._inbox.get()
                if isinstance(letter, BaseException):
                    raise letter
                self._open -= 1
                if letter.finish:
                    delivered += 1
                    yield letter.index, letter.sample()
            if self._losses and not delivered:
                raise failed(self._losses[0]) from self._losses[0]
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _begin(self, writings: Iterable[Writing], avoid: Collection[Replica] = ()) -> None:
        """Start the calls for `writings`; those that nothing has come of yet share calls."""
        for batch in self._batches(writings):
            call = asyncio.create_task(self._carry_out(batch, avoid))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _batches(self, writings: Iterable[Writing]) -> list[list[Writing]]:
        """Put samples together whose seeds follow each other: the server counts them up from the first."""
        dialect = self._backend.dialect
        most = 1 if self._alone or self._backend.single else dialect.together(self._draw)
        batches = list[list[Writing]]()
        for writing in writings:
            last = batches[-1] if batches else []
            follows = last and writing.seed == last[-1].seed + 1 and writing.seed % dialect.seeds
            if follows and len(last) < most and not (writing.begun or last[-1].begun):
                last.append(writing)
            else:
                batches.append([writing])
        return batches

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (failure := call.exception()):
            self._inbox.put_nowait(failure)

    async def _carry_out(self, batch: Sequence[Writing], avoid: Collection[Replica]) -> None:
        """Make one call, and see to what it leaves undone."""
        asked, bounded = set(avoid), self._bounded
        try:
            await self._call(batch, asked)
        except TimeoutError:
            self._cut(batch)
        except Refused as refused:
            self._settle_ended(batch)
            self._give_way(batch, refused, bounded=bounded)
        except UpstreamError as failure:
            self._settle_ended(batch)
            await self._mend(batch, failure, asked)
        else:
            self._backend.single = self._backend.single or (self._alone and len(batch) == 1)
            self._begin(_unfinished(batch))  # a server that ignores n has left some, and blank steps go on

    def _give_way(self, batch: Sequence[Writing], refused: Refused, *, bounded: bool) -> None:
        """Leave out of further calls what the server does not take; where that is nothing, the samples are lost."""
        left = _unfinished(batch)
        if bounded and _blames(refused, ("max_tokens", "max_completion_tokens"), _BLAMES_LENGTH):
            self._bounded = False
        elif len(batch) > 1 and _blames(refused, ("n", "body.n"), _BLAMES_N):
            self._alone = True
        else:
            self._lose(left, refused)
            return
        self._begin(left)

    async def _mend(self, batch: Sequence[Writing], failure: UpstreamError, asked: Collection[Replica]) -> None:
        """Have what a failed call has left open written elsewhere, if that may be; otherwise it is lost."""
        left = _unfinished(batch)
        lost = [writing for writing in left if writing.begun and not self._backend.dialect.continues()]
        left = [writing for writing in left if writing not in lost]
        for writing in left:
            writing.failures += 1
        tries = max((writing.failures for writing in left), default=0)
        if left and await self._backend.pool.patience(failure, self._draw.deadline, tries):
            self._begin(left, asked)
        elif self._late():
            self._cut(left)
        else:
            lost += left
        self._lose(lost, failure)

    def _lose(self, lost: Iterable[Writing], failure: UpstreamError) -> None:
        for writing in lost:
            self._losses.append(failure)
            self._settle(writing)

    def _late(self) -> bool:
        deadline = self._draw.deadline
        return deadline is not None and asyncio.get_running_loop().time() >= deadline

    async def _call(self, batch: Sequence[Writing], asked: set[Replica]) -> None:
        for writing in batch:
            writing.resume()
        order = self._order(batch)
        if order.most < 1:
            self._cut(batch)
            return
        pool, deadline = self._backend.pool, self._draw.deadline
        path, body = await self._backend.dialect.body(order, self._backend.asker(self._prompt.key, deadline))
        for writing in batch:
            writing.bounded = "max_tokens" in body
        with pool.lease(self._prompt.key, len(batch), asked) as replica:
            asked.add(replica)
            headers = self._backend.dialect.headers
            async with pool.stream(replica, path, encoded(body), headers=headers, deadline=deadline) as call:
                await self._read(call, batch)

    def _order(self, batch: Sequence[Writing]) -> Order:
        first, context = batch[0], self._prompt.context
        room = first.most if context is None else context - self._prompt.tokens - first.written
        return Order(
            prompt=self._prompt,
            draw=self._draw,
            text=first.text,
            ids=first.ids,
            written=first.written,
            count=len(batch),
            seed=first.seed % self._backend.dialect.seeds,
            most=min(first.most, room),
            live=self._live and first.index == 0,
            bounded=self._bounded,
        )

    async def _read(self, call: Call, batch: Sequence[Writing]) -> None:
        """Read one reply to its end, or until all has been read that is wanted."""
        if call.json:
            self._take(read(await call.whole(LARGEST), whole=True), batch)
            self._conclude(batch, ended=True)
            return
        ended, events, loop, goodbye = False, Events(), asyncio.get_running_loop(), asyncio.timeout(None)
        try:
            async with goodbye:
                async for chunk in call:
                    for data in _fed(events, chunk):
                        ended = ended or data == DONE
                        if data != DONE:
                            self._take(read(data), batch)
                    if goodbye.when() is None and not any(writing.open for writing in batch):
                        if not all(writing.over for writing in batch):
                            break  # cut here: the server would go on
                        goodbye.reschedule(loop.time() + _GOODBYE_SECONDS)
        except TimeoutError:
            if not goodbye.expired():
                raise
        self._conclude(batch, ended=ended)

    def _take(self, reply: Reply, batch: Sequence[Writing]) -> None:
        for piece in reply.pieces:
            if not 0 <= piece.place < len(batch):
                raise Unreachable(f"the server answered with choice {piece.place} of {len(batch)}")
            self._write(piece, batch[piece.place])
        if reply.generated is not None:
            self._recount(reply.generated, batch)
        for piece in reply.pieces:
            writing = batch[piece.place]
            # Behind the last one that the server has ended, its own count may come.
            if writing.finish and (writing.exact or not writing.over or sum(not w.settled for w in batch) > 1):
                self._settle(writing)

    def _write(self, piece: Piece, writing: Writing) -> None:
        if not piece.ids and piece.tokens > self._draw.max_tokens:
            piece = piece._replace(tokens=self._draw.max_tokens)
        self._tally.tokens += piece.tokens
        writing.take(piece)
        if writing.full and not writing.settled:
            self._tally.tokens += writing.recount(self._draw.max_tokens)  # its pieces were more than a token each

    def _recount(self, generated: int, batch: Sequence[Writing]) -> None:
        """Correct what was counted here, by pieces or by ids, to the server's count of the whole call.

        Of several samples the last one is charged with what nobody counted; less than was counted is one's share only.
        """
        waiting = [writing for writing in batch if not (writing.settled or (writing.exact and len(batch) > 1))]
        if len(batch) == 1 and waiting:
            self._tally.tokens += waiting[0].recount(generated)
        elif waiting and not _unfinished(batch):
            most = len(batch) * self._draw.max_tokens
            missing = max(0, min(generated, most) - sum(writing.tokens for writing in batch))
            self._tally.tokens += missing
            waiting[-1].recount(waiting[-1].tokens + missing)
            self._settle_ended(batch)

    def _conclude(self, batch: Sequence[Writing], *, ended: bool) -> None:
        """Settle what has ended with the reply. Raises Unreachable when it stopped in the middle."""
        for writing in batch:
            if ended and writing.begun and writing.open:
                writing.finish = Finish.EOS  # a server that does not say why
        self._settle_ended(batch)
        left = [writing for writing in batch if writing.open]
        if left and (len(left) == len(batch) or not ended):
            raise Unreachable("the reply stopped in the middle")
        if left and not any(writing.begun for writing in batch[1:]):
            self._backend.single = True  # it ignores n

    def _settle_ended(self, batch: Sequence[Writing]) -> None:
        for writing in batch:
            if writing.finish:
                self._settle(writing)

    def _settle(self, writing: Writing) -> None:
        if not writing.settled:
            writing.settled = True
            self._inbox.put_nowait(writing)

    def _cut(self, batch: Sequence[Writing]) -> None:
        """Deliver what there is."""
        for writing in batch:
            writing.finish = writing.finish or Finish.LENGTH
            self._settle(writing)


def _unfinished(batch: Sequence[Writing]) -> list[Writing]:
    return [writing for writing in batch if writing.finish is None]


def _fed(events: Events, chunk: bytes) -> list[bytes]:
    try:
        return events.feed(chunk)
    except EventTooLarge as error:
        raise Unreachable(str(error)) from error


def _blames(refused: Refused, names: Collection[str], words: re.Pattern[str]) -> bool:
    """Return whether a server refuses a field of ours."""
    return refused.param in names or words.search(refused.message.lower()) is not None
