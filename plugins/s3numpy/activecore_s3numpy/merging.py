"""What is read in one go, and what came along with it that may be wanted soon."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from activecore import EncodedChunks
from activecore_s3numpy.addresses import Address

__all__ = ["KeptBytes", "Merging"]

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Merging:
    """How neighbouring ranges are read together."""

    gap: int = 0
    """Bytes between two of them that are read along."""
    most: int = 8 << 20
    """Bytes that are read in one go at most."""
    kept: int = 0
    """Bytes that are read along with an index, and kept, at most."""


@dataclass(slots=True)
class _Pieces:
    """Parts of one version of an object, none of which lies within another."""

    starts: list[int] = field(default_factory=list)
    """Where they begin, ascending, and so do their ends."""
    memories: list[memoryview] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        return sum(memory.nbytes for memory in self.memories)

    def put(self, start: int, data: bytes) -> None:
        pieces = sorted(
            [*zip(self.starts, self.memories, strict=True), (start, memoryview(data))],
            key=lambda piece: (piece[0], -piece[1].nbytes),
        )
        self.starts, self.memories = [], []
        reach = -1
        for begin, memory in pieces:
            if begin + memory.nbytes > reach:
                reach = begin + memory.nbytes
                self.starts.append(begin)
                self.memories.append(memory)


class KeptBytes:
    """Bytes that came along with the pieces of an index: chunks, mostly.

    Those of one version of an object are only ever given out for that version. Threads
    share one.

    Parameters
    ----------
    most
        Bytes that are kept. What was not used for the longest time goes first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        """Bytes that are kept at most."""
        self._objects: OrderedDict[tuple[Address, str], _Pieces] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, address: Address, etag: str, start: int, data: bytes) -> None:
        """Keep bytes of one version of an object, which begin at ``start``."""
        if len(data) > self.most:
            return
        with self._lock:
            pieces = self._objects.pop((address, etag), _Pieces())
            if pieces.nbytes + len(data) > self.most:
                pieces = _Pieces()
            pieces.put(start, data)
            others = sum(held.nbytes for held in self._objects.values())
            while others + pieces.nbytes > self.most:
                others -= self._objects.popitem(last=False)[1].nbytes
            self._objects[address, etag] = pieces

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._objects.clear()

    @property
    def nbytes(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            return sum(held.nbytes for held in self._objects.values())

    def lend(
        self,
        address: Address,
        etag: str | None,
        offsets: Column,
        sizes: Column,
        positions: Column,
        chunks: EncodedChunks,
    ) -> NDArray[np.bool_]:
        """Lend the chunks of an object that are kept.

        Parameters
        ----------
        etag
            Of which version; None: of any, and so of none that is kept.
        offsets, sizes, positions
            Where each chunk lies in the object, and which it is of ``chunks``.
        chunks
            Told where those are that are kept.

        Returns
        -------
        ndarray
            Which of them still have to be read.
        """
        missing = np.ones(len(offsets), dtype=bool)
        with self._lock:
            pieces = None if etag is None else self._objects.get((address, etag))
            if etag is None or pieces is None:
                return missing
            self._objects.move_to_end((address, etag))
            starts, memories = np.array(pieces.starts), list(pieces.memories)
        within = np.searchsorted(starts, offsets, side="right") - 1
        for number in np.unique(within[within >= 0]).tolist():
            memory, begin = memories[number], starts[number]
            # Not the sum of offset and size, which may overflow.
            room = memory.nbytes - (offsets - begin)
            found = (within == number) & (sizes <= room)
            chunks.put(memory, positions[found], offsets[found] - begin, sizes[found])
            missing &= ~found
        return missing
