"""From the server's replies to the partial of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore import (
    ChunkBatch,
    ChunkLayout,
    ChunkNotFound,
    Cost,
    Partial,
    reduce_buffers,
)
from activecore_reductionist.asking import Asked
from activecore_reductionist.question import Question

__all__ = ["doubtful", "of_one_chunk", "partial_of_elements", "partial_of_values"]

Array = NDArray[Any]

_MERGE = {"sum": np.add, "min": np.minimum, "max": np.maximum}


def doubtful(question: Question, values: Array, count: Array) -> str | None:
    """Say which check a reply needs before it is believed, or None.

    Returns
    -------
    ``"extreme"``
        A minimum or maximum is the number that the server starts from, which it also
        answers where all elements are infinite.
    ``"overflow"``
        A sum is not finite; it may have left the dtype's range on the way.
    """
    if question.dtype.kind != "f":
        return None
    if question.operation in ("min", "max"):
        limits = np.finfo(question.reply_dtype)
        start = limits.max if question.operation == "min" else limits.min
        return "extreme" if bool(((values == start) & (count > 0)).any()) else None
    if question.operation == "sum":
        return None if bool(np.isfinite(values).all()) else "overflow"
    return None


def partial_of_values(
    batch: ChunkBatch, asked: Asked, values: Array, count: Array
) -> tuple[tuple[Array, ...], Array]:
    """Bring reduced values into the variable's dimensions, reduced axes at length one.

    Parameters
    ----------
    batch
        What the core asked, k chunks.
    asked
        What the server was asked.
    values, count
        Its replies, shape (k, *reply_shape); values native-endian.

    Returns
    -------
    values, count
        As in a partial of the batch.
    """
    question, order = asked.question, batch.layout.order
    kept = tuple(
        1 if a in question.axis else length
        for a, length in enumerate(question.selected)
    )
    back = (0, *(order.index(a) + 1 for a in range(len(order))))
    arrays = [
        _picked(array.reshape(len(batch), *kept).transpose(back), asked)
        for array in (values, count)
    ]
    values, count = arrays
    # Over no elements the server answers the number that it starts from.
    values = np.where(count > 0, values, _nothing(question))
    if question.operation == "sum":
        values = values.astype(_accumulator(question.dtype), copy=False)
    axes = tuple(a + 1 for a in asked.merged)
    if axes:
        count = np.add.reduce(count, axis=axes, keepdims=True)
    if question.operation == "count":
        return (), np.ascontiguousarray(count)
    if axes:
        by = _MERGE[question.operation]
        values = by.reduce(values, axis=axes, keepdims=True)
    return (np.ascontiguousarray(values),), np.ascontiguousarray(count)


def _picked(array: Array, asked: Asked) -> Array:
    for a, span in enumerate(asked.spans):
        if span.picks is not None:
            array = np.take(array, span.picks, axis=a + 1)
    return array


def _nothing(question: Question) -> Array:
    """Give what merges with any value without changing it."""
    dtype = question.reply_dtype
    if question.operation in ("count", "sum"):
        return np.zeros((), dtype)
    least = question.operation == "max"
    if dtype.kind == "f":
        return np.asarray(-np.inf if least else np.inf, dtype)
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if least else limits.max, dtype)


def _accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype({"i": "i8", "u": "u8", "f": "f8"}[dtype.kind])


def partial_of_elements(
    batch: ChunkBatch,
    asked: Asked,
    buffers: Sequence[memoryview | None],
    *,
    cost: Cost,
    limit: int,
) -> Partial:
    """Reduce elements that the server selected, as the core's kernel does.

    Parameters
    ----------
    batch
        What the core asked, k chunks.
    asked
        What the server was asked.
    buffers
        Its selected elements, native-endian, in the sequence in which they were stored;
        None: there is no such object.
    cost, limit
        As in ``activecore.reduce_buffers``.
    """
    layout = ChunkLayout(
        batch.dtype.newbyteorder("="),
        tuple(span.length for span in asked.spans),
        batch.layout.order,
        missing=batch.missing,
    )
    here = replace(
        batch,
        layout=layout,
        sizes=np.full(len(batch), -1, dtype=np.int64),
        selection=tuple(
            slice(0, span.length, 1) if span.picks is None else span.picks
            for span in asked.spans
        ),
    )
    return reduce_buffers(here, buffers, cost=cost, limit=limit)


def of_one_chunk(partial: Partial, source: str) -> Partial:
    """Take the only chunk's partial out of its batch's.

    Raises
    ------
    ChunkNotFound
        It is absent.
    """
    if len(partial.absent) > 0:
        msg = f"there is no object {source}"
        raise ChunkNotFound(msg)
    return Partial(
        # [0, ...] and not [0], which of a 1-D array is no array.
        values=tuple(values[0, ...] for values in partial.values),
        count=partial.count[0, ...],
        cost=partial.cost,
    )
