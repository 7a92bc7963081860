"""Where the chunks of an HDF5 dataset lie: frozen columns that answer ``locate``.

One class for each way in which HDF5 stores a dataset. None of them reads anything, and
none holds a Python object per chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedDtype
from activecore.model import ABSENT, INLINE, Located
from activecore.readers.contiguous import same_source, strides

__all__ = [
    "AbsentIndex",
    "ChunkedIndex",
    "ExtendedIndex",
    "InlineIndex",
    "NoIndex",
    "grid_shape",
]

_Coords: TypeAlias = NDArray[np.int64]


def grid_shape(shape: tuple[int, ...], chunk_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the number of chunks along each dimension."""
    return tuple(
        -(-length // cell) for length, cell in zip(shape, chunk_shape, strict=True)
    )


def _nowhere(count: int, layout: int) -> Located:
    nothing = np.zeros(count, dtype=np.int64)
    return Located(
        same_source("", count), nothing, nothing, np.full(count, layout, np.int64)
    )


@dataclass(frozen=True, slots=True, eq=False)
class ChunkedIndex:
    """Chunks as the file's own index lists them; those that it does not are absent."""

    source: str
    """The file."""
    chunk_shape: tuple[int, ...]
    """Shape of every chunk."""
    grid: tuple[int, ...]
    """How many chunks along each dimension."""
    numbers: NDArray[np.int64] | None
    """Number in C order of each listed chunk, ascending; None: every chunk of the
    grid is listed, in that order."""
    offsets: NDArray[np.int64]
    """Where each listed chunk begins in the file."""
    sizes: NDArray[np.int64]
    """How many bytes it takes there."""
    layouts: NDArray[np.int16]
    """Number of its layout."""

    def locate(self, coords: _Coords) -> Located:
        """Look chunks up by their grid coordinates; no I/O."""
        wanted = coords @ strides(self.grid)
        if self.numbers is None:
            return self._listed(wanted)
        if len(self.numbers) == 0:
            return _nowhere(len(wanted), ABSENT)
        rows = np.searchsorted(self.numbers, wanted)
        np.minimum(rows, len(self.numbers) - 1, out=rows)
        located = self._listed(rows)
        located.layouts[self.numbers[rows] != wanted] = ABSENT
        return located

    def _listed(self, rows: NDArray[np.intp]) -> Located:
        return Located(
            same_source(self.source, len(rows)),
            self.offsets[rows],
            self.sizes[rows],
            self.layouts[rows].astype(np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class InlineIndex:
    """An array small enough to lie in the metadata: one chunk, already read."""

    values: NDArray[Any]
    """All elements, in the stored dtype."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of the one chunk: the array's, where that is not empty."""
        return tuple(max(1, length) for length in self.values.shape)

    def locate(self, coords: _Coords) -> Located:
        """Give the values; no I/O."""
        count = len(coords)
        located = _nowhere(count, INLINE)
        located_inline = dict.fromkeys(range(count), self.values)
        return Located(
            located.sources,
            located.offsets,
            located.sizes,
            located.layouts,
            located_inline,
        )


@dataclass(frozen=True, slots=True, eq=False)
class AbsentIndex:
    """An array of which nothing was ever written."""

    chunk_shape: tuple[int, ...]
    """Shape of the cells in which its fill value is counted."""

    def locate(self, coords: _Coords) -> Located:
        """Report every chunk absent; no I/O."""
        return _nowhere(len(coords), ABSENT)


@dataclass(frozen=True, slots=True, eq=False)
class ExtendedIndex:
    """A dataset that is shorter than the netCDF variable it stores.

    NetCDF variables are as long as their unlimited dimension, whoever extended it.
    What lies beyond the dataset reads as netCDF's fill value, which need not be the
    value of a chunk that was never written.
    """

    inner: ChunkedIndex
    """The dataset's own index, on the variable's grid."""
    extent: tuple[int, ...]
    """Shape of the dataset."""
    beyond: NDArray[Any]
    """The one value beyond it, in the stored dtype, shape ()."""
    edges: Mapping[tuple[int, ...], NDArray[Any]]
    """Chunks that reach over the dataset's edge, by coordinates, already read and
    filled. Empty where the file fills them itself."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of every chunk."""
        return self.inner.chunk_shape

    def locate(self, coords: _Coords) -> Located:
        """Look chunks up by their grid coordinates; no I/O."""
        located = self.inner.locate(coords)
        first = coords * np.array(self.chunk_shape, dtype=np.int64)
        outside = (first >= np.array(self.extent, dtype=np.int64)).any(axis=1)
        fill = np.broadcast_to(self.beyond, self.chunk_shape)
        inline = dict.fromkeys(np.flatnonzero(outside).tolist(), fill)
        if self.edges:
            for row, coord in enumerate(coords.tolist()):
                values = self.edges.get(tuple(coord))
                if values is not None:
                    inline[row] = values
        located.layouts[list(inline)] = INLINE
        return Located(
            located.sources, located.offsets, located.sizes, located.layouts, inline
        )


@dataclass(frozen=True, slots=True, eq=False)
class NoIndex:
    """Stands in for the index of a variable that holds no numbers."""

    chunk_shape: tuple[int, ...]
    """Shape of the variable."""
    dtype: str
    """What it holds instead."""

    def locate(self, coords: _Coords) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse.

        Raises
        ------
        UnsupportedDtype
            Always.
        """
        raise UnsupportedDtype(
            f"chunks of {self.dtype} are not looked up: they cannot be reduced"
        )
