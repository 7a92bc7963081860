"""The parts of one object that are in memory. Pure: no I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from activecore.ranges import join_ranges

__all__ = ["Intervals", "Range", "merged"]

Range: TypeAlias = tuple[int, int]
"""Where some bytes begin, and where they end."""


class Intervals:
    """Pieces of one object, which do not overlap."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[memoryview] = []
        self.nbytes = 0
        """How many bytes are held."""

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Give where each piece begins, and the piece, ascending."""
        return iter(zip(self._starts, self._pieces, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def missing(self, start: int, stop: int) -> list[Range]:
        """Give the parts of a range that are not held, ascending."""
        gaps = []
        place = max(0, bisect_right(self._starts, start) - 1)
        while start < stop and place < len(self._starts):
            begin = self._starts[place]
            end = begin + len(self._pieces[place])
            if begin >= stop:
                break
            if begin > start:
                gaps.append((start, begin))
            start = max(start, end)
            place += 1
        if start < stop:
            gaps.append((start, stop))
        return gaps

    def put(self, start: int, data: bytes | memoryview) -> None:
        """Hold a piece; of what is held already nothing is replaced."""
        whole = memoryview(data)
        for begin, end in self.missing(start, start + len(data)):
            place = bisect_right(self._starts, begin)
            self._starts.insert(place, begin)
            self._pieces.insert(place, whole[begin - start : end - start])
            self.nbytes += end - begin

    def get(self, start: int, stop: int) -> bytes:
        """Give a range that is held.

        Raises
        ------
        LookupError
            It is not, or not all of it.
        """
        parts = []
        place = bisect_right(self._starts, start) - 1
        while start < stop:
            if not 0 <= place < len(self._starts):
                raise LookupError(f"byte {start} is not held")
            begin, piece = self._starts[place], self._pieces[place]
            part = piece[start - begin : stop - begin]
            if begin > start or len(part) == 0:
                raise LookupError(f"byte {start} is not held")
            parts.append(part)
            start += len(part)
            place += 1
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def merged(ranges: Sequence[Range], gap: int) -> list[Range]:
    """Join ranges that overlap, touch or lie at most ``gap`` bytes apart.

    Returns
    -------
    list of Range
        Ascending, empty ranges left out.
    """
    wanted = [(start, stop) for start, stop in ranges if start < stop]
    starts, stops = np.array(wanted, dtype=np.int64).reshape(-1, 2).T
    runs = join_ranges(starts, stops - starts, np.arange(len(wanted)), gap=gap)
    return [(run.start, run.stop) for run in runs]
