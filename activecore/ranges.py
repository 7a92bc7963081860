"""Which bytes of an object are read together: a helper for authors of backends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Range", "RangeRun", "join_ranges"]

Range: TypeAlias = tuple[int, int, int]
"""Offset, size, and the position in the batch of the chunk that lies there."""


@dataclass(slots=True)
class RangeRun:
    """Ranges of one object that touch, overlap or nearly touch, read in one go."""

    start: int
    """Where it begins in the object."""
    stop: int
    """Where it ends."""
    members: list[Range] = field(default_factory=list)
    """The ranges, by offset in the object."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    def position_at(self, byte: int) -> int:
        """Give the position in the batch of the first chunk that needs this byte."""
        needs = (
            position for offset, size, position in self.members if byte < offset + size
        )
        return next(needs)


def join_ranges(
    ranges: Iterable[Range], *, gap: int, most: int | None = None
) -> list[RangeRun]:
    """Join ranges of one object into runs, by offset.

    Parameters
    ----------
    ranges
        Offset, size and position of each chunk, in any order.
    gap
        Bytes between two ranges that are read along rather than skipped.
    most
        Bytes that a run has at most, unless a single range is longer; None: no limit.
    """
    runs: list[RangeRun] = []
    start = stop = 0
    members: list[Range] = []
    for member in sorted(ranges):
        offset, size, _ = member
        end = offset + size
        fits = len(members) > 0 and offset <= stop + gap
        if fits and most is not None and end > stop:
            fits = end - start <= most
        if fits:
            members.append(member)
            if end > stop:
                runs[-1].stop = stop = end
            continue
        members = [member]
        start, stop = offset, end
        runs.append(RangeRun(start, stop, members))
    return runs
