"""A chunked HDF5 dataset's own index, read in one pass into columns.

The version-1 B-tree is read here (``hdf5.btree``), all other kinds by HDF5.

HDF5 (1.14.6 and 2.0.0 at least) answers chunk queries wrongly where the only unlimited
dimension is not the first and the index is an extensible array, as files of version
1.10 or later have it. That array counts chunks with the unlimited dimension moved to
the front; a query counts on through it and hands the number out as if the dimension
had stayed in its place. The number itself is right, so the coordinates can be had from
it. Whether the HDF5 at hand does so is tried out once, on a file in memory.
"""

from __future__ import annotations

import functools
import io
import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedFormat
from activecore.readers.hdf5.btree import TreeShape, read_tree
from activecore.readers.hdf5.header import (
    EXTENSIBLE_ARRAY,
    read_chunk_storage,
    read_node_width,
)
from activecore.readers.hdf5.index import grid_shape
from activecore.readers.hdf5.tree import address_of

if TYPE_CHECKING:
    from activecore.readers.hdf5.file import HDF5File

__all__ = ["StoredChunks", "read_chunks"]

_BLOCK = 65536
"""How many chunks are taken from HDF5 before they are put into columns."""
_FAR = 2**62
"""Where an unlimited dimension ends."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredChunks:
    """The chunks that a file's index lists, in any order, as columns."""

    coords: NDArray[np.int64]
    """Grid coordinates (n, d)."""
    offsets: NDArray[np.int64]
    """Where each begins in the file, user block included."""
    sizes: NDArray[np.int64]
    """How many bytes it takes there."""
    masks: NDArray[np.uint32]
    """Which filters were skipped: bit k for the filter at place k."""

    def at(self, rows: NDArray[np.intp]) -> StoredChunks:
        """Give some of the chunks."""
        return StoredChunks(
            self.coords[rows], self.offsets[rows], self.sizes[rows], self.masks[rows]
        )


def read_chunks(file: HDF5File, dataset: h5py.Dataset, name: str) -> StoredChunks:
    """Read the index of a chunked dataset.

    Parameters
    ----------
    file
        The file that the dataset lies in.
    dataset
        A dataset with chunks.
    name
        Its name for messages.

    Raises
    ------
    UnsupportedFormat
        The index contradicts itself, the array or the file.
    """
    offset_size = file.h5.id.get_create_plist().get_sizes()[0]
    storage = read_chunk_storage(file.read, address_of(dataset), offset_size)
    if storage.index is None:
        chunks = _from_tree(file, dataset, storage.address, offset_size, name)
    else:
        chunks = _iterate(dataset, name)
    if storage.index == EXTENSIBLE_ARRAY:
        chunks = _put_right(chunks, dataset, name)
    # A file keeps chunks of an array that shrank, up to its greatest shape.
    most = tuple(
        _FAR if length is None else max(1, length) for length in dataset.maxshape
    )
    outside = chunks.coords >= grid_shape(most, dataset.chunks)
    if ((chunks.coords < 0) | outside).any():
        raise UnsupportedFormat(
            f"the chunk index of {name!r} lists chunks outside of the array"
        )
    inside = np.all(chunks.coords < grid_shape(dataset.shape, dataset.chunks), axis=1)
    if not inside.all():
        chunks = chunks.at(np.flatnonzero(inside))
    if ((chunks.offsets < 0) | (chunks.offsets + chunks.sizes > file.size)).any():
        raise _cut_short(file, name)
    masks = chunks.masks
    if storage.edges_unfiltered:
        over = (chunks.coords + 1) * dataset.chunks > dataset.shape
        masks = np.where(over.any(axis=1), np.uint32(0xFFFFFFFF), masks)
    return StoredChunks(chunks.coords, chunks.offsets + file.base, chunks.sizes, masks)


def _from_tree(
    file: HDF5File,
    dataset: h5py.Dataset,
    root: int | None,
    offset_size: int,
    name: str,
) -> StoredChunks:
    """Read a version-1 B-tree ourselves."""
    ndim = len(dataset.chunks)
    if root is None:
        nothing = np.empty(0, np.int64)
        masks = np.empty(0, np.uint32)
        return StoredChunks(np.empty((0, ndim), np.int64), nothing, nothing, masks)
    width = read_node_width(file.read, offset_size)
    entries = read_tree(file, root, TreeShape(offset_size, width, ndim))
    if (entries["child"] > file.size).any():
        raise _cut_short(file, name)
    starts = entries["start"][:, :-1]
    return StoredChunks(
        _grid_coords(starts.view(np.int64), dataset.chunks, name),
        entries["child"].astype(np.int64),
        entries["size"].astype(np.int64),
        entries["mask"].astype(np.uint32),
    )


def _grid_coords(
    starts: NDArray[np.int64], chunk_shape: tuple[int, ...], name: str
) -> NDArray[np.int64]:
    """Turn the first elements of chunks into coordinates on the grid."""
    coords, within = np.divmod(starts, np.array(chunk_shape, dtype=np.int64))
    if within.any():
        raise UnsupportedFormat(
            f"the chunk index of {name!r} lists chunks that overlap others"
        )
    return coords


def _cut_short(file: HDF5File, name: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"{file.path} is cut short: chunks of {name!r} lie beyond its end"
    )


def _iterate(dataset: h5py.Dataset, name: str) -> StoredChunks:
    """Take everything that HDF5 lists, as it lists it."""
    ndim = len(dataset.chunks)
    starts, others = array("q"), array("q")
    blocks = [(np.empty((0, ndim), np.int64), np.empty((0, 3), np.int64))]

    def flush() -> None:
        if len(others) > 0:
            coords = _grid_coords(
                np.array(starts).reshape(-1, ndim), dataset.chunks, name
            )
            blocks.append((coords, np.array(others).reshape(-1, 3)))
            del starts[:], others[:]

    def visit(chunk: h5py.h5d.StoreInfo) -> None:
        starts.extend(chunk.chunk_offset)
        others.extend((chunk.byte_offset, chunk.size, chunk.filter_mask))
        if len(others) >= 3 * _BLOCK:
            flush()

    dataset.id.chunk_iter(visit)
    flush()
    coords = np.concatenate([block for block, _ in blocks])
    columns = np.concatenate([block for _, block in blocks])
    return StoredChunks(
        coords,
        columns[:, 0].copy(),
        columns[:, 1].copy(),
        columns[:, 2].astype(np.uint32),
    )


def _put_right(chunks: StoredChunks, dataset: h5py.Dataset, name: str) -> StoredChunks:
    """Give chunks of an extensible array their true coordinates."""
    unlimited = [axis for axis, most in enumerate(dataset.maxshape) if most is None]
    if len(unlimited) != 1:
        msg = f"the chunk index of {name!r} does not fit its {len(unlimited)} "
        raise UnsupportedFormat(f"{msg} unlimited dimensions")
    (axis,) = unlimited
    if axis == 0 or not _queries_are_wrong():
        return chunks
    # An unlimited dimension is as long as it happens to be; all others have the
    # number of chunks that their greatest length needs.
    most = tuple(
        1 if length is None else -(-length // cell)
        for length, cell in zip(dataset.maxshape, dataset.chunks, strict=True)
    )
    inside = most[:axis] + most[axis + 1 :]
    told = chunks.coords
    behind = np.array(most[axis + 1 :], dtype=np.int64)
    if told[:, :axis].any() or (told[:, axis + 1 :] >= behind).any():
        raise UnsupportedFormat(
            f"the chunk index of {name!r} is not in the order it should be in"
        )
    number = told[:, axis] * math.prod(most[axis + 1 :])
    for later in range(axis + 1, len(most)):
        number = number + told[:, later] * math.prod(most[later + 1 :])
    true = np.empty_like(told)
    true[:, axis], rest = np.divmod(number, math.prod(inside))
    others = [other for other in range(len(most)) if other != axis]
    for other in reversed(others):
        rest, true[:, other] = np.divmod(rest, most[other])
    return StoredChunks(true, chunks.offsets, chunks.sizes, chunks.masks)


@functools.cache
def _queries_are_wrong() -> bool:
    """Try out whether this HDF5 mistakes the order of an extensible array.

    Raises
    ------
    UnsupportedFormat
        Its answer is neither the right one nor the wrong one that is known.
    """
    with h5py.File(io.BytesIO(), "w", libver="latest") as file:
        dataset = file.create_dataset(
            "x", (2, 2), "u1", chunks=(1, 1), maxshape=(2, None)
        )
        dataset[1, 0] = 1
        told = dataset.id.get_chunk_info(0).chunk_offset
    if told not in ((1, 0), (0, 1)):
        raise UnsupportedFormat(
            f"HDF5 {h5py.version.hdf5_version} answers chunk queries in no known way"
        )
    return bool(told == (0, 1))
