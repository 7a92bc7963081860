"""From a chunk's bytes to its partial: decode, select, mask, reduce. The only decoder.

The kernel is always batched: chunks of one batch are decoded into one block that
stays in the processor's cache, ``(k, *chunk)``, and reduced together. One large chunk
is the ordinary case, k = 1; ten thousand chunks of 8x8x8 are the extreme one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.cancel import check_cancelled
from activecore.codecs import Buffer, decode_into, unsupported
from activecore.elements import BLOCK_BYTES, reduce_chunk_elements
from activecore.errors import ChunkDecodeError, ChunkError, ChunkReadError
from activecore.model import (
    ChunkBatch,
    ChunkLayout,
    Cost,
    Partial,
)
from activecore.operations import OPERATION, Values

__all__ = [
    "MAX_CHUNK_BYTES",
    "Buffer",
    "reduce_buffers",
    "undecodable",
]

Array = NDArray[Any]

MAX_CHUNK_BYTES = 2 << 30
"""Decoded size above which a chunk is refused before memory is taken for it."""

_MOST_KEPT = 64 << 20
"""Bytes of scratch memory that a thread keeps between chunks, at most."""

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
        size = sum(_size(buffer) for buffer in buffers if buffer is not None)
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


def _size(buffer: Buffer) -> int:
    return len(buffer) if isinstance(buffer, (bytes, bytearray)) else buffer.nbytes


def _check_lengths(batch: ChunkBatch, buffers: Sequence[Buffer | None]) -> None:
    if len(buffers) != len(batch):
        msg = f"{len(buffers)} buffers for a batch of {len(batch)} chunks"
        raise ValueError(msg)
    for position, (buffer, size) in enumerate(
        zip(buffers, batch.sizes.tolist(), strict=True)
    ):
        if buffer is None or size == -1:
            continue
        length = _size(buffer)
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
    together = max(1, BLOCK_BYTES // max(1, layout.nbytes))
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
    """Lend this thread's block: fresh memory for every chunk costs page faults.

    Blocks of unusual size are not kept: a long-lived thread would never give them back.
    """
    if size > _MOST_KEPT:
        return np.empty(size, dtype=np.uint8)
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
