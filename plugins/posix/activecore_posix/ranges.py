"""Which bytes of a file are read together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Range", "Run", "join_ranges"]

Range: TypeAlias = tuple[int, int, int]
"""Offset, size, and the position in the batch of the chunk that lies there."""

_GAP = 16 << 10
"""Bytes between two ranges that are read along rather than skipped.

A second read costs about a microsecond, as much as copying this many bytes.
"""


@dataclass(slots=True)
class Run:
    """Ranges of one file that touch, overlap or nearly touch, read in one go."""

    start: int
    """Where it begins in the file."""
    stop: int
    """Where it ends."""
    members: list[Range] = field(default_factory=list)
    """The ranges, by offset in the file."""

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


def join_ranges(ranges: Iterable[Range], *, gap: int = _GAP) -> list[Run]:
    """Join ranges of one file into runs, by offset."""
    runs: list[Run] = []
    for member in sorted(ranges):
        offset, size, _ = member
        if not runs or offset > runs[-1].stop + gap:
            runs.append(Run(offset, offset))
        run = runs[-1]
        run.stop = max(run.stop, offset + size)
        run.members.append(member)
    return runs
