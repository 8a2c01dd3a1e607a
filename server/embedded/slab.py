"""The key-value cache of the rows in flight: one array per kind, in which row b owns the slice [:, b]."""

import numpy as np

from .checkpoint import Config, Floats
from .llama import Ints

_LENGTH_STEP = 64


class Slab:
    """Keys and values, each (layers, rows, kv_heads, length, head_dim), growing as rows and tokens come."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.keys, self.values = self._empty(0, 0), self._empty(0, 0)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.keys.nbytes + self.values.nbytes

    def reserve(self, rows: int, length: int) -> None:
        """Make room for at least `rows` rows of `length` positions; what is there stays."""
        held_rows, held_length = self.keys.shape[1], self.keys.shape[3]
        if rows <= held_rows and length <= held_length:
            return
        length = max(held_length, -(-length // _LENGTH_STEP) * _LENGTH_STEP)
        rows = held_rows if rows <= held_rows else max(rows, 2 * held_rows)
        keys, values = self._empty(rows, length), self._empty(rows, length)
        keys[:, :held_rows, :, :held_length] = self.keys
        values[:, :held_rows, :, :held_length] = self.values
        self.keys, self.values = keys, values

    def release(self) -> None:
        """Give all memory back."""
        self.keys, self.values = self._empty(0, 0), self._empty(0, 0)

    def fork(self, source: int, targets: slice, length: int) -> None:
        """Copy the first `length` positions of row `source` to all rows of `targets`."""
        for array in (self.keys, self.values):
            array[:, targets, :, :length] = array[:, source : source + 1, :, :length]

    def move(self, sources: Ints, targets: Ints, length: int) -> None:
        """Copy the first `length` positions of each source row to the target row at the same place."""
        for array in (self.keys, self.values):
            array[:, targets, :, :length] = array[:, sources, :, :length]

    def _empty(self, rows: int, length: int) -> Floats:
        # Zeros, not garbage: masked positions are multiplied by a weight of zero, and 0 * nan is nan.
        c = self._config
        return np.zeros((c.layers, rows, c.kv_heads, length, c.head_dim), np.float32)
