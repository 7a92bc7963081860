"""Reading characters of a netCDF classic file, which backends are not asked for."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.errors import ChunkReadError
from activecore.readers.filesystem import filesystem_errors

if TYPE_CHECKING:
    import fsspec

    from activecore.readers.classic_index import RecordIndex
    from activecore.readers.contiguous import ContiguousIndex

__all__ = ["read_characters"]


def read_characters(
    fs: fsspec.AbstractFileSystem,
    index: ContiguousIndex | RecordIndex,
    shape: tuple[int, ...],
) -> NDArray[Any]:
    """Read a whole variable of characters, all its pieces together.

    Raises
    ------
    ChunkReadError
        A piece could not be read whole.
    """
    values = np.zeros(shape, dtype="S1")
    if values.size == 0:
        return values
    cell = index.chunk_shape
    grid = [-(-length // step) for length, step in zip(shape, cell, strict=True)]
    coords = np.array(list(itertools.product(*map(range, grid))), dtype=np.int64)
    located = index.locate(coords.reshape(math.prod(grid), len(shape)))
    starts = located.offsets.tolist()
    ends = (located.offsets + located.sizes).tolist()
    sources = located.sources.tolist()
    with filesystem_errors(str(sources[0])):
        pieces = fs.cat_ranges(sources, starts, ends, on_error="return")
    for place, piece, size in zip(
        coords.tolist(), pieces, located.sizes.tolist(), strict=True
    ):
        if isinstance(piece, Exception) or len(piece) != size:
            failure = piece if isinstance(piece, Exception) else None
            raise ChunkReadError(f"{sources[0]} could not be read whole") from failure
        where = tuple(
            slice(at * step, (at + 1) * step)
            for at, step in zip(place, cell, strict=True)
        )
        values[where] = np.frombuffer(piece, "S1").reshape(values[where].shape)
    return values
