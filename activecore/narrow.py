"""Reading of an uncompressed chunk only the part that is wanted. Pure: no I/O.

The elements of such a chunk lie in its bytes as they are. What a selection needs of
them lies between the first and the last one that it takes, which is less than the chunk
where it takes one position along the slowest dimensions. A point's time series then
reads a few bytes for each time, and not the maps that they lie in.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from activecore.model import AxisSelection, ChunkBatch, ChunkLayout

__all__ = ["narrowed", "span"]


def span(item: AxisSelection) -> tuple[int, int]:
    """Give the first position that is wanted along a dimension, and one after the last.

    Both are 0 where none is.
    """
    if isinstance(item, slice):
        wanted = range(item.start, item.stop, item.step)
        return (wanted[0], wanted[-1] + 1) if len(wanted) > 0 else (0, 0)
    return (item[0], item[-1] + 1) if len(item) > 0 else (0, 0)


def narrowed(batch: ChunkBatch) -> ChunkBatch:
    """Give a batch that asks the same of fewer bytes, where the layout allows it.

    Chunks that are whole objects stay whole: their length is what tells damage. So do
    those that begin before their object, as a damaged index may say: a part of them
    might lie within it.
    """
    layout = batch.layout
    spans = [span(item) for item in batch.selection]
    cut = _first_cut(layout, spans)
    is_odd = (batch.sizes != layout.nbytes) | (batch.offsets < 0)
    if cut is None or is_odd.any():
        return batch
    # Along the dimensions up to the cut one only the span is left, which is one
    # position along all but the last of them; behind it everything stays.
    kept = (*spans[: cut + 1], *((0, length) for length in layout.shape[cut + 1 :]))
    shape = tuple(stop - start for start, stop in kept)
    skipped = sum(
        start * math.prod(layout.shape[axis + 1 :])
        for axis, (start, _) in enumerate(kept)
    )
    part = replace(layout, shape=shape)
    return replace(
        batch,
        layout=part,
        offsets=batch.offsets + skipped * layout.dtype.itemsize,
        sizes=np.full_like(batch.sizes, part.nbytes),
        selection=tuple(
            _moved(item, start)
            for item, (start, _) in zip(batch.selection, kept, strict=True)
        ),
    )


def _first_cut(layout: ChunkLayout, spans: list[tuple[int, int]]) -> int | None:
    """Give the dimension along which bytes are cut off, or None.

    It is the slowest one along which more than one position is wanted: whatever lies
    between them is read.
    """
    lengths = [stop - start for start, stop in spans]
    if layout.is_encoded or not layout.is_c_order or 0 in lengths:
        return None
    several = [axis for axis, length in enumerate(lengths) if length > 1]
    cut = several[0] if several else len(lengths) - 1
    is_all = lengths[: cut + 1] == list(layout.shape[: cut + 1])
    return None if is_all else cut


def _moved(item: AxisSelection, start: int) -> AxisSelection:
    if start == 0 and not isinstance(item, slice):
        return item
    if isinstance(item, slice):
        first, stop = span(item)
        return slice(first - start, stop - start, item.step)
    return tuple(position - start for position in item)
