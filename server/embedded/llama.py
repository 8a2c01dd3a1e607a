"""The forward pass of a Llama in numpy, over rows of different lengths that each have a key-value cache.

Architecture: Touvron et al. 2023 (arXiv 2302.13971): RMS norm, rotary positions (Su et al. 2021), SwiGLU
(Shazeer 2020), and grouped-query attention (Ainslie et al. 2023).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checkpoint import Checkpoint, Config, Floats, Layer

Ints = NDArray[np.integer[Any]]

_MASKED = np.float32(-1e9)


class Llama:
    """A model. It is never changed after loading, so any number of threads may share it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.config: Config = checkpoint.config
        self.parameters = checkpoint.parameters
        self._embedding = checkpoint.embedding
        self._layers = checkpoint.layers
        self._head = checkpoint.head
        self._cosine, self._sine = _rotary_tables(checkpoint.config)
        self._inverse_width = np.float32(1.0 / checkpoint.config.hidden)
        self._epsilon = np.float32(checkpoint.config.epsilon)

    def forward(self, tokens: Ints, starts: Ints, keys: Floats, values: Floats) -> Floats:
        """Run `tokens` (B, T) through the model; row b continues after `starts[b]` cached positions.

        `keys` and `values` are (layers, B, kv_heads, capacity, head_dim); the new positions are written into them.
        A row shorter than T is padded on the right: a position never attends to a later one, so padding changes
        nothing before it, and what it leaves in the cache is overwritten when the row goes on. Hence
        capacity >= max(starts) + T, which may pass the context by the padding. Returns the final hidden
        states (B, T, hidden), normalised.
        """
        rows, steps = tokens.shape
        sight = self._sight(starts, steps)
        x = self._embedding[tokens.reshape(-1)]
        with np.errstate(over="ignore"):  # exp(-gate) may overflow: gate / (1 + inf) is the right limit
            for index, layer in enumerate(self._layers):
                x += self._attend(self._normalise(x), layer, keys[index], values[index], sight)
                x += self._feed_forward(self._normalise(x), layer)
        return self._normalise(x).reshape(rows, steps, -1)

    def logits(self, hidden: Floats) -> Floats:
        """Map hidden states (..., hidden) to logits (..., vocabulary)."""
        return hidden @ self._head

    def _sight(self, starts: Ints, steps: int) -> "_Sight":
        """Work out, once for all layers, where the new tokens stand and what each of them sees."""
        positions = starts[:, None] + np.arange(steps)
        extent = int(starts.max()) + steps
        seen = np.arange(extent) <= positions[:, None, :, None]
        bias = None if seen.all() else np.where(seen, np.float32(0.0), _MASKED)
        cosine, sine = self._cosine[positions][:, :, None], self._sine[positions][:, :, None]
        return _Sight(np.arange(len(starts))[:, None], positions, extent, cosine, sine, bias)

    def _normalise(self, x: Floats) -> Floats:
        mean_square = np.einsum("nd,nd->n", x, x) * self._inverse_width
        return x / np.sqrt(mean_square + self._epsilon)[:, None]

    def _attend(self, x: Floats, layer: Layer, keys: Floats, values: Floats, sight: "_Sight") -> Floats:
        """Grouped-query attention: `heads / kv_heads` query heads share each key head."""
        rows, steps = sight.positions.shape
        heads, kv_heads, width = self.config.heads, self.config.kv_heads, self.config.head_dim
        qkv = (x @ layer.qkv).reshape(rows, steps, heads + 2 * kv_heads, width)
        rotated = _rotate(qkv[:, :, : heads + kv_heads], sight)
        keys[sight.rows, :, sight.positions] = rotated[:, :, heads:]
        values[sight.rows, :, sight.positions] = qkv[:, :, heads + kv_heads :]
        queries = rotated[:, :, :heads].transpose(0, 2, 1, 3).reshape(rows, kv_heads, -1, width)
        weights = queries @ keys[:, :, : sight.extent].swapaxes(-1, -2)
        if sight.bias is not None:
            by_head = weights.reshape(rows, heads, steps, sight.extent)  # a view
            by_head += sight.bias
        _softmax(weights)
        mixed = (weights @ values[:, :, : sight.extent]).reshape(rows, heads, steps, width)
        return mixed.transpose(0, 2, 1, 3).reshape(rows * steps, heads * width) @ layer.output

    def _feed_forward(self, x: Floats, layer: Layer) -> Floats:
        both = x @ layer.gate_up
        gate, up = both[:, : self.config.feed_forward], both[:, self.config.feed_forward :]
        return (gate / (1.0 + np.exp(-gate)) * up) @ layer.down


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is the same in every layer of a pass over B rows of T new tokens.

    Attributes:
        rows: (B, 1), the rows' numbers.
        positions: (B, T), where each token stands in its sequence.
        extent: cached positions to look at, the new ones included.
        cosine: (B, T, 1, head_dim), like `sine`: the rotation of each position.
        bias: (B, 1, T, extent), added to attention weights so that none sees the future; None where none could.

    """

    rows: Ints
    positions: Ints
    extent: int
    cosine: Floats
    sine: Floats
    bias: Floats | None


def _rotary_tables(config: Config) -> tuple[Floats, Floats]:
    """Cosines and sines (2 * context, head_dim): padding may stand beyond the context, never a real token."""
    frequencies = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angles = np.outer(np.arange(2 * config.context), frequencies)
    cosine, sine = np.cos(angles), np.sin(angles)
    cosine, sine = np.concatenate([cosine, cosine], -1), np.concatenate([-sine, sine], -1)
    return cosine.astype(np.float32), sine.astype(np.float32)


def _rotate(x: Floats, sight: _Sight) -> Floats:
    half = x.shape[-1] // 2
    return x * sight.cosine + np.concatenate([x[..., half:], x[..., :half]], -1) * sight.sine


def _softmax(weights: Floats) -> None:
    weights -= weights.max(-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(-1, keepdims=True)
