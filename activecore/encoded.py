"""The bytes of a batch's chunks as they are stored, in columns.

Thousands of small chunks lie in a few pieces of memory, each of which was read in one
go. No Python object is made for a chunk until somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffer", "EncodedChunks"]

Buffer = bytes | bytearray | memoryview | NDArray[Any]
"""Anything with the buffer protocol, C-contiguous."""

Column: TypeAlias = NDArray[np.int64]

_NOWHERE = -1


class EncodedChunks(Sequence[memoryview | None]):
    """The encoded bytes of chunks; None where there is no such object.

    Parameters
    ----------
    count
        How many chunks there are. At first none has bytes.
    """

    def __init__(self, count: int) -> None:
        self._pieces: list[memoryview] = []
        self._addresses: list[int] = []
        self._piece: Column = np.full(count, _NOWHERE, dtype=np.int64)
        self._starts: Column = np.zeros(count, dtype=np.int64)
        self.sizes: Column = np.zeros(count, dtype=np.int64)
        """How many bytes each chunk has; 0 where there is no such object."""

    @classmethod
    def of(cls, buffers: Sequence[Buffer | None]) -> EncodedChunks:
        """Make columns of buffers, one for each chunk."""
        if isinstance(buffers, EncodedChunks):
            return buffers
        chunks = cls(len(buffers))
        for position, buffer in enumerate(buffers):
            if buffer is not None:
                memory = _as_memory(buffer)
                chunks.put(memory, position, 0, memory.nbytes)
        return chunks

    def put(
        self,
        memory: memoryview,
        positions: Column | int,
        starts: Column | int,
        sizes: Column | int,
    ) -> None:
        """Say where in a piece of memory the bytes of some chunks lie.

        Parameters
        ----------
        memory
            It is kept, and not copied.
        positions
            Which chunks.
        starts, sizes
            Of each in ``memory``.

        Raises
        ------
        ValueError
            Some of them would not lie within it.
        """
        memory = _as_memory(memory)
        # Not the sum of both, which may overflow.
        is_outside = np.less(starts, 0) | np.greater(sizes, memory.nbytes - starts)
        if np.any(is_outside | np.less(sizes, 0)):
            raise ValueError(f"chunks do not lie within {memory.nbytes} bytes")
        self._piece[positions] = len(self._pieces)
        self._starts[positions] = starts
        self.sizes[positions] = sizes
        self._pieces.append(memory)
        data = np.frombuffer(memory, np.uint8) if memory.nbytes > 0 else np.empty(0)
        self._addresses.append(data.__array_interface__["data"][0])

    @property
    def is_present(self) -> NDArray[np.bool_]:
        """Which chunks have bytes."""
        return np.not_equal(self._piece, _NOWHERE)

    def rows(self, rows: Column) -> EncodedChunks:
        """Give some of the chunks, in the same memory."""
        part = EncodedChunks(0)
        part._pieces, part._addresses = self._pieces, self._addresses
        part._piece = self._piece[rows]
        part._starts = self._starts[rows]
        part.sizes = self.sizes[rows]
        return part

    def addresses(self) -> NDArray[np.uintp]:
        """Give where in memory chunks begin. All must be present.

        For compiled loops, while the chunks are held.
        """
        begin = np.array(self._addresses, dtype=np.uintp)[self._piece]
        return begin + self._starts.astype(np.uintp)

    def clear(self) -> None:
        """Let go of the memory: no chunk has bytes any more."""
        self._pieces, self._addresses = [], []
        self._piece[...] = _NOWHERE
        self.sizes[...] = 0

    def __len__(self) -> int:
        return len(self._piece)

    def __iter__(self) -> Iterator[memoryview | None]:
        columns = self._piece.tolist(), self._starts.tolist(), self.sizes.tolist()
        for piece, start, size in zip(*columns, strict=True):
            if piece == _NOWHERE:
                yield None
            else:
                yield self._pieces[piece][start : start + size]

    @overload
    def __getitem__(self, item: int) -> memoryview | None: ...
    @overload
    def __getitem__(self, item: slice) -> EncodedChunks: ...
    def __getitem__(self, item: int | slice) -> memoryview | EncodedChunks | None:
        if isinstance(item, slice):
            return self.rows(np.arange(len(self))[item])
        piece = int(self._piece[item])
        if piece == _NOWHERE:
            return None
        start = int(self._starts[item])
        return self._pieces[piece][start : start + int(self.sizes[item])]


def _as_memory(buffer: Buffer) -> memoryview:
    if isinstance(buffer, np.ndarray):
        buffer = buffer.reshape(-1).view(np.uint8)
    memory = memoryview(buffer)  # type: ignore[arg-type] # an array is a buffer, as of Python 3.12
    return memory if memory.format == "B" and memory.ndim == 1 else memory.cast("B")
