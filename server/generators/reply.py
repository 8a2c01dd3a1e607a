"""What a server answers, one payload at a time: the same for streams and whole bodies, /completions and /chat."""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple, cast

import orjson

from server.upstream import Unreachable, UpstreamError, meaning

Entries = tuple[Mapping[str, Any], ...]


_IDS = (list, tuple)
_REASON = (str, NoneType)


class Piece(NamedTuple):
    """What one payload adds to the sample in this place of the call.

    `ids` are token ids where the server gives them, `tokens` their number or a count of pieces. `finish` is the
    server's finish_reason, `stop` what it says it has stopped at. `logprobs` has one OpenAI chat entry per token.
    """

    place: int
    text: str
    tokens: int
    ids: Sequence[int] = ()
    finish: str | None = None
    stop: Any = None
    logprobs: Entries = ()


class Reply(NamedTuple):
    """One payload: its pieces, and the tokens of the whole call so far where it counts them.

    llama.cpp does so in every event: it tells no ids of tokens that end within a character.
    """

    pieces: Sequence[Piece]
    generated: int | None = None


def read(payload: bytes, *, whole: bool = False) -> Reply:
    """Read an event's data or, where `whole`, a body that is the whole answer.

    Raises Unreachable for what makes no sense, another UpstreamError for an error inside a stream.
    """
    try:
        answer = orjson.loads(payload)
        verbose = answer.get("__verbose")
        pieces = [_piece(choice, verbose) for choice in answer.get("choices") or ()]
        if not pieces and "error" in answer:
            raise _error(answer["error"])
        generated = _count(verbose, "tokens_predicted") or _count(answer.get("usage"), "completion_tokens")
        return Reply(_shared(pieces, generated) if whole else pieces, generated)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Unreachable(f"the server's reply makes no sense: {type(error).__name__}") from error


def _count(said: Any, name: str) -> int | None:
    """Return the tokens of the call so far; proxies may say 0, or nothing, of an answer that is there."""
    count = cast("Mapping[str, Any]", said).get(name) if isinstance(said, dict) else None
    return count if type(count) is int and count > 0 else None


def _piece(choice: dict[str, Any], verbose: dict[str, Any] | None) -> Piece:
    """Read one choice. This runs once per token: what is rare comes last."""
    text, finish, logprobs = choice.get("text"), choice.get("finish_reason"), choice.get("logprobs")
    ids: Sequence[int] = choice.get("token_ids") or ()
    turn, stop = choice, choice.get("stop_reason")
    if text is None:
        turn = choice.get("delta") or choice.get("message") or choice
        text = turn.get("content") or ""
    if verbose:  # llama.cpp has its own place for them
        ids, stop = verbose.get("tokens") or (), verbose.get("stopping_word") or None
    place = choice.get("index") or 0
    if not (isinstance(text, str) and isinstance(place, int) and isinstance(ids, _IDS) and isinstance(finish, _REASON)):
        raise TypeError
    if ids and set(map(type, ids)) != {int}:
        raise TypeError
    tokens = len(ids) or (1 if text or turn.get("reasoning_content") or turn.get("reasoning") else 0)
    return Piece(place, text, tokens, ids, finish, stop, _entries(logprobs) if logprobs else ())


def _shared(pieces: Sequence[Piece], generated: int | None) -> Sequence[Piece]:
    """Give each sample of a whole body its share of the tokens, by length, where their ids do not tell."""
    letters = sum(len(piece.text) for piece in pieces)
    if generated is None:
        generated = max(1, letters // 4)
    if all(piece.ids for piece in pieces):
        return pieces
    return [
        p if p.ids else p._replace(tokens=max(1 if p.text else 0, round(generated * len(p.text) / max(1, letters))))
        for p in pieces
    ]


def _entries(logprobs: Any) -> Entries:
    """Return OpenAI's chat entries, from either of its two forms."""
    if "content" in logprobs:
        return tuple(_checked(entry) for entry in logprobs["content"] or ())
    tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    listed = zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True)
    return tuple(_checked({**_entry(token, logprob), "top_logprobs": _top(top)}) for token, logprob, top in listed)


def _checked(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a server's own entry. Raises TypeError where others would stumble over it."""
    logprob, top = entry.get("logprob"), entry.get("top_logprobs")
    if not isinstance(logprob, float | int | None) or not isinstance(top, list | None):
        raise TypeError
    return entry


def _top(top: Mapping[str, float] | None) -> list[dict[str, Any]]:
    return [_entry(token, logprob) for token, logprob in sorted((top or {}).items(), key=lambda t: -t[1])]


def _entry(token: str, logprob: float) -> dict[str, Any]:
    """Describe a token; one that is a part of a character has bytes that its text does not show."""
    return {"token": token, "logprob": logprob, "bytes": None if "\ufffd" in token else list(token.encode())}


def _error(error: Any) -> UpstreamError:
    said = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    status, param = said.get("code"), said.get("param")
    known = status if isinstance(status, int) and 400 <= status < 600 else 500
    return meaning(known, str(said.get("message"))[:300], param if isinstance(param, str) else None)
