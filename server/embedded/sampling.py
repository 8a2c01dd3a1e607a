"""Draws tokens for many rows at once. A row's draws depend on its own seed alone, never on who shares its batch."""

import numpy as np
from numpy.typing import NDArray

from .checkpoint import Floats
from .llama import Ints

Seeds = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_WORD = (1 << 64) - 1


def seed_word(seed: int) -> int:
    """Return the 64 bits of any integer that seed a row."""
    return seed & _WORD


def uniform(seeds: Seeds, counts: Ints) -> Floats:
    """Return one number in (0, 1) per row: the `counts`-th of the row's own sequence.

    Counter-based (Salmon et al. 2011): draw t is a hash of (seed, t), so there is no state to keep or to share.
    The hash is splitmix64 (Steele, Lea and Flood 2014).
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        words = _mix(_mix(seeds) + (counts.astype(np.uint64) + np.uint64(1)) * _GAMMA)
    # The upper 23 bits plus a half: exact in float32, and neither 0 nor 1.
    return ((words >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)


def _mix(words: Seeds) -> Seeds:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def log_probabilities(logits: Floats, tokens: Ints) -> Floats:
    """Return the natural log-probability of `tokens` (N,) under softmax(`logits`) (N, vocabulary)."""
    highest = logits.max(-1)
    total = np.exp(logits - highest[:, None]).sum(-1)
    return logits[np.arange(len(tokens)), tokens] - highest - np.log(total)


def draw(logits: Floats, temperatures: Floats, top_ps: Floats, uniforms: Floats) -> Ints:
    """Draw one token per row; `logits` (N, vocabulary) has -inf at what must not be drawn.

    A temperature of 0 takes the likeliest token. `top_ps` below 1 keep the smallest set of tokens that holds
    that much probability (nucleus sampling, Holtzman et al. 2020).
    """
    greedy = temperatures <= 0.0
    if greedy.all():
        return logits.argmax(-1)
    scaled = logits - logits.max(-1, keepdims=True)
    with np.errstate(over="ignore"):  # a tiny temperature: -inf is what is meant
        scaled /= np.where(greedy, np.float32(1.0), temperatures)[:, None]
    weights = np.exp(scaled, out=scaled)
    nucleus = np.flatnonzero((top_ps < 1.0) & ~greedy)
    if nucleus.size:
        weights[nucleus] = _nucleus(weights[nucleus], top_ps[nucleus])
    tokens = _invert(weights, uniforms)
    return np.where(greedy, logits.argmax(-1), tokens) if greedy.any() else tokens


def _invert(weights: Floats, uniforms: Floats) -> Ints:
    """Return the first token whose cumulative weight reaches the row's share; it always has some weight."""
    cumulative = np.cumsum(weights, -1)
    return (cumulative < (uniforms * cumulative[:, -1])[:, None]).sum(-1)


def _nucleus(weights: Floats, top_ps: Floats) -> Floats:
    order = np.argsort(-weights, -1, kind="stable")
    ranked = np.take_along_axis(weights, order, -1)
    before = np.cumsum(ranked, -1) - ranked  # the weight of all likelier tokens
    dropped = before >= top_ps[:, None] * weights.sum(-1, keepdims=True)
    dropped[:, 0] = False  # the likeliest token always stays
    ranked[dropped] = 0.0
    kept = np.empty_like(weights)
    np.put_along_axis(kept, order, ranked, -1)
    return kept
