"""Bytes that came along with the pieces of an index, for the chunks among them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activecore import EncodedChunks
from activecore_s3numpy.addresses import Address

__all__ = ["ReadCache"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Parts of one version of an object, none of which lies within another.

    They may overlap: a chunk is lent in one piece, so all of it must lie in one.
    """

    starts: Column
    """Where they begin, ascending, and so do their ends."""
    memories: tuple[memoryview, ...]
    nbytes: int

    @classmethod
    def of(cls, pieces: Sequence[tuple[int, memoryview]]) -> _Pieces:
        chosen: list[tuple[int, memoryview]] = []
        reach = -1
        for start, memory in sorted(pieces, key=lambda one: (one[0], -one[1].nbytes)):
            if start + memory.nbytes > reach:
                reach = start + memory.nbytes
                chosen.append((start, memory))
        return cls(
            np.array([start for start, _ in chosen], dtype=np.int64),
            tuple(memory for _, memory in chosen),
            sum(memory.nbytes for _, memory in chosen),
        )

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        return iter(zip(self.starts.tolist(), self.memories, strict=True))


class ReadCache:
    """Bytes of versions of objects, each only ever lent for that version.

    Threads share one.

    Parameters
    ----------
    most
        Bytes that are held. The object that was not used for the longest time goes
        first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._objects: OrderedDict[tuple[Address, str], _Pieces] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """How many bytes are held."""
        return self._nbytes

    def put(
        self, address: Address, etag: str, pieces: Sequence[tuple[int, bytes]]
    ) -> None:
        """Hold parts of one version of an object: where each begins, and its bytes."""
        new = [(start, memoryview(data)) for start, data in pieces]
        with self._lock:
            before = self._objects.pop((address, etag), None)
            self._nbytes -= 0 if before is None else before.nbytes
            held = _Pieces.of([*(before or ()), *new])
            if held.nbytes > self._most:
                held = _Pieces.of(new)
            if held.nbytes > self._most or held.nbytes == 0:
                return
            while self._nbytes + held.nbytes > self._most:
                self._nbytes -= self._objects.popitem(last=False)[1].nbytes
            self._objects[address, etag] = held
            self._nbytes += held.nbytes

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._objects.clear()
            self._nbytes = 0

    def lend(
        self,
        address: Address,
        etag: str | None,
        offsets: Column,
        sizes: Column,
        positions: Column,
        chunks: EncodedChunks,
    ) -> NDArray[np.bool_]:
        """Lend the chunks of an object that are held.

        Parameters
        ----------
        etag
            Of which version; None: of any, and so of none that is held.
        offsets, sizes, positions
            Where each chunk lies in the object, and which it is of ``chunks``.
        chunks
            Told where those are that are held.

        Returns
        -------
        ndarray
            Which of them still have to be read.
        """
        missing = np.ones(len(offsets), dtype=bool)
        if etag is None:
            return missing
        with self._lock:
            pieces = self._objects.get((address, etag))
            if pieces is None:
                return missing
            self._objects.move_to_end((address, etag))
        within = np.searchsorted(pieces.starts, offsets, side="right") - 1
        for number in np.unique(within[within >= 0]).tolist():
            memory, begin = pieces.memories[number], pieces.starts[number]
            # Not the sum of offset and size, which may overflow.
            room = memory.nbytes - (offsets - begin)
            found = (within == number) & (sizes <= room)
            chunks.put(memory, positions[found], offsets[found] - begin, sizes[found])
            missing &= ~found
        return missing
