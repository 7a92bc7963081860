"""From a chunk's bytes to its partial: decode, select, mask, reduce. The only decoder.

The kernel is always batched: chunks of one batch are decoded into one block that
stays in the processor's cache, ``(k, *chunk)``, and reduced together. One large chunk
is the ordinary case, k = 1; ten thousand chunks of 8x8x8 are the extreme one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.cancel import check_cancelled
from activecore.codecs import Buffer, decode_all, decode_somewhere, unsupported
from activecore.elements import reduce_block
from activecore.engines.base import Block, Engine
from activecore.engines.choice import engine_for
from activecore.errors import ChunkDecodeError, ChunkError, ChunkReadError
from activecore.model import (
    ChunkBatch,
    ChunkLayout,
    Codec,
    Cost,
    Partial,
)
from activecore.operations import OPERATION, Values
from activecore.scratch import lend

__all__ = [
    "MAX_CHUNK_BYTES",
    "Buffer",
    "reduce_buffers",
    "undecodable",
]

Array = NDArray[Any]

MAX_CHUNK_BYTES = 2 << 30
"""Decoded size above which a chunk is refused before memory is taken for it."""

BLOCK_BYTES = 1 << 20
"""Decoded bytes that are worked on together: about what a core's cache holds."""


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
    engine = engine_for(layout.dtype, batch.operation, len(present) * layout.nbytes)
    parts = [
        (rows, *_reduced(engine, block, batch))
        for rows, block in _blocks(layout, buffers, present, limit)
    ]
    values, count = _gathered(batch, parts)
    if cost is None:
        size = sum(_size(buffer) for buffer in buffers if buffer is not None)
        cost = Cost(requests=len(present), bytes_read=size, bytes_received=size)
    absent = [i for i, buffer in enumerate(buffers) if buffer is None]
    return Partial(values, count, np.asarray(absent, dtype=np.int64), cost)


def _reduced(engine: Engine, block: Block, batch: ChunkBatch) -> tuple[Values, Array]:
    check_cancelled()
    part = block.arranged(batch.layout.order, batch.selection)
    return reduce_block(engine, part, batch.missing, batch.axis, batch.operation)


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
) -> Iterator[tuple[list[int], Block]]:
    """Decode chunks a block at a time: which rows of the batch, and their bytes.

    The bytes are valid until the next block is asked for.
    """
    codecs, is_shuffled = layout.codecs, _is_shuffled(layout)
    if is_shuffled:
        # Elements are put together as they are reduced, and only those wanted.
        codecs = codecs[1:]
    together = max(1, BLOCK_BYTES // max(1, layout.nbytes))
    for start in range(0, len(present), together):
        rows = present[start : start + together]
        raw = _decoded(
            codecs, layout.nbytes, [buffers[row] for row in rows], rows, limit
        )
        yield rows, Block(raw, layout.dtype, layout.stored_shape, is_shuffled)


def _is_shuffled(layout: ChunkLayout) -> bool:
    """Tell whether the last thing to be undone is the shuffle of whole elements."""
    if len(layout.codecs) == 0 or layout.codecs[0].id != "shuffle":
        return False
    size = layout.dtype.itemsize
    return size > 1 and layout.codecs[0].config.get("elementsize", 4) == size


def _decoded(
    codecs: tuple[Codec, ...],
    nbytes: int,
    buffers: Sequence[Buffer | None],
    rows: list[int],
    limit: int,
) -> NDArray[np.uint8]:
    """Decode chunks to bytes, shape (chunks, bytes of each)."""
    block = lend("decoded", len(buffers) * nbytes).reshape(len(buffers), nbytes)
    present: Any = buffers
    try:
        if len(buffers) == 1:
            # One large chunk: it stays where the decoder put it.
            decoded = decode_somewhere(codecs, present[0], block[0], limit=limit)
            return decoded.reshape(1, nbytes)
        decode_all(codecs, present, block, limit=limit)
    except ChunkError as error:
        error.position = rows[error.position or 0]
        raise
    return block
