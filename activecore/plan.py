"""Which part of which chunk is needed, and where its answer goes. Pure: no I/O.

Each dimension is planned by itself:

1. The selection is sorted (a negative step reversed, a list ordered); what undoes
   that is remembered in ``restore``.
2. The chunks it touches are put in classes: those of which the same part is wanted.
   A slice gives three at most (first, whole, last), a step or a list more.
3. A *group* takes one class from each dimension. All its chunks share a selection.
4. Groups are cut into *boxes*, rectangles of at most so many chunks. A box is what a
   worker gets: its chunks' partials reshape to the rectangle and merge without a loop.

Along a dimension whose positions are gathered (all Januaries, all Februaries) a class
is split in two: chunks whose part is all of one gathering are reduced in the chunk;
others keep the dimension, so that each chunk is read once, and are gathered by whoever
merges the box.

The order of boxes follows from the selection, the grid, the box size and the reduced
dimensions alone, and is the order in which answers are combined.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import SelectionError
from activecore.groups import Groups
from activecore.model import AxisSelection
from activecore.narrow import span
from activecore.selection import DimensionView, View

__all__ = ["Box", "Plan", "make_plan"]

Positions: TypeAlias = NDArray[np.int64]

_MOST_CHUNKS = 10**8
"""Chunks along one dimension above which a plan would not fit in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class _Class:
    """Chunks of one dimension of which the same part is wanted."""

    selection: AxisSelection
    """The part, within the chunk."""
    width: int
    """How many elements that is."""
    chunks: Positions
    """The chunks' numbers along the dimension, ascending."""
    starts: Positions
    """Where each one's part begins in the sorted selection."""
    labels: Positions | None = None
    """As in ``Box``; None: the dimension is not gathered."""

    def labels_of(self, rows: slice) -> Positions | None:
        """Give the labels of some of the chunks."""
        return None if self.labels is None else self.labels[rows]

    def gathered(self, numbers: Positions) -> Iterator[_Class]:
        """Split into chunks of one gathering each, and those of several.

        Parameters
        ----------
        numbers
            The gathering of each element of the sorted selection.
        """
        of = numbers[self.starts[:, np.newaxis] + np.arange(self.width)]
        alike = (of == of[:, :1]).all(axis=1)
        for rows, columns in ((alike, 1), (~alike, self.width)):
            if rows.any():
                yield replace(
                    self,
                    chunks=self.chunks[rows],
                    starts=self.starts[rows],
                    labels=of[rows, :columns],
                )


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A rectangle of chunks that share a selection, and where their answers go."""

    selection: tuple[AxisSelection, ...]
    """What is wanted of each chunk."""
    widths: tuple[int, ...]
    """How many elements that is along each dimension."""
    chunks: tuple[Positions, ...]
    """Chunk numbers along each dimension; the box is their product, in C order."""
    starts: tuple[Positions, ...]
    """Where each chunk's part begins in the sorted selection, along each dimension."""
    labels: tuple[Positions | None, ...] = ()
    """Along each dimension that is gathered the gathering of each chunk's elements,
    shape (chunks, width), or (chunks, 1) where those of each chunk are all of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many chunks along each dimension."""
        return tuple(len(chunks) for chunks in self.chunks)

    def __len__(self) -> int:
        return math.prod(self.shape)

    def coords(self) -> Positions:
        """Give the chunks' grid coordinates, shape (n, d), in C order."""
        mesh = np.meshgrid(*self.chunks, indexing="ij")
        if not mesh:
            return np.empty((1, 0), dtype=np.int64)
        return np.stack([axis.ravel() for axis in mesh], axis=1)

    @property
    def gathers(self) -> dict[int, Positions]:
        """The labels along the dimensions that are gathered."""
        return {a: labels for a, labels in enumerate(self.labels) if labels is not None}

    def destination(self, dimension: int) -> slice | Positions:
        """Say where the box's elements lie in the sorted selection of a dimension.

        Along one that is gathered: the gatherings that occur, ascending.
        """
        labels = self.gathers.get(dimension)
        if labels is not None:
            return np.unique(labels)
        starts, width = self.starts[dimension], self.widths[dimension]
        first = int(starts[0])
        if np.array_equal(starts, first + width * np.arange(len(starts))):
            return slice(first, first + width * len(starts))
        return (starts[:, np.newaxis] + np.arange(width)).ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All chunks that a selection touches, in groups, and how to undo the sorting."""

    shape: tuple[int, ...]
    """Length of the sorted selection along every stored dimension, integers' too."""
    classes: tuple[tuple[_Class, ...], ...]
    """The classes of each dimension."""
    restore: tuple[slice | Positions | None, ...]
    """What turns the sorted selection back into the user's order; None: nothing."""
    gathered: Mapping[int, int] = field(default_factory=dict)
    """How many gatherings there are along dimensions that have them."""

    def lengths(self, axes: Collection[int]) -> tuple[int, ...]:
        """Give an answer's shape: one along ``axes``, the gatherings along theirs."""
        return tuple(
            1 if axis in axes else self.gathered.get(axis, length)
            for axis, length in enumerate(self.shape)
        )

    @property
    def chunks(self) -> int:
        """How many chunks are touched."""
        return math.prod(
            sum(len(chosen.chunks) for chosen in dimension)
            for dimension in self.classes
        )

    @property
    def spans(self) -> tuple[int, ...]:
        """How many positions of a chunk lie from the first to the last that is wanted.

        Along each dimension, at most.
        """
        spans = [[span(chosen.selection) for chosen in part] for part in self.classes]
        return tuple(
            max((behind - first for first, behind in part), default=0) for part in spans
        )

    def about(self, most: int) -> int:
        """Say about how many boxes of at most ``most`` chunks there are."""
        groups = math.prod(len(dimension) for dimension in self.classes)
        return max(groups, -(-self.chunks // most))

    def sorted_along(self, dimension: int, along: NDArray[Any]) -> NDArray[Any]:
        """Put values along a dimension, in the user's order, in the sorted one."""
        return _sorted_along(self.restore[dimension], along)

    def boxes(self, most: int, reduced: Sequence[int] = ()) -> Iterator[Box]:
        """Cut the groups into boxes of at most ``most`` chunks, in plan order.

        Boxes that differ along ``reduced`` dimensions only, or those that are gathered,
        whose answers merge, come one after another, as far as their cuts allow.
        """
        if 0 in self.shape:
            return
        last = {*reduced, *self.gathered}
        order = sorted(range(len(self.shape)), key=lambda axis: (axis in last, axis))
        for picked in itertools.product(*(self.classes[axis] for axis in order)):
            by_axis = dict(zip(order, picked, strict=True))
            yield from _cut([by_axis[axis] for axis in sorted(order)], order, most)


def _cut(group: Sequence[_Class], order: Sequence[int], most: int) -> Iterator[Box]:
    lengths: list[int] = []
    room = max(1, most)
    for chosen in reversed(group):
        # Whole rows first: neighbours along the last dimension are mostly
        # neighbours in the file.
        length = max(1, min(len(chosen.chunks), room))
        lengths.insert(0, length)
        room //= length
    selection = tuple(chosen.selection for chosen in group)
    widths = tuple(chosen.width for chosen in group)
    pieces = [
        -(-len(chosen.chunks) // length)
        for chosen, length in zip(group, lengths, strict=True)
    ]
    # Counted, not listed: there may be a million boxes.
    for number in range(math.prod(pieces)):
        begins, rest = [0] * len(group), number
        for axis in reversed(order):
            rest, piece = divmod(rest, pieces[axis])
            begins[axis] = piece * lengths[axis]
        parts = [
            slice(begin, begin + length)
            for begin, length in zip(begins, lengths, strict=True)
        ]
        yield Box(
            selection=selection,
            widths=widths,
            chunks=tuple(c.chunks[part] for c, part in zip(group, parts, strict=True)),
            starts=tuple(c.starts[part] for c, part in zip(group, parts, strict=True)),
            labels=tuple(
                c.labels_of(part) for c, part in zip(group, parts, strict=True)
            ),
        )


def make_plan(
    view: View,
    chunk_shape: Sequence[int],
    groups: Mapping[int, Groups] | None = None,
) -> Plan:
    """Plan the chunks that a view touches.

    Parameters
    ----------
    view
        One item per stored dimension.
    chunk_shape
        Shape of the grid's cells.
    groups
        How positions are gathered, by stored dimension.
    """
    groups = {} if groups is None else groups
    gathered = {dimension: asked.count for dimension, asked in groups.items()}
    shape = tuple(1 if isinstance(item, int) else len(item) for item in view)
    if 0 in shape:
        # Nothing is selected, however many chunks the other dimensions have.
        return Plan(shape, ((),) * len(shape), (None,) * len(shape), gathered)
    dimensions = [
        _plan_dimension(item, max(1, length))
        for item, length in zip(view, chunk_shape, strict=True)
    ]
    classes = [classes for classes, _ in dimensions]
    restore = tuple(restore for _, restore in dimensions)
    for dimension, asked in groups.items():
        numbers = _sorted_along(restore[dimension], asked.numbers)
        parts = [part for c in classes[dimension] for part in c.gathered(numbers)]
        classes[dimension] = tuple(sorted(parts, key=lambda c: int(c.chunks[0])))
    return Plan(shape, tuple(classes), restore, gathered)


def _sorted_along(
    restore: slice | Positions | None, along: NDArray[Any]
) -> NDArray[Any]:
    if restore is None:
        return along
    ordered = np.empty_like(along)
    ordered[restore] = along
    return ordered


def _plan_dimension(
    item: DimensionView, cell: int
) -> tuple[tuple[_Class, ...], slice | Positions | None]:
    if isinstance(item, int):
        return _classes_of_range(range(item, item + 1), cell), None
    if isinstance(item, range):
        if item.step < 0 and len(item) > 1:
            return _classes_of_range(item[::-1], cell), slice(None, None, -1)
        return _classes_of_range(item, cell), None
    ordered = np.argsort(item, kind="stable")
    ascending = item[ordered]
    restore = None
    if not np.array_equal(ordered, np.arange(len(item))):
        restore = np.empty(len(item), dtype=np.int64)
        restore[ordered] = np.arange(len(item))
    regular = _as_range(ascending)
    if regular is not None:
        return _classes_of_range(regular, cell), restore
    return _classes_of_positions(ascending, cell), restore


def _as_range(positions: Positions) -> range | None:
    """Give evenly spaced positions as a range: a list of days is often a slice."""
    first = int(positions[0])
    if len(positions) == 1:
        return range(first, first + 1)
    steps = np.diff(positions)
    step = int(steps[0])
    if step < 1 or not (steps == step).all():
        return None
    return range(first, int(positions[-1]) + 1, step)


def _classes_of_range(positions: range, cell: int) -> tuple[_Class, ...]:
    start, step, count = positions.start, abs(positions.step), len(positions)
    first, last = start // cell, positions[-1] // cell
    if last - first >= _MOST_CHUNKS:
        raise SelectionError(
            f"the selection spans {last - first + 1} chunks along one dimension, "
            f"more than the {_MOST_CHUNKS} that can be planned; select a part"
        )
    chunks = np.arange(first, last + 1, dtype=np.int64)
    # Ceiling division: the first element at or after each chunk's two ends.
    low = np.maximum(-((start - chunks * cell) // step), 0)
    high = np.minimum(-((start - (chunks + 1) * cell) // step), count)
    touched = high > low
    chunks, low, width = chunks[touched], low[touched], (high - low)[touched]
    inside = start + low * step - chunks * cell
    classes: list[_Class] = []
    # Where the part begins within the chunk says how long it is, except in the last
    # chunk, where the selection may end before the chunk does.
    whole = len(chunks) - 1 if width[-1] < -((inside[-1] - cell) // step) else None
    for mine in _alike(inside[:whole, np.newaxis]):
        length = int(width[mine[0]])
        part = _part(int(inside[mine[0]]), length, step)
        classes.append(_Class(part, length, chunks[mine], low[mine]))
    if whole is not None:
        part = _part(int(inside[-1]), int(width[-1]), step)
        classes.append(_Class(part, int(width[-1]), chunks[-1:], low[-1:]))
    return tuple(classes)


def _part(first: int, length: int, step: int) -> slice:
    stride = step if length > 1 else 1
    return slice(first, first + (length - 1) * stride + 1, stride)


def _alike(rows: Positions) -> Iterator[NDArray[np.intp]]:
    """Give the numbers, ascending, of rows that are equal; whoever comes first first.

    Parameters
    ----------
    rows
        Shape (n, width).
    """
    if len(rows) == 0:
        return
    order = np.lexsort(rows.T[::-1])  # it is stable
    differ = np.zeros(len(order) - 1, dtype=np.bool_)
    for column in rows.T:
        ordered = column[order]
        differ |= ordered[1:] != ordered[:-1]
    cuts = np.concatenate([[0], np.flatnonzero(differ) + 1, [len(order)]])
    firsts = order[cuts[:-1]]
    for number in np.argsort(firsts):
        yield order[cuts[number] : cuts[number + 1]]


def _classes_of_positions(positions: Positions, cell: int) -> tuple[_Class, ...]:
    holding = positions // cell
    starts = np.flatnonzero(np.diff(holding, prepend=-1))
    chunks = holding[starts]
    widths = np.diff(starts, append=len(positions))
    classes = []
    for width in np.unique(widths).tolist():
        mine = np.flatnonzero(widths == width)
        places = starts[mine][:, np.newaxis] + np.arange(width)
        inside = positions[places] - (chunks[mine] * cell)[:, np.newaxis]
        for alike in _alike(inside):
            regular = _as_range(inside[alike[0]])
            part: AxisSelection = tuple(inside[alike[0]].tolist())
            if regular is not None:
                part = slice(regular.start, regular.stop, regular.step)
            found = mine[alike]
            classes.append(_Class(part, width, chunks[found], starts[found]))
    return tuple(sorted(classes, key=lambda chosen: int(chosen.chunks[0])))
