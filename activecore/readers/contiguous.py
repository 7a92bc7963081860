"""Arrays stored in one piece, cut into virtual chunks that are each one byte range."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from activecore.model import Located

__all__ = [
    "CELL_BYTES",
    "WORTH_SKIPPING",
    "ContiguousIndex",
    "cell_of_contiguous",
    "same_source",
    "strides",
]

CELL_BYTES = 4 << 20
"""About how much of a contiguous array is one virtual chunk."""

WORTH_SKIPPING = 64 << 10
"""Bytes between two wanted ones for which a chunk more costs less than reading them."""


def cell_of_contiguous(
    shape: tuple[int, ...], itemsize: int, cell_bytes: int
) -> tuple[int, ...]:
    """Cut a contiguous array into cells that are each one range of bytes.

    Parameters
    ----------
    shape, itemsize
        The array, stored in C order.
    cell_bytes
        About how large a cell should be, in bytes; one element at least.

    Returns
    -------
    tuple of int
        Shape of a cell: one along the first dimensions, all along the last ones, and
        a part of the one between.
    """
    cell = [max(1, length) for length in shape]
    room = max(1, cell_bytes // itemsize)
    for axis in range(len(cell)):
        behind = math.prod(cell[axis + 1 :])
        cell[axis] = max(1, min(cell[axis], room // behind))
        if cell[axis] > 1:
            break
    return tuple(cell)


def strides(lengths: tuple[int, ...]) -> NDArray[np.int64]:
    """Give how far apart neighbours along each dimension are, in C order."""
    behind = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
    return np.array(behind, dtype=np.int64)


def same_source(source: str, count: int) -> NDArray[np.object_]:
    """Give a column that names one source for each of ``count`` chunks."""
    return np.full(count, source, dtype=object)


@dataclass(frozen=True, slots=True, eq=False)
class ContiguousIndex:
    """An array stored in one piece, cut into virtual chunks. See ``ChunkIndex``."""

    source: str
    """The file."""
    offset: int
    """Where the array begins in the file."""
    shape: tuple[int, ...]
    """Shape of the array."""
    itemsize: int
    """Size of an element in bytes."""
    chunk_shape: tuple[int, ...]
    """Shape of a cell, as ``cell_of_contiguous`` cuts it."""

    @property
    def cell_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the cells of each layout.

        Layout 0 is the ordinary cell. Layout 1, where there is one, is the shorter
        one at the end of the dimension that is cut.
        """
        shorter = tuple(
            length % cell or cell
            for length, cell in zip(self.shape, self.chunk_shape, strict=True)
        )
        return tuple(dict.fromkeys((self.chunk_shape, shorter)))

    def cut_for(self, extents: tuple[int, ...]) -> ContiguousIndex:
        """Cut into cells between which what is not wanted can be left out."""
        begin = 0
        for axis, stride in enumerate(strides(self.shape).tolist()):
            unwanted = (self.shape[axis] - extents[axis]) * stride * self.itemsize
            if unwanted >= WORTH_SKIPPING:
                begin = axis
        behind = cell_of_contiguous(self.shape[begin:], self.itemsize, CELL_BYTES)
        return replace(self, chunk_shape=(1,) * begin + behind)

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Compute where cells lie; no I/O."""
        cell = np.array(self.chunk_shape, dtype=np.int64)
        first = coords * cell
        sizes = np.minimum(cell, np.array(self.shape, dtype=np.int64) - first)
        return Located(
            same_source(self.source, len(coords)),
            self.offset + (first @ strides(self.shape)) * self.itemsize,
            np.prod(sizes, axis=1) * self.itemsize,
            np.asarray((sizes < cell).any(axis=1), dtype=np.int64),
        )
