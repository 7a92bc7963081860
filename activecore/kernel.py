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
from activecore.codecs import decode_all, decode_somewhere, unsupported
from activecore.elements import reduce_block
from activecore.encoded import Buffer, EncodedChunks
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
        and not kept after the call. ``EncodedChunks`` where there are thousands.
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
    chunks = EncodedChunks.of(buffers)
    _check_lengths(batch, chunks)
    layout = batch.layout
    if layout.nbytes > limit:
        msg = f"a chunk of {layout.nbytes} bytes decoded is over the limit of {limit}"
        raise ChunkDecodeError(msg, position=0)
    is_present = chunks.is_present
    present = np.flatnonzero(is_present)
    engine = engine_for(layout.dtype, batch.operation, len(present) * layout.nbytes)
    parts = [
        (rows, *_reduced(engine, block, batch))
        for rows, block in _blocks(layout, chunks, present, limit)
    ]
    values, count = _gathered(batch, parts)
    if cost is None:
        size = int(chunks.sizes.sum())
        cost = Cost(requests=len(present), bytes_read=size, bytes_received=size)
    return Partial(values, count, np.flatnonzero(~is_present), cost)


def _reduced(engine: Engine, block: Block, batch: ChunkBatch) -> tuple[Values, Array]:
    check_cancelled()
    part = block.arranged(batch.layout.order, batch.selection)
    return reduce_block(engine, part, batch.missing, batch.axis, batch.operation)


def _gathered(
    batch: ChunkBatch, parts: list[tuple[Array, Values, Array]]
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


def _check_lengths(batch: ChunkBatch, chunks: EncodedChunks) -> None:
    if len(chunks) != len(batch):
        msg = f"{len(chunks)} buffers for a batch of {len(batch)} chunks"
        raise ValueError(msg)
    is_wrong = chunks.is_present & (batch.sizes != -1) & (chunks.sizes != batch.sizes)
    if is_wrong.any():
        position = int(np.argmax(is_wrong))
        came, asked = chunks.sizes[position], batch.sizes[position]
        msg = f"{came} bytes came where {asked} were asked for"
        raise ChunkReadError(msg, position=position)


def _blocks(
    layout: ChunkLayout, chunks: EncodedChunks, present: Array, limit: int
) -> Iterator[tuple[Array, Block]]:
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
        try:
            raw = _decoded(codecs, layout.nbytes, chunks.rows(rows), limit)
        except ChunkError as error:
            error.position = int(rows[error.position or 0])
            raise
        yield rows, Block(raw, layout.dtype, layout.stored_shape, is_shuffled)


def _is_shuffled(layout: ChunkLayout) -> bool:
    """Tell whether the last thing to be undone is the shuffle of whole elements."""
    if len(layout.codecs) == 0 or layout.codecs[0].id != "shuffle":
        return False
    size = layout.dtype.itemsize
    return size > 1 and layout.codecs[0].config.get("elementsize", 4) == size


def _decoded(
    codecs: tuple[Codec, ...], nbytes: int, chunks: EncodedChunks, limit: int
) -> NDArray[np.uint8]:
    """Decode chunks to bytes, shape (chunks, bytes of each)."""
    block = lend("decoded", len(chunks) * nbytes).reshape(len(chunks), nbytes)
    if len(chunks) > 1:
        decode_all(codecs, chunks, block, limit=limit)
        return block
    # One large chunk: it stays where the decoder put it.
    (stored,) = (chunk for chunk in chunks if chunk is not None)
    decoded = decode_somewhere(codecs, stored, block[0], limit=limit)
    return decoded.reshape(1, nbytes)
