"""One record of decisions, told in lines for people."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from .decided import Bounds, Called, Record, Step

_WHY = {
    "complete": "what was planned has run",
    "agreed": "more would not have changed the answer, or not have been worth it",
    "budget": "the budget was spent",
    "deadline": "time was up",
    "shutdown": "the server had to stop",
}


def tell(record: Record) -> Iterator[str]:
    """Yield the lines: the request, what it asked for and got, each step with its time, the votes, and the cost."""
    yield from _request(record)
    moments = [(step.t, _step(step)) for step in record.steps]
    moments += [(call.end, _failed(call)) for call in record.calls if call.failed]
    for seconds, told in sorted(moments, key=lambda moment: moment[0]):
        yield f"{seconds:9.3f} s  {told}"
    yield from _result(record)


def _request(r: Record) -> Iterator[str]:
    yield f"{r.id}  {r.time}  {r.model or 'no model'}: {r.outcome} ({r.status}) after {r.seconds:.3f} s"
    known = {"key": r.key, "policy": r.policy, "seed": r.seed, "trace": r.trace_id}
    if any(value is not None for value in known.values()):
        yield "  " + "  ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    for message in r.messages:
        yield from _block(message.role, message.content)
    if r.asked:
        yield f"  asked    {r.preset or 'custom'}: {_bounds(r.asked)}"
        if r.granted is None:
            yield "  granted  nothing"
        else:
            yield f"  granted  {'all of it' if r.granted == r.asked else _bounds(r.granted)}"
    if r.queued:
        yield f"  waited   {r.queued:.3f} s for its turn"
    if r.shed:
        yield f"  refused  {r.shed}"
    if r.cause:
        yield f"  cause    {r.cause}"


def _block(name: str, text: str) -> Iterator[str]:
    """Yield a text of several lines beside its name; what is in it cannot pass for a line of this account."""
    for place, line in enumerate(text.strip().splitlines() or [""]):
        yield f"  {'' if place else name:<8} | {line}"


def _bounds(bounds: Bounds) -> str:
    known = (
        (bounds.samples, "samples"),
        (bounds.tokens, "tokens of compute"),
        (bounds.deadline, "s"),
    )
    return ", ".join(f"{bound:g} {unit}" if unit == "s" else f"{bound} {unit}" for bound, unit in known if bound)


def _step(step: Step) -> str:
    """Return what a step says; one that this version does not know, or not in this form, as it is."""
    try:
        return _KINDS[step.kind](step.members)
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"{step.kind} {orjson.dumps(step.members).decode()}"


def _probed(e: Mapping[str, Any]) -> str:
    shown = e["difficulty"]
    value = "" if shown["value"] is None else f", mean value {shown['value']:.3g}"
    right = "" if shown.get("pass_rate") is None else f", one more would be right with {shown['pass_rate']:.2f}"
    return (
        f"looked   {shown['samples']} samples, {100 * shown['agreement']:.0f} % agree{value}: "
        f"level {shown['level']} of 5 (doubt {shown['score']:.2f}){right}"
    )


def _planned(e: Mapping[str, Any]) -> str:
    what = f"{e['strategy']}, n = {e['n']}, {e['aggregate']}" if e["strategy"] else "enough"
    return f"plan     {what}: {e['reason']}" if e["reason"] else f"plan     {what}"


def _sampled(e: Mapping[str, Any]) -> str:
    end = {"step": "a step", "eos": "ended", "length": "cut"}.get(e["finish"], e["finish"])
    answer = f", answer {e['answer']}" if e["answer"] else ""
    return f"sample   {_path(e['path'])}: {e['tokens']} tokens, {end}{answer}"


def _scored(e: Mapping[str, Any]) -> str:
    best = "" if e["best"] is None else f", the best {e['best']:.3g}"
    return f"judged   {e['candidates']} candidates with {e['tokens']} tokens{best}"


def _pruned(e: Mapping[str, Any]) -> str:
    return f"pruned   {', '.join(_path(path) for path in e['paths'])}"


def _answered(e: Mapping[str, Any]) -> str:
    return (
        f"answered {e['answer'] or 'without a stated answer'}: {e['votes']} of {e['solutions']} votes, "
        f"confidence {e['confidence']:.2f}"
    )


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "probed": _probed,
    "planned": _planned,
    "sampled": _sampled,
    "scored": _scored,
    "pruned": _pruned,
    "lost": lambda e: f"lost     {e['samples']} samples: {e['reason']}",
    "aborted": lambda e: f"aborted  {e['samples']} samples: more would not be worth it",
    "degraded": lambda e: f"degraded {e['reason']}",
    "answered": _answered,
}


def _path(path: list[int]) -> str:
    return ".".join(str(index) for index in path)


def _failed(call: Called) -> str:
    what = {"generate": "generator", "score": "scorer", "measure": "measuring the prompt"}.get(call.port, call.port)
    return f"call     {what}: {call.failed} after {call.end - call.start:.3f} s"


def _result(r: Record) -> Iterator[str]:
    if r.stopped:
        yield f"  stopped  {r.stopped}: {_WHY.get(r.stopped, 'for a reason this version does not know')}"
    if r.verdict:
        yield "  votes    " + ", ".join(
            f"{v.answer or '-'}: {v.count} (weight {v.weight:.3g})" for v in r.verdict.votes
        )
    for letter, answer in r.answers.items():
        yield f"  {letter:<8} {answer}"
    yield from _cost(r)
    if r.text:
        yield from _block("reply", r.text)


def _cost(r: Record) -> Iterator[str]:
    used, granted = r.spent, r.granted.samples if r.granted else None
    if used is None:
        return
    each = f", {used.scorer_tokens} scorer tokens" if used.scorer_tokens else ""
    yield f"  cost     {used.samples} samples, {used.tokens} tokens{each}: {used.compute} tokens of compute"
    if granted and used.samples:
        full = round(granted * used.compute / used.samples)
        saved = full - used.compute
        share = f"{100 * saved / max(1, full):.0f} %"
        yield f"  instead  all {granted} samples would have cost about {full}: {saved} saved ({share})"
    if r.overrun:
        yield f"  overrun  {r.overrun} tokens of compute beyond what was set aside"
    mine = 1000 * max(0.0, r.seconds - r.upstream - r.queued)
    yield f"  time     {r.upstream:.3f} s for models, {r.queued:.3f} s for its turn, {mine:.1f} ms in the gateway"
