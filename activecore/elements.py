"""From the elements of decoded chunks to their partials: select, mask, reduce."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.model import AxisSelection, Missing
from activecore.operations import OPERATION, Values, reduce_elements

__all__ = ["BLOCK_BYTES", "invalid_elements", "reduce_chunk_elements"]

Array: TypeAlias = NDArray[Any]

BLOCK_BYTES = 1 << 20
"""Decoded bytes that are worked on together: about what a core's cache holds."""


def reduce_chunk_elements(
    block: Array,
    missing: Missing,
    selection: tuple[AxisSelection, ...],
    axis: tuple[int, ...],
    operation: str,
) -> tuple[Values, Array]:
    """Select, mask and reduce decoded chunks.

    Parameters
    ----------
    block
        Elements of k chunks, shape (k, *chunk), native-endian, stored dtype.
    missing, selection, axis, operation
        As in ``ChunkBatch``.

    Returns
    -------
    values, count
        As in ``Partial``, with the leading axis.
    """
    elements = _select(block, selection)
    if len(elements) != 1 or elements.nbytes <= 2 * BLOCK_BYTES:
        invalid = invalid_elements(elements, missing)
        return reduce_elements(elements, invalid, axis, operation)
    cut = _cut_axis(elements.shape[1:], () if operation == "select" else axis)
    parts = [
        _reduced_piece(piece, missing, axis, operation)
        for piece in _pieces(elements, cut)
    ]
    values = tuple(
        np.concatenate(column, axis=cut + 1)
        for column in zip(*(value for value, _ in parts), strict=True)
    )
    count = np.concatenate([behind for _, behind in parts], axis=cut + 1)
    if cut not in axis or operation == "select":
        return values, count
    with np.errstate(over="ignore", invalid="ignore"):
        merged = OPERATION[operation].merge(values, count, (cut + 1,))
    return merged, np.add.reduce(count, axis=cut + 1, keepdims=True)


def _reduced_piece(
    piece: Array, missing: Missing, axis: tuple[int, ...], operation: str
) -> tuple[Values, Array]:
    """Reduce a piece of a chunk, with a count for each value."""
    invalid = invalid_elements(piece, missing)
    values, count = reduce_elements(piece, invalid, axis, operation)
    kept = tuple(1 if a - 1 in axis else n for a, n in enumerate(piece.shape))
    return values, np.broadcast_to(count, kept)


def _select(block: Array, selection: tuple[AxisSelection, ...]) -> Array:
    slices = tuple(
        item if isinstance(item, slice) else slice(None) for item in selection
    )
    elements = block[(slice(None), *slices)]
    for axis, item in enumerate(selection):
        if not isinstance(item, slice):
            elements = elements.take(np.asarray(item, dtype=np.intp), axis=axis + 1)
    return elements


def _cut_axis(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """Say along which axis a large chunk is best cut into pieces that stay in cache.

    Masking, moments and reductions along a slow axis pass over elements more than
    once. Along the first axis pieces are contiguous; but if that one is reduced, their
    partials must merge, which is only cheap while they are small.
    """
    kept = [a for a, length in enumerate(shape) if a not in axis and length > 1]
    if 0 not in axis or not kept:
        return 0
    partial = math.prod(shape[a] for a in kept)
    return 0 if 16 * partial <= math.prod(shape) else kept[0]


def _pieces(elements: Array, cut: int) -> Iterator[Array]:
    length = elements.shape[cut + 1]
    step = max(1, length * BLOCK_BYTES // elements.nbytes)
    for start in range(0, length, step):
        part = slice(start, start + step)
        yield elements[(slice(None),) * (cut + 1) + (part,)]


def invalid_elements(elements: Array, missing: Missing) -> NDArray[np.bool_] | None:
    """Tell which elements are missing; None: none of them.

    Comparisons are made in the stored dtype. NaN is neither less nor greater.
    """
    invalid: NDArray[np.bool_] | None = None
    is_float = elements.dtype.kind == "f"
    for value in missing.values:
        if value == value:  # noqa: PLR0124 - false for NaN alone
            found = elements == value
        elif is_float:
            found = np.isnan(elements)
        else:
            continue
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if missing.valid_min is not None:
        found = elements < missing.valid_min
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if missing.valid_max is not None:
        found = elements > missing.valid_max
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if invalid is None or not invalid.any():
        return None
    return invalid
