"""From a chunk's bytes to its partial: decode, select, mask, reduce. The only decoder.

The kernel is always batched: chunks of one batch are decoded into one block that
stays in the processor's cache, ``(k, *chunk)``, and reduced together. One large chunk
is the ordinary case, k = 1; ten thousand chunks of 8x8x8 are the extreme one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.cancel import check_cancelled
from activecore.codecs import Buffer, decode_into, unsupported
from activecore.errors import ChunkDecodeError, ChunkError, ChunkReadError
from activecore.model import (
    AxisSelection,
    ChunkBatch,
    ChunkLayout,
    Cost,
    Missing,
    Partial,
)
from activecore.operations import OPERATION, Values, reduce_elements

__all__ = [
    "MAX_CHUNK_BYTES",
    "Buffer",
    "invalid_elements",
    "reduce_buffers",
    "reduce_chunk_elements",
    "undecodable",
]

Array = NDArray[Any]

MAX_CHUNK_BYTES = 2 << 30
"""Decoded size above which a chunk is refused before memory is taken for it."""

_BLOCK_BYTES = 1 << 20
"""Decoded bytes that are worked on together: about what a core's cache holds."""

_scratch = threading.local()


def undecodable(layout: ChunkLayout) -> str | None:
    """Name what keeps the kernel from decoding chunks of this layout, or None."""
    return unsupported(layout.codecs)


def reduce_buffers(
    batch: ChunkBatch,
    buffers: Sequence[Buffer | None],
    *,
    cost: Cost | None = None,
    limit: int = MAX_CHUNK_BYTES,
) -> Partial:
    """Reduce the chunks of a batch, given their bytes as stored.

    Parameters
    ----------
    batch
        What is asked.
    buffers
        Each chunk's encoded bytes; None: there is no such object. Not written to,
        and not kept after the call.
    cost
        What it cost to get the bytes; by default one request for each buffer.
    limit
        Decoded bytes above which a chunk is refused.

    Raises
    ------
    ChunkReadError
        A buffer is not as long as the batch says.
    ChunkDecodeError
        A chunk cannot be decoded to exactly what its layout says. ``position``
        tells which.
    """
    _check_lengths(batch, buffers)
    layout = batch.layout
    if layout.nbytes > limit:
        msg = f"a chunk of {layout.nbytes} bytes decoded is over the limit of {limit}"
        raise ChunkDecodeError(msg, position=0)
    present = [i for i, buffer in enumerate(buffers) if buffer is not None]
    parts = [
        (rows, *_reduced(block, batch))
        for rows, block in _blocks(layout, buffers, present, limit)
    ]
    values, count = _gathered(batch, parts)
    if cost is None:
        size = sum(memoryview(b).nbytes for b in buffers if b is not None)
        cost = Cost(requests=len(present), bytes_read=size, bytes_received=size)
    absent = [i for i, buffer in enumerate(buffers) if buffer is None]
    return Partial(values, count, np.asarray(absent, dtype=np.int64), cost)


def _reduced(block: Array, batch: ChunkBatch) -> tuple[Values, Array]:
    check_cancelled()
    return reduce_chunk_elements(
        block, batch.missing, batch.selection, batch.axis, batch.operation
    )


def _gathered(
    batch: ChunkBatch, parts: list[tuple[list[int], Values, Array]]
) -> tuple[Values, Array]:
    """Put blocks' partials in the batch's order, identities where no chunk was."""
    if len(parts) == 1 and len(parts[0][0]) == len(batch):
        return parts[0][1], parts[0][2]
    shape = (len(batch), *batch.reduced_shape)
    identity = OPERATION[batch.operation].identity(batch.dtype.newbyteorder("="))
    values = tuple(np.full(shape, value) for value in identity)
    is_select = batch.operation == "select"
    count: Array = np.zeros(shape, dtype=np.bool_ if is_select else np.int64)
    for rows, part, behind in parts:
        for column, piece in zip(values, part, strict=True):
            column[rows] = piece
        count[rows] = behind
    return values, count


def _check_lengths(batch: ChunkBatch, buffers: Sequence[Buffer | None]) -> None:
    if len(buffers) != len(batch):
        msg = f"{len(buffers)} buffers for a batch of {len(batch)} chunks"
        raise ValueError(msg)
    for position, (buffer, size) in enumerate(
        zip(buffers, batch.sizes.tolist(), strict=True)
    ):
        if buffer is None or size == -1:
            continue
        length = memoryview(buffer).nbytes
        if length != size:
            msg = f"{length} bytes came where {size} were asked for"
            raise ChunkReadError(msg, position=position)


def _blocks(
    layout: ChunkLayout,
    buffers: Sequence[Buffer | None],
    present: list[int],
    limit: int,
) -> Iterator[tuple[Any, Array]]:
    """Decode chunks a block at a time: which rows of the batch, and their elements.

    The elements are valid until the next block is asked for.
    """
    together = max(1, _BLOCK_BYTES // max(1, layout.nbytes))
    for start in range(0, len(present), together):
        rows = present[start : start + together]
        if not layout.codecs and len(rows) == 1:
            stored = _as_stored(layout, buffers[rows[0]], rows[0])
        else:
            stored = _decoded(layout, buffers, rows, limit)
        yield rows, _elements(layout, stored)


def _as_stored(layout: ChunkLayout, buffer: Buffer | None, position: int) -> Array:
    """View one chunk that is stored as it is; nothing is copied."""
    raw = np.frombuffer(memoryview(buffer).cast("B"), dtype=np.uint8)  # type: ignore[arg-type]
    if raw.nbytes != layout.nbytes:
        msg = f"{raw.nbytes} bytes where the shape says {layout.nbytes}"
        raise ChunkDecodeError(msg, position=position)
    return raw.view(layout.dtype).reshape(1, *layout.stored_shape)


def _decoded(
    layout: ChunkLayout,
    buffers: Sequence[Buffer | None],
    rows: list[int],
    limit: int,
) -> Array:
    size = layout.nbytes
    block = _scratch_bytes(len(rows) * size).reshape(len(rows), size)
    for row, position in enumerate(rows):
        try:
            decode_into(layout.codecs, buffers[position], block[row], limit=limit)  # type: ignore[arg-type]
        except ChunkError as error:
            error.position = position
            raise
    return block.view(layout.dtype).reshape(len(rows), *layout.stored_shape)


def _scratch_bytes(size: int) -> NDArray[np.uint8]:
    """Lend this thread's block: fresh memory for every chunk costs page faults."""
    block: NDArray[np.uint8] | None = getattr(_scratch, "block", None)
    if block is None or block.nbytes < size:
        block = np.empty(size, dtype=np.uint8)
        _scratch.block = block
    return block[:size]


def _elements(layout: ChunkLayout, stored: Array) -> Array:
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    if layout.is_c_order:
        return stored
    back = np.argsort(layout.order)
    return stored.transpose(0, *(int(axis) + 1 for axis in back))


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
    if len(elements) != 1 or elements.nbytes <= 2 * _BLOCK_BYTES:
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
    step = max(1, length * _BLOCK_BYTES // elements.nbytes)
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
