"""From partials to the one result, the same bits whatever order they arrive in.

Partials of a box merge first, without a loop, where they were computed; then boxes
that have one place in the result (``tree``); what they come to is put there in plan
order. All three follow from the plan alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.elements import reduce_elements
from activecore.groups import runs
from activecore.operations import OPERATION, Values
from activecore.plan import Box, Plan

__all__ = ["Combiner", "Weights", "merge_box", "reduce_box"]

Array: TypeAlias = NDArray[Any]

Weights: TypeAlias = Mapping[int, NDArray[np.float64]]
"""Weights along each weighted dimension, in the order of the sorted selection."""


def merge_box(
    box: Box,
    operation: str,
    values: Values,
    count: Array,
    axes: Sequence[int],
    weights: Weights,
) -> tuple[Values, Array]:
    """Merge the partials of a box's chunks along the reduced dimensions.

    Parameters
    ----------
    values, count
        Shape (n, *partial), chunks in the box's order. Weighted dimensions are not
        reduced yet.
    axes
        All dimensions that end at length one, the weighted ones included.

    Returns
    -------
    values, count
        One array for the box: a reduced dimension has length one, one that is
        gathered the gatherings that occur, another the box's length along it. With
        weights, the values are the weighted sum and the sum of the weights behind it.
    """
    ndim = len(box.shape)
    grid = box.shape
    partials = tuple(value.reshape(grid + value.shape[1:]) for value in values)
    behind = count.reshape(grid + count.shape[1:])
    within: tuple[int, ...] = ()
    if len(weights) > 0:
        partials = _weigh(box, partials, behind, weights)
        within = tuple(ndim + a for a in sorted(weights) if a not in box.gathers)
        behind = np.broadcast_to(behind, partials[0].shape)
    # Along an axis of one chunk there is nothing to merge.
    along = tuple(axis for axis in sorted(axes) if grid[axis] > 1) + within
    if along:
        with np.errstate(over="ignore", invalid="ignore"):
            partials = OPERATION[operation].merge(partials, behind, along)
        behind = np.add.reduce(behind, axis=along, keepdims=True)
    for axis, labels in box.gathers.items():
        partials, behind = _gathered(operation, partials, behind, axis, labels)
    kept = [a for a in range(ndim) if a not in axes and a not in box.gathers]
    if any(grid[axis] > 1 for axis in kept):
        # A count may stand for all values of its chunk; side by side it may not.
        whole = tuple(w if a in kept else 1 for a, w in enumerate(box.widths))
        behind = np.broadcast_to(behind, behind.shape[:ndim] + whole)
    return tuple(_joined(value, ndim) for value in partials), _joined(behind, ndim)


def reduce_box(
    box: Box,
    operation: str,
    elements: Array,
    valid: Array,
    axes: Sequence[int],
) -> tuple[Values, Array]:
    """Reduce the elements of a box's chunks, gathering by gathering.

    For chunks of which nothing but gathering reduces anything: their partials would be
    as large as they are.

    Parameters
    ----------
    elements, valid
        Shape (n, *part), chunks in the box's order, unpacked where that is not linear;
        which of them are not missing.
    axes
        All dimensions that end at length one.

    Returns
    -------
    values, count
        As ``merge_box`` gives them.
    """
    ndim = len(box.shape)
    block = _joined(elements.reshape(box.shape + elements.shape[1:]), ndim)
    kept = _joined(valid.reshape(box.shape + valid.shape[1:]), ndim)
    invalid = None if kept.all() else ~kept[np.newaxis]
    reduced = tuple(sorted({*axes, *box.gathers}))
    labels = {
        axis: np.broadcast_to(of, (len(of), box.widths[axis])).ravel()
        for axis, of in box.gathers.items()
    }
    values, count = _reduce_gathered(
        block[np.newaxis], invalid, operation, reduced, labels
    )
    return tuple(value[0] for value in values), count[0]


def _reduce_gathered(
    elements: Array,
    invalid: Array | None,
    operation: str,
    axes: tuple[int, ...],
    labels: Mapping[int, NDArray[np.int64]],
) -> tuple[Values, Array]:
    """Reduce elements with one leading axis, one gathering after another."""
    if len(labels) == 0:
        values, count = reduce_elements(elements, invalid, axes, operation)
        shape = tuple(
            1 if a - 1 in axes else length for a, length in enumerate(elements.shape)
        )
        return values, np.broadcast_to(count, shape)
    axis, *others = labels
    rest = {other: labels[other] for other in others}
    parts = []
    for _, where in runs(labels[axis]):
        key = (slice(None),) * (axis + 1) + (where,)
        some = None if invalid is None else invalid[key]
        parts.append(_reduce_gathered(elements[key], some, operation, axes, rest))
    values = tuple(
        np.concatenate(column, axis=axis + 1)
        for column in zip(*(value for value, _ in parts), strict=True)
    )
    return values, np.concatenate([count for _, count in parts], axis=axis + 1)


def _gathered(
    operation: str,
    values: Values,
    count: Array,
    axis: int,
    labels: NDArray[np.int64],
) -> tuple[Values, Array]:
    """Merge along one dimension the partials of each gathering.

    Arrays have a box's chunks first and elements within a chunk last. Afterwards the
    dimension is as long as gatherings occur, ascending, and one within.
    """
    ndim = count.ndim // 2
    lengths = [array.shape[ndim + axis] for array in (count, *values)]
    width = max(labels.shape[1], *lengths)
    places = runs(np.broadcast_to(labels, (len(labels), width)).ravel())

    def flat(array: Array) -> Array:
        shape = list(array.shape)
        shape[axis], shape[ndim + axis] = len(labels), width
        lines = np.moveaxis(np.broadcast_to(array, shape), ndim + axis, axis + 1)
        del shape[ndim + axis]
        shape[axis] = len(labels) * width
        return lines.reshape(shape)

    lines, behind = tuple(flat(value) for value in values), flat(count)
    parts, counts = [], []
    for _, where in places:
        key = (slice(None),) * axis + (where,)
        of = behind[key]
        with np.errstate(over="ignore", invalid="ignore"):
            some = tuple(line[key] for line in lines)
            parts.append(OPERATION[operation].merge(some, of, (axis,)))
        counts.append(np.add.reduce(of, axis=axis, keepdims=True))
    merged = tuple(
        np.expand_dims(np.concatenate(column, axis=axis), ndim + axis)
        for column in zip(*parts, strict=True)
    )
    return merged, np.expand_dims(np.concatenate(counts, axis=axis), ndim + axis)


def _weigh(box: Box, values: Values, count: Array, weights: Weights) -> Values:
    """Turn sums and counts into weighted sums and sums of weights."""
    ndim = len(box.shape)
    factor = np.ones((1,) * (2 * ndim))
    for axis, along in weights.items():
        shape = [1] * (2 * ndim)
        shape[axis], shape[ndim + axis] = box.shape[axis], box.widths[axis]
        places = box.starts[axis][:, np.newaxis] + np.arange(box.widths[axis])
        factor = factor * along[places].reshape(shape)
    (total,) = values
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = np.where(count > 0, total * factor, 0.0)
    return weighted, np.broadcast_to(count * factor, weighted.shape)


def _joined(array: Array, ndim: int) -> Array:
    """Turn (m0, m1, …, p0, p1, …) into (m0*p0, m1*p1, …)."""
    pairs = [axis for d in range(ndim) for axis in (d, ndim + d)]
    lengths = [array.shape[d] * array.shape[ndim + d] for d in range(ndim)]
    return array.transpose(pairs).reshape(lengths)


class Combiner:
    """Takes merged partials in plan order and holds the result."""

    def __init__(
        self,
        plan: Plan,
        operation: str,
        identity: Values,
        axes: Sequence[int],
    ) -> None:
        self._plan = plan
        self._row = OPERATION[operation]
        self._axes = frozenset(axes)
        shape = plan.lengths(self._axes)
        self._values = tuple(np.full(shape, value) for value in identity)
        kind = np.bool_ if operation == "select" else np.int64
        self._count: Array = np.zeros(shape, dtype=kind)

    def add(self, box: Box, values: Values, count: Array) -> None:
        """Take what the boxes at one place came to; places come in plan order."""
        place = self._place(box)
        if not self._axes and not self._plan.gathered:
            # Nothing is reduced: every element has one box that answers for it.
            for target, value in zip(self._values, values, strict=True):
                target[place] = value
            self._count[place] = count
            return
        # Views where the place is a rectangle, copies to be put back where not.
        held = tuple(value[place] for value in self._values)
        before = self._count[place]
        with np.errstate(over="ignore", invalid="ignore"):
            self._row.accumulate(held, before, values, count)
        before += count
        if not all(isinstance(item, slice) for item in place):
            for target, merged in zip(self._values, held, strict=True):
                target[place] = merged
            self._count[place] = before

    def _place(self, box: Box) -> tuple[Any, ...]:
        along = [
            slice(0, 1) if axis in self._axes else box.destination(axis)
            for axis in range(len(box.shape))
        ]
        if all(isinstance(item, slice) for item in along):
            return tuple(along)
        positions = [
            np.arange(item.start, item.stop) if isinstance(item, slice) else item
            for item in along
        ]
        return np.ix_(*positions)

    def result(self) -> tuple[Values, Array]:
        """Give values and count in the user's order, reduced dimensions at length one.

        Dimensions that an integer indexed still have their length of one.
        """
        return (
            tuple(self._restored(value) for value in self._values),
            self._restored(self._count),
        )

    def _restored(self, array: Array) -> Array:
        for axis, restore in enumerate(self._plan.restore):
            if restore is None or axis in self._axes or axis in self._plan.gathered:
                continue
            if isinstance(restore, slice):
                array = np.flip(array, axis)
            else:
                array = array.take(restore, axis=axis)
        return array
