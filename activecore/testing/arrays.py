"""Arrays without files: cut, encoded, stored by any ``put``, and indexed in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from activecore.array import ActiveArray
from activecore.backend import StorageBackend
from activecore.model import (
    ABSENT,
    INLINE,
    ArrayInfo,
    ChunkLayout,
    Codec,
    Located,
    Missing,
    Packing,
    Scalar,
)
from activecore.session import Session
from activecore.testing.encode import encode_chunk

__all__ = ["MemoryIndex", "active_array", "array_info"]

Coords: TypeAlias = tuple[int, ...]
Place: TypeAlias = tuple[str, int, int, int]
Put: TypeAlias = Callable[[str, bytes], str]


@dataclass(frozen=True)
class MemoryIndex:
    """A chunk index that is a dict."""

    chunk_shape: tuple[int, ...]
    """Shape of the grid's cells."""
    places: Mapping[Coords, Place]
    """Coordinates -> source, offset, size, layout number; others were never written."""
    inline: Mapping[Coords, NDArray[Any]] = field(default_factory=dict)
    """Chunks whose values the index holds."""

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Look the chunks up."""
        keys = [tuple(row) for row in coords.tolist()]
        nowhere = ("", 0, 0, ABSENT)
        inside = ("", 0, 0, INLINE)
        rows = [
            inside if key in self.inline else self.places.get(key, nowhere)
            for key in keys
        ]
        sources = np.empty(len(rows), dtype=object)
        sources[:] = [row[0] for row in rows]
        numbers = np.array([row[1:] for row in rows], dtype=np.int64).reshape(-1, 3)
        return Located(
            sources=sources,
            offsets=numbers[:, 0],
            sizes=numbers[:, 1],
            layouts=numbers[:, 2],
            inline={
                row: self.inline[key]
                for row, key in enumerate(keys)
                if key in self.inline
            },
        )


def array_info(
    values: ArrayLike,
    chunks: Sequence[int] | None = None,
    *,
    put: Put,
    name: str = "x",
    dims: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    order: str | Iterable[int] = "C",
    codecs: Iterable[Codec] = (),
    missing: Missing | None = None,
    fill_value: Scalar | None = None,
    packing: Packing | None = None,
    shards: Sequence[int] | None = None,
    whole_objects: bool = False,
    cut_edges: bool = False,
    unwritten: Iterable[Coords] = (),
    absent: Iterable[Coords] = (),
    inline: Iterable[Coords] = (),
) -> ArrayInfo:
    """Store an array chunk by chunk, and describe it as a reader would.

    Parameters
    ----------
    values
        The elements as stored, packed; their dtype and byte order are the stored ones.
    chunks
        Shape of a chunk; None: one chunk. Chunks at the edges are padded with the
        fill value, or with zeros.
    put
        Stores an object of this name, and gives its source: ``FakeBackend.put``.
    name
        As in ``ArrayInfo``.
    dims
        As in ``ArrayInfo``; by default ``d0``, ``d1``, ….
    attrs
        As in ``ArrayInfo``.
    order
        As in ``ChunkLayout``.
    codecs
        As in ``ChunkLayout``.
    missing
        As in ``ChunkLayout``.
    fill_value
        As in ``ChunkLayout``.
    packing
        As in ``ArrayInfo``.
    shards
        How many chunks along each dimension share an object; None: all do, as in an
        HDF5 file.
    whole_objects
        Each chunk is an object of its own, asked with size -1, as in Zarr.
    cut_edges
        Chunks at the edges are stored short, with layouts of their own, as the virtual
        chunks of a contiguous variable are.
    unwritten
        Coordinates of chunks that the index knows were never written.
    absent
        Coordinates of chunks whose objects are not there, which only a read finds out
        (needs objects of one chunk); absence then means the fill value.
    inline
        Coordinates of chunks that the index itself holds.
    """
    array = np.asarray(values)
    cell = array.shape if chunks is None else tuple(chunks)
    gone = frozenset(absent)
    layout = ChunkLayout(
        array.dtype, cell, order, codecs, missing, fill_value, len(gone) > 0
    )
    per_object = (1,) * array.ndim if whole_objects else shards
    store = _Store(layout, None if per_object is None else tuple(per_object))
    skipped, held = frozenset(unwritten), frozenset(inline)
    blocks: dict[Coords, NDArray[Any]] = {}
    for coords in _grid(array.shape, cell):
        if coords in skipped:
            continue
        block = _block(array, coords, layout, cut=cut_edges)
        if coords in held:
            blocks[coords] = block
        else:
            store.add(coords, block)
    return ArrayInfo(
        name=name,
        shape=array.shape,
        dims=tuple(f"d{a}" for a in range(array.ndim)) if dims is None else tuple(dims),
        dtype=array.dtype.newbyteorder("="),
        chunks=None if chunks is None else cell,
        attrs={} if attrs is None else dict(attrs),
        layouts=tuple(store.layouts.values()),
        index=MemoryIndex(
            cell, store.places(put, name, gone, whole=whole_objects), blocks
        ),
        packing=packing,
        source=f"{name} in memory",
    )


def active_array(
    info: ArrayInfo,
    *backends: StorageBackend,
    threads: int | None = None,
    url: str | None = None,
) -> ActiveArray:
    """Make an array that asks these backends, in order of preference.

    Parameters
    ----------
    info
        The array.
    backends
        Who answers.
    threads
        Batches at work at once; None: as the first backend says.
    url
        For the first backend's filesystem, where it takes real URLs only.
    """
    fs = backends[0].filesystem(info.source if url is None else url)
    return ActiveArray(info, Session(backends, fs, threads=threads))


class _Store:
    """Collects encoded chunks into objects, and notes where each one lies."""

    def __init__(self, layout: ChunkLayout, per_object: Coords | None) -> None:
        self.layouts = {layout.shape: layout}
        self._first = layout
        self._per_object = per_object
        self._objects: dict[Coords, bytearray] = {}
        self._places: dict[Coords, tuple[Coords, int, int, int]] = {}

    def add(self, coords: Coords, block: NDArray[Any]) -> None:
        """Encode a chunk and append it to its object."""
        if block.shape not in self.layouts:
            self.layouts[block.shape] = replace(self._first, shape=block.shape)
        layout = self.layouts[block.shape]
        data = encode_chunk(block, layout)
        key: Coords = ()
        if self._per_object is not None:
            key = tuple(c // n for c, n in zip(coords, self._per_object, strict=True))
        stored = self._objects.setdefault(key, bytearray())
        number = list(self.layouts).index(block.shape)
        self._places[coords] = (key, len(stored), len(data), number)
        stored += data

    def places(
        self, put: Put, name: str, gone: frozenset[Coords], *, whole: bool
    ) -> dict[Coords, Place]:
        """Store the objects, remove those that shall be gone, and give the index."""
        shared = [key for key, *_ in self._places.values()]
        sources = {}
        for key, data in self._objects.items():
            label = ".".join(map(str, (name, *key)))
            sources[key] = put(label, bytes(data))
        places = {}
        for coords, (key, offset, size, number) in self._places.items():
            source = sources[key]
            if coords in gone:
                if shared.count(key) > 1:
                    raise ValueError(f"chunk {coords} shares its object")
                source = f"{source}.absent"
            places[coords] = (source, offset, -1 if whole else size, number)
        return places


def _grid(shape: Coords, cell: Coords) -> Iterator[Coords]:
    counts = [
        math.ceil(n / c) if n > 0 else 0 for n, c in zip(shape, cell, strict=True)
    ]
    return itertools.product(*map(range, counts))


def _block(
    array: NDArray[Any], coords: Coords, layout: ChunkLayout, *, cut: bool
) -> NDArray[Any]:
    part = array[
        tuple(
            slice(c * n, (c + 1) * n) for c, n in zip(coords, layout.shape, strict=True)
        )
    ]
    if cut:
        return part.copy()
    padding = 0 if layout.fill_value is None else layout.fill_value
    block = np.full(layout.shape, padding, dtype=array.dtype)
    block[tuple(slice(n) for n in part.shape)] = part
    return block
