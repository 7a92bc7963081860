"""The order in which numbers are added, so that a sum has the same bits everywhere.

Floating-point addition is not associative. NumPy's own order depends on its version, on
memory layout and on the width of vector registers; a compiled loop has another. So the
order is part of the answer here, and made of additions of whole rows alone, which any
implementation does alike:

1. Axes are reduced in groups of neighbours, the innermost group first. A group makes an
   array of shape (many, rows, kept): ``rows`` end up as one.
2. Rows are taken some at a time, side by side: 1024 numbers, or one row at least. The
   n-th number of each such line is added to the n-th lane, line after line.
3. That is done anew for each segment of about 65,536 numbers; segments' lanes are
   added one after another, which also keeps rounding errors small.
4. The lanes are then rows themselves, and added in the same way to 64 numbers or one
   row at least. Last, rows are halved until one is left: the upper ones are added to
   the lower ones, which are the greatest power of two that leaves something to add.

A number that is missing is added as zero. How many chunks are looked at together, and
in which pieces, changes nothing. ``loops`` does the same for ``activecore[fast]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "add_up", "innermost", "joined", "lane_sums"]

Array: TypeAlias = NDArray[Any]

LANES = 1024
"""Numbers that are added side by side, where rows are shorter."""

NARROW = 64
"""Numbers that lanes are brought down to before they are halved."""

SEGMENT = 1 << 16
"""Numbers of a segment, about: what one addition of lanes to lanes stands for."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An array of shape (many, rows, kept), of which the middle is to become one."""

    many: int
    rows: int
    kept: int

    @property
    def lanes(self) -> int:
        """How many rows are added side by side."""
        return max(1, min(self.rows, LANES // max(1, self.kept)))

    @property
    def narrow(self) -> int:
        """How many rows those are brought down to before they are halved."""
        return max(1, min(self.lanes, NARROW // max(1, self.kept)))

    @property
    def segment(self) -> int:
        """How many rows make a segment."""
        lanes = self.lanes
        return lanes * max(1, SEGMENT // max(1, lanes * self.kept))

    @property
    def shape(self) -> tuple[int, int, int]:
        """As NumPy has it."""
        return self.many, self.rows, self.kept


def innermost(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Rows, tuple[int, ...]]:
    """Find the innermost group of neighbouring axes that are reduced.

    Returns
    -------
    rows, group
        Their shape among the others, and which axes they are. Axes of length one
        belong wherever they fit.
    """
    kept, rows, group = 1, 1, []
    place = len(shape)
    while place > 0 and (place - 1 not in axes or shape[place - 1] == 1):
        place -= 1
        kept *= shape[place]
    while place > 0 and (place - 1 in axes or shape[place - 1] == 1):
        place -= 1
        rows *= shape[place]
        group.append(place)
    return Rows(math.prod(shape[:place]), rows, kept), tuple(
        axis for axis in sorted(group) if axis in axes
    )


def lane_sums(segment: Array, lanes: int, dtype: np.dtype[Any]) -> Array:
    """Add the rows of one segment to lanes.

    Parameters
    ----------
    segment
        Shape (many, rows, kept), of one segment or less.
    lanes
        ``Rows.lanes`` of the whole.
    dtype
        In which to add.

    Returns
    -------
    ndarray
        Shape (many, lanes * kept), or as much of it as the segment has rows for.
    """
    many, rows, kept = segment.shape
    lines, rest = divmod(rows, lanes)
    if lines == 0:
        return segment.reshape(many, rows * kept).astype(dtype)
    whole = segment[:, : lines * lanes].reshape(many, lines, lanes * kept)
    if lines == 1:
        sums: Array = whole[:, 0].astype(dtype)
    else:
        # Not along the fastest axis: there NumPy would add in an order of its own.
        # From the first line on: NumPy begins with 0.0, which makes 0.0 of all -0.0.
        sums = np.add.reduce(whole, axis=1, dtype=dtype, initial=None)
    if rest > 0:
        part = sums[:, : rest * kept]
        np.add(part, segment[:, -rest:].reshape(many, rest * kept), out=part)
    return sums


def joined(sums: Array, rows: Rows) -> Array:
    """Bring lanes, shape (many, lanes * kept), down to one row, (many, kept)."""
    many, _ = sums.shape
    kept, left = rows.kept, rows.lanes
    if left > rows.narrow:
        sums = lane_sums(sums.reshape(many, left, kept), rows.narrow, sums.dtype)
        left = rows.narrow
    if left == 1:
        return sums
    # There are few lanes now: those of all rows side by side make long loops.
    across = np.ascontiguousarray(sums.T)
    while left > 1:
        half = 1 << (left - 1).bit_length() - 1
        low, high = half * kept, left * kept
        across[: high - low] += across[low:high]
        left = half
    return np.ascontiguousarray(across[:kept].T)


def add_up(values: Array, axes: tuple[int, ...]) -> Array:
    """Add an array along axes, kept at length one, in its own dtype."""
    left = set(axes)
    while left:
        rows, group = innermost(values.shape, tuple(left))
        shape = tuple(1 if a in group else n for a, n in enumerate(values.shape))
        if rows.rows > 1:
            values = _add_rows(np.ascontiguousarray(values).reshape(rows.shape), rows)
        values = values.reshape(shape)
        left -= set(group)
        left = {axis for axis in left if values.shape[axis] > 1}
    return values


def _add_rows(values: Array, rows: Rows) -> Array:
    lanes, step = rows.lanes, rows.segment
    sums = lane_sums(values[:, :step], lanes, values.dtype)
    for start in range(step, rows.rows, step):
        more = lane_sums(values[:, start : start + step], lanes, values.dtype)
        part = sums[:, : more.shape[1]]
        np.add(part, more, out=part)
    return joined(sums, rows)
