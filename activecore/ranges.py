"""Which bytes of an object are read together: a helper for authors of backends.

Everything is in columns, since there may be thousands of chunks in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.encoded import EncodedChunks

__all__ = ["RangeRun", "group_by_source", "join_ranges"]

Column: TypeAlias = NDArray[np.int64]

_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class RangeRun:
    """Ranges of one object that touch, overlap or nearly touch, read in one go."""

    start: int
    """Where it begins in the object."""
    stop: int
    """Where it ends."""
    offsets: Column
    """Where its ranges begin in the object, ascending."""
    sizes: Column
    """How many bytes each of them has."""
    positions: Column
    """Which chunk of the batch lies there."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    def position_at(self, byte: int) -> int:
        """Give the position in the batch of the first chunk that needs this byte."""
        ends = self.offsets + self.sizes
        return int(self.positions[np.argmax(ends > byte)])

    def lend(self, memory: memoryview, chunks: EncodedChunks) -> None:
        """Say that the bytes of its chunks lie in ``memory``, which holds the run."""
        chunks.put(memory, self.positions, self.offsets - self.start, self.sizes)


def group_by_source(sources: NDArray[Any]) -> Iterator[tuple[str, Column]]:
    """Give each source, and the positions in the batch of its chunks, ascending."""
    if len(sources) == 0:
        return
    first = sources[0]
    if (sources == first).all():
        yield first, np.arange(len(sources))
        return
    positions: dict[str, list[int]] = {}
    for position, source in enumerate(sources.tolist()):
        positions.setdefault(source, []).append(position)
    for source, found in positions.items():
        yield source, np.array(found, dtype=np.int64)


def join_ranges(
    offsets: Column,
    sizes: Column,
    positions: Column,
    *,
    gap: int,
    most: int | None = None,
) -> list[RangeRun]:
    """Join ranges of one object into runs, by offset.

    Parameters
    ----------
    offsets, sizes, positions
        Of each chunk, in any order.
    gap
        Bytes between two ranges that are read along rather than skipped.
    most
        Bytes that a run has at most, unless a single range is longer; None: no limit.
    """
    if len(offsets) == 0:
        return []
    if not (offsets[1:] > offsets[:-1]).all():
        order = np.lexsort((sizes, offsets))
        offsets, sizes, positions = offsets[order], sizes[order], positions[order]
    # How far the ranges reach so far: one may lie within another.
    reach = np.maximum.accumulate(offsets + sizes)
    # Not the sum of reach and gap, which may overflow.
    begins = 1 + np.flatnonzero(offsets[1:] - reach[:-1] > gap)
    runs = []
    for begin, end in zip([0, *begins], [*begins, len(offsets)], strict=True):
        for some in _cut(offsets, sizes, reach, int(begin), int(end), most):
            run = RangeRun(
                int(offsets[some.start]),
                int(reach[some.stop - 1]),
                offsets[some],
                sizes[some],
                positions[some],
            )
            runs.append(run)
    return runs


def _cut(
    offsets: Column,
    sizes: Column,
    reach: Column,
    begin: int,
    end: int,
    most: int | None,
) -> Iterator[slice]:
    """Cut ranges without gaps among them where they come to too many bytes."""
    while most is not None and begin < end:
        # Python's integers, since a damaged index may name the last byte there can be.
        limit = min(int(offsets[begin]) + max(most, int(sizes[begin])), _LAST)
        # What came before ends before this range does, and so before the limit.
        stop = min(end, int(np.searchsorted(reach, limit, side="right")))
        yield slice(begin, stop)
        begin = stop
    if begin < end:
        yield slice(begin, end)
