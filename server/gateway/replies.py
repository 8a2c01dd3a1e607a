"""What a client gets back: the completion, its usage, and the account of the compute behind it."""

import random
import time
from dataclasses import dataclass
from typing import Any

from router.answering import Answer
from router.types import Candidate, Difficulty, Finish

from .budgets import Grant
from .choices import By

_MOST_VOTES = 16
PLAIN = "One sample, no search.\n"
"""The account of a request that was answered without searching."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every reply to one request repeats."""

    id: str
    created: int
    model: str
    fingerprint: str

    def around(self, kind: str, **content: Any) -> dict[str, Any]:
        """Return `content` as a reply object of this kind."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "service_tier": None,
            **content,
        }


def account(narrated: str, notice: str | None) -> str:
    """Return what a client reads as reasoning: what the model does not know, then how the search went."""
    return (f"{notice}\n" if notice else "") + (narrated or PLAIN)


def envelope(model: str, version: str) -> Envelope:
    """Return a new envelope, dated now."""
    return Envelope(f"chatcmpl-{random.getrandbits(128):032x}", int(time.time()), model, f"cogitate-{version}")


def returned(answer: Answer, choices: int) -> tuple[Candidate, ...]:
    """Return the best `choices` solutions; fewer when the search has found fewer."""
    return answer.verdict.ranking[:choices]


def completion(
    envelope: Envelope, chosen: tuple[Candidate, ...], account: str | None, answer: Answer, compute: dict[str, Any]
) -> dict[str, Any]:
    """Return a whole reply; `account` None leaves the reasoning out."""
    return envelope.around(
        "chat.completion",
        choices=[_choice(i, candidate, account) for i, candidate in enumerate(chosen)],
        usage=usage(answer, chosen),
        compute=compute,
    )


def _choice(index: int, candidate: Candidate, account: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": candidate.text, "refusal": None}
    if account is not None:
        message |= reasoning(account)
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs(candidate),
        "finish_reason": finish_reason(candidate),
    }


def logprobs(candidate: Candidate) -> dict[str, Any] | None:
    """Return what the backend says of each token, where the client has asked for it."""
    return {"content": list(candidate.logprobs), "refusal": None} if candidate.logprobs else None


def reasoning(text: str) -> dict[str, str]:
    """Return reasoning under both names clients look for."""
    return {"reasoning_content": text, "reasoning": text}


def finish_reason(candidate: Candidate) -> str:
    """Return "stop" for an answer that came to its end, "length" for one that was cut."""
    return "stop" if candidate.finish is Finish.EOS else "length"


def usage(answer: Answer, chosen: tuple[Candidate, ...]) -> dict[str, Any]:
    """Return the token counts: every generated token is a completion token, those not returned are reasoning.

    Answers of a tree search share their beginnings, so that together they can have more tokens than were generated.
    """
    shown = sum(candidate.tokens for candidate in chosen)
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.spent.tokens,
        "total_tokens": answer.prompt_tokens + answer.spent.tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": max(0, answer.spent.tokens - shown)},
    }


def compute(answer: Answer, grant: Grant, policy: By, seed: int, seconds: float, notice: str | None) -> dict[str, Any]:
    """Return the account of what the answer rests on and what it took; `policy` says what chose the plan."""
    plan, spent, verdict = answer.plan, answer.spent, answer.verdict
    return {
        "difficulty": _difficulty(answer.difficulty),
        "policy": policy,
        "plan": {
            "strategy": plan.name,
            "n": plan.n,
            "aggregate": plan.aggregate.value,
            "reduce": plan.reduce.value,
            "reason": plan.reason,
        },
        "samples": spent.samples,
        "tokens": spent.tokens,
        "scorer_tokens": spent.scorer_tokens,
        "compute_tokens": spent.compute,
        "votes": [
            {"answer": v.answer, "count": v.count, "weight": round(v.weight, 6)} for v in verdict.votes[:_MOST_VOTES]
        ],
        "answer": verdict.answer,
        "confidence": round(verdict.confidence, 6),
        "stopped": answer.stopped,
        "degraded": list(answer.degraded),
        "lost": answer.lost,
        "budget": _budget(grant),
        "seed": seed,
        "seconds": round(seconds, 6),
        "notice": notice,
    }


def headers(answer: Answer, grant: Grant) -> dict[str, str]:
    """Return the essentials of `compute` as headers of a plain reply."""
    spent = answer.spent
    echoed = {
        "X-Compute-Budget": grant.header,
        "X-Compute-Strategy": answer.plan.name or "probe",
        "X-Compute-Samples": str(spent.samples),
        "X-Compute-Tokens": str(spent.tokens),
        "X-Compute-Scorer-Tokens": str(spent.scorer_tokens),
        "X-Compute-Total": str(spent.compute),
        "X-Compute-Stopped": answer.stopped,
    }
    if answer.degraded:
        echoed["X-Compute-Degraded"] = ", ".join(what.partition(":")[0] for what in answer.degraded)
    if answer.difficulty:
        echoed["X-Compute-Difficulty"] = str(answer.difficulty.level)
    return echoed


def _difficulty(difficulty: Difficulty | None) -> dict[str, Any] | None:
    if difficulty is None:
        return None
    return {
        "level": difficulty.level,
        "score": round(difficulty.score, 6),
        "agreement": round(difficulty.agreement, 6),
        "value": None if difficulty.value is None else round(difficulty.value, 6),
        "pass_rate": None if difficulty.pass_rate is None else round(difficulty.pass_rate, 6),
        "samples": difficulty.samples,
        "judged": difficulty.judged,
    }


def _budget(grant: Grant) -> dict[str, Any]:
    return {
        "source": grant.source,
        "asked": grant.asked,
        "granted": {
            "preset": grant.preset,
            "samples": grant.budget.samples,
            "tokens": grant.budget.tokens,
            "deadline": grant.budget.deadline,
            "strategy": grant.strategy,
            "price": None if grant.strategy else grant.price,
        },
    }
