"""How an HDF5 dataset is stored, as layouts and an index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedFormat
from activecore.model import ChunkIndex, ChunkLayout, Missing, Scalar
from activecore.readers.contiguous import (
    CELL_BYTES,
    ContiguousIndex,
    cell_of_contiguous,
)
from activecore.readers.hdf5.chunks import StoredChunks, read_chunks
from activecore.readers.hdf5.fill import fill_beyond, fill_value_of
from activecore.readers.hdf5.filters import codecs_of_filters, codecs_unmasked
from activecore.readers.hdf5.index import (
    AbsentIndex,
    ChunkedIndex,
    ExtendedIndex,
    InlineIndex,
    grid_shape,
)

if TYPE_CHECKING:
    from activecore.readers.hdf5.file import HDF5File

__all__ = ["Stored", "storage_of"]

_INLINE_BYTES = 256 << 20
"""How much of an array its index may hold."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What must be known of a dataset before its chunks are looked up."""

    name: str
    """The variable's name, for messages."""
    shape: tuple[int, ...]
    """The netCDF variable's shape, which may exceed the dataset's."""
    dtype: np.dtype[Any]
    """Dtype of the elements as they are read, byte order included."""
    missing: Missing
    """Which of them are no data."""


def storage_of(
    file: HDF5File, dataset: h5py.Dataset, stored: Stored
) -> tuple[tuple[ChunkLayout, ...], ChunkIndex]:
    """Find out where a dataset's elements lie and how they are encoded.

    Returns
    -------
    layouts, index
        Layout 0 is the ordinary one: all filters applied, no shorter tail.

    Raises
    ------
    UnsupportedFormat
        The elements lie in another file, or the index cannot be trusted.
    """
    plist = dataset.id.get_create_plist()
    layout = plist.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise UnsupportedFormat(
            f"{stored.name!r} is a virtual dataset, whose data lies elsewhere"
        )
    if plist.get_external_count() > 0:
        raise UnsupportedFormat(f"{stored.name!r} keeps its data in external files")
    if layout == h5py.h5d.CHUNKED:
        return _chunked(file, dataset, stored)
    if stored.shape != dataset.shape:
        raise UnsupportedFormat(
            f"{stored.name!r} is shorter than its dimensions and cannot grow"
        )
    fill_value = fill_value_of(dataset, stored.dtype)
    if layout == h5py.h5d.COMPACT:
        values = _elements(dataset, ..., stored.dtype)
        whole = ChunkLayout(
            stored.dtype, values.shape, missing=stored.missing, fill_value=fill_value
        )
        return (whole,), InlineIndex(values)
    return _contiguous(file, dataset, stored, fill_value)


def _contiguous(
    file: HDF5File, dataset: h5py.Dataset, stored: Stored, fill_value: Scalar | None
) -> tuple[tuple[ChunkLayout, ...], ChunkIndex]:
    itemsize = stored.dtype.itemsize
    cell = cell_of_contiguous(stored.shape, itemsize, CELL_BYTES)
    offset = dataset.id.get_offset()
    if offset is None or 0 in stored.shape:
        layout = ChunkLayout(
            stored.dtype, cell, missing=stored.missing, fill_value=fill_value
        )
        return (layout,), AbsentIndex(cell)
    if offset + math.prod(stored.shape) * itemsize > file.size:
        raise UnsupportedFormat(
            f"{file.path} is cut short: {stored.name!r} lies beyond its end"
        )
    index = ContiguousIndex(file.path, offset + file.base, stored.shape, itemsize, cell)
    layouts = tuple(
        ChunkLayout(stored.dtype, shape, missing=stored.missing, fill_value=fill_value)
        for shape in index.cell_shapes
    )
    return layouts, index


def _chunked(
    file: HDF5File, dataset: h5py.Dataset, stored: Stored
) -> tuple[tuple[ChunkLayout, ...], ChunkIndex]:
    codecs = codecs_of_filters(dataset.id.get_create_plist(), stored.dtype.itemsize)
    fill_value = fill_value_of(dataset, stored.dtype)
    ordinary = ChunkLayout(
        stored.dtype,
        dataset.chunks,
        codecs=codecs,
        missing=stored.missing,
        fill_value=fill_value,
    )
    chunks = read_chunks(file, dataset, stored.name)
    # Bits beyond the last filter say nothing.
    masks, numbers = np.unique(
        np.append(chunks.masks & np.uint32((1 << len(codecs)) - 1), np.uint32(0)),
        return_inverse=True,
    )
    layouts = tuple(
        ordinary
        if mask == 0
        else ChunkLayout(
            stored.dtype,
            dataset.chunks,
            codecs=codecs_unmasked(codecs, mask),
            missing=stored.missing,
            fill_value=fill_value,
        )
        for mask in masks.tolist()
    )
    index = _index(file.path, dataset.chunks, chunks, numbers[:-1], stored)
    if dataset.shape == stored.shape:
        return layouts, index
    return layouts, _extended(dataset, index, stored, fill_value)


def _index(
    path: str,
    cell: tuple[int, ...],
    chunks: StoredChunks,
    layouts: NDArray[np.intp],
    stored: Stored,
) -> ChunkedIndex:
    """Sort the chunks by their number on the variable's grid."""
    grid = grid_shape(stored.shape, cell)
    total = math.prod(grid)
    if total > np.iinfo(np.int64).max:
        raise UnsupportedFormat(
            f"{stored.name!r} has more chunks ({total}) than can be counted"
        )
    behind = [math.prod(grid[axis + 1 :]) for axis in range(len(grid))]
    numbers = chunks.coords @ np.array(behind, dtype=np.int64)
    offsets, sizes, kinds = chunks.offsets, chunks.sizes, layouts.astype(np.int16)
    if (np.diff(numbers) <= 0).any():
        order = np.argsort(numbers, kind="stable")
        numbers, offsets = numbers[order], offsets[order]
        sizes, kinds = sizes[order], kinds[order]
        if (np.diff(numbers) == 0).any():
            raise UnsupportedFormat(
                f"the chunk index of {stored.name!r} lists a chunk twice"
            )
    listed = None if len(numbers) == total else numbers
    return ChunkedIndex(path, cell, grid, listed, offsets, sizes, kinds)


def _extended(
    dataset: h5py.Dataset, inner: ChunkedIndex, stored: Stored, fill: Scalar | None
) -> ExtendedIndex:
    """Continue a dataset up to the length of the variable's dimensions."""
    beyond = np.asarray(fill_beyond(dataset, stored.dtype), dtype=stored.dtype)
    if fill is not None:
        unwritten = np.asarray(fill, dtype=stored.dtype)
        if unwritten.tobytes() == beyond.tobytes():
            return ExtendedIndex(inner, dataset.shape, beyond, {})
    # The file fills the chunks over the edge with another value, or with none.
    coords = _chunks_over_edge(dataset.shape, stored.shape, dataset.chunks)
    size = len(coords) * math.prod(dataset.chunks) * beyond.itemsize
    if size > _INLINE_BYTES:
        raise UnsupportedFormat(
            f"{stored.name!r} is shorter than its dimensions, and the {size} bytes "
            "over its edge are more than are read with the index"
        )
    edges = {}
    known = inner.locate(coords).layouts >= 0
    for coord, written in zip(coords.tolist(), known.tolist(), strict=True):
        values = np.full(dataset.chunks, beyond, dtype=stored.dtype)
        if written or fill is not None:
            spans = zip(coord, dataset.chunks, strict=True)
            part = tuple(slice(at * cell, (at + 1) * cell) for at, cell in spans)
            elements = _elements(dataset, part, stored.dtype)
            values[tuple(slice(0, length) for length in elements.shape)] = elements
        edges[tuple(coord)] = values
    return ExtendedIndex(inner, dataset.shape, beyond, edges)


def _chunks_over_edge(
    extent: tuple[int, ...], shape: tuple[int, ...], cell: tuple[int, ...]
) -> NDArray[np.int64]:
    """Give the chunks that lie partly in the dataset and, in the variable, beyond."""
    over = np.zeros(grid_shape(extent, cell), dtype=bool)
    for axis, (length, longer) in enumerate(zip(extent, shape, strict=True)):
        if length < longer and length % cell[axis] != 0:
            over.swapaxes(0, axis)[-1] = True
    return np.argwhere(over)


def _elements(dataset: h5py.Dataset, part: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read elements through HDF5, which keeps their byte order."""
    return np.asarray(dataset[part]).view(dtype)
