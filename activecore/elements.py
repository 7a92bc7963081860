"""From the elements of chunks to their partials: a row for each operation.

An operation answers for elements with one leading axis, the chunk. Its rows obey three
rules: reduced axes stay at length one; where nothing is left to reduce (``count`` is
zero) the value is the operation's identity, so that merging needs no special case; and
NaN that no rule declared missing propagates.

An engine reduces the innermost group of axes, which is where the elements are; what
that leaves is little, and reduced here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.engines.base import Block, Cells, Engine, Gone
from activecore.engines.blocked import BlockedEngine, invalid_elements
from activecore.folding import Rows, add_up, innermost
from activecore.model import AxisSelection, Missing
from activecore.operations import OPERATION, Values, accumulator

__all__ = ["reduce_block", "reduce_chunk_elements", "reduce_elements"]

Array: TypeAlias = NDArray[Any]
Axes: TypeAlias = tuple[int, ...]
Answer: TypeAlias = tuple[Values, Array]

_NUMPY = BlockedEngine()


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """An engine's cells, and what is left to do with the values it gives of them."""

    engine: Engine
    cells: Cells
    shape: Axes
    """Of the elements, the chunk first."""
    axes: Axes
    """Of those, all that are reduced."""
    group: Axes
    """Those that the engine reduces."""

    def spread(self, values: Array) -> Array:
        """Give an engine's values the elements' shape, its group at length one."""
        shape = tuple(1 if a in self.group else n for a, n in enumerate(self.shape))
        return values.reshape(shape)

    def rest(self) -> Axes:
        """Give the axes that are left to reduce."""
        return tuple(axis for axis in self.axes if axis not in self.group)

    def added(self, values: Array) -> Array:
        """Add an engine's values along the axes that are left."""
        return add_up(self.spread(values), self.rest())

    def by(self, ufunc: np.ufunc, values: Array) -> Array:
        """Reduce an engine's values along the axes that are left."""
        values = self.spread(values)
        rest = self.rest()
        if len(rest) == 0:
            return values
        return np.asarray(ufunc.reduce(values, axis=rest, keepdims=True))

    def count(self, gone: Gone) -> Array:
        """Say how many elements are behind each value."""
        total = math.prod(self.shape[axis] for axis in self.axes)
        if gone is None:
            # One number for each chunk: it is broadcast where it is needed.
            ones = (1,) * (len(self.shape) - 1)
            return np.full((self.shape[0], *ones), total, dtype=np.int64)
        return total - self.added(gone)


def _count(asked: _Asked) -> Answer:
    return (), asked.count(asked.engine.missing(asked.cells))


def _sum(asked: _Asked) -> Answer:
    return _sum_in(accumulator(asked.cells.block.dtype), asked)


def _sum_f8(asked: _Asked) -> Answer:
    return _sum_in(np.dtype("f8"), asked)


def _sum_in(dtype: np.dtype[Any], asked: _Asked) -> Answer:
    sums, gone = asked.engine.sums(asked.cells, dtype)
    return (asked.added(sums),), asked.count(gone)


def _min(asked: _Asked) -> Answer:
    least, gone = asked.engine.least(asked.cells)
    return (asked.by(np.minimum, least),), asked.count(gone)


def _max(asked: _Asked) -> Answer:
    greatest, gone = asked.engine.greatest(asked.cells)
    return (asked.by(np.maximum, greatest),), asked.count(gone)


def _extrema(asked: _Asked) -> Answer:
    least, count = _min(asked)
    greatest, _ = _max(asked)
    return (*least, *greatest), count


def _moments(asked: _Asked) -> Answer:
    # Two passes: the deviations are taken from the chunk's own mean, so that no
    # digits are lost however large the offset of the data is.
    (total,), count = _sum_f8(asked)
    mean = total / np.maximum(count, 1)
    rows = asked.cells.rows
    each = tuple(1 if a in asked.group else n for a, n in enumerate(asked.shape))
    means = np.broadcast_to(mean, each).reshape(rows.many, rows.kept)
    squares = asked.engine.squares(asked.cells, np.ascontiguousarray(means))
    return (mean, asked.added(squares)), count


def _nonzero(asked: _Asked) -> Answer:
    nonzeros, gone = asked.engine.nonzeros(asked.cells)
    return (asked.added(nonzeros),), asked.count(gone)


_ASK: Mapping[str, Callable[[_Asked], Answer]] = MappingProxyType(
    {
        "count": _count,
        "sum": _sum,
        "sum_f8": _sum_f8,
        "min": _min,
        "max": _max,
        "extrema": _extrema,
        "moments": _moments,
        "nonzero": _nonzero,
    }
)


def reduce_block(
    engine: Engine, block: Block, missing: Missing, axis: Axes, operation: str
) -> Answer:
    """Reduce decoded chunks, of which just what is wanted is left.

    Parameters
    ----------
    engine
        What computes; the answer does not depend on it.
    block
        Their bytes, axes in C order.
    missing, axis, operation
        As in ``ChunkBatch``.

    Returns
    -------
    values, count
        As in ``Partial``, with the leading axis. Where nothing is missing the count
        has length one along all others.
    """
    if operation == "select":
        elements = block.elements()
        invalid = invalid_elements(elements, missing)
        return _selected(elements, invalid)
    return _reduced(engine, block, missing, None, axis, operation)


def reduce_elements(
    elements: Array, invalid: NDArray[np.bool_] | None, axis: Axes, operation: str
) -> Answer:
    """Reduce elements of which it is known which are missing.

    Parameters
    ----------
    elements
        Shape (k, ...), native-endian.
    invalid
        Which elements are missing, same shape; None: none.
    axis
        Axes of one chunk, so that 0 is the axis after the leading one.
    operation
        A name of ``OPERATION``.

    Returns
    -------
    values, count
        As ``reduce_block`` gives them.
    """
    if operation == "select":
        return _selected(elements, invalid)
    return _reduced(_NUMPY, _as_block(elements), Missing(), invalid, axis, operation)


def reduce_chunk_elements(
    block: Array,
    missing: Missing,
    selection: tuple[AxisSelection, ...],
    axis: Axes,
    operation: str,
) -> Answer:
    """Select, mask and reduce the elements of whole chunks.

    Parameters
    ----------
    block
        Elements of k chunks, shape (k, *chunk), native-endian, stored dtype.
    missing, selection, axis, operation
        As in ``ChunkBatch``.

    Returns
    -------
    values, count
        As ``reduce_block`` gives them.
    """
    in_order = tuple(range(block.ndim - 1))
    part = _as_block(block).arranged(in_order, selection)
    return reduce_block(_NUMPY, part, missing, axis, operation)


def _as_block(elements: Array) -> Block:
    chunks, *shape = elements.shape
    raw = np.ascontiguousarray(elements).reshape(chunks, -1).view(np.uint8)
    return Block(raw, elements.dtype, tuple(shape))


def _selected(elements: Array, invalid: NDArray[np.bool_] | None) -> Answer:
    kept = np.ones(elements.shape, bool) if invalid is None else ~invalid
    return (elements.copy(),), kept


def _reduced(
    engine: Engine,
    block: Block,
    missing: Missing,
    invalid: NDArray[np.bool_] | None,
    axis: Axes,
    operation: str,
) -> Answer:
    shape = (len(block.raw), *block.shape)
    axes = tuple(a + 1 for a in axis)
    if math.prod(shape) == 0:
        return _nothing(block.dtype, shape, axes, operation)
    # Rows never reach from one chunk into the next.
    rows, group = innermost(block.shape, axis)
    rows = Rows(len(block.raw) * rows.many, rows.rows, rows.kept)
    group = tuple(a + 1 for a in group)
    cells = Cells(block, rows, missing, invalid)
    # Infinities and overflow mean what IEEE 754 says; they are no news to a user.
    with np.errstate(over="ignore", invalid="ignore"):
        return _ASK[operation](_Asked(engine, cells, shape, axes, group))


def _nothing(dtype: np.dtype[Any], shape: Axes, axes: Axes, operation: str) -> Answer:
    total = math.prod(shape[axis] for axis in axes)
    count = np.full((shape[0], *(1,) * (len(shape) - 1)), total, dtype=np.int64)
    reduced = tuple(1 if a in axes else n for a, n in enumerate(shape))
    identity = OPERATION[operation].identity(dtype.newbyteorder("="))
    return tuple(np.full(reduced, value) for value in identity), count
