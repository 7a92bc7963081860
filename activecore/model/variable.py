"""What is known of a variable, and where its chunks lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from activecore.model.layout import ChunkLayout, Scalar

__all__ = [
    "ABSENT",
    "INLINE",
    "ArrayInfo",
    "ChunkIndex",
    "GroupInfo",
    "Located",
    "Packing",
    "ReadingIndex",
    "RunIndex",
    "VariableInfo",
    "VirtualIndex",
    "is_reducible",
    "source_version",
]

ABSENT = -1
"""Layout number of a chunk that is known never to have been written."""

INLINE = -2
"""Layout number of a chunk whose values the index itself holds."""


def is_reducible(dtype: np.dtype[Any]) -> bool:
    """Tell whether arrays of this dtype can be reduced: bool, integer, real to 8 B."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8  # noqa: PLR2004


def source_version(info: Mapping[str, Any]) -> str | None:
    """Name the present content of a source, from what its filesystem says of it.

    Parameters
    ----------
    info
        A mapping as fsspec's ``info`` gives it: an ``ETag``, or ``ino``, ``size``
        and ``mtime``.

    Returns
    -------
    str or None
        Two different contents have different versions. None where the filesystem
        says nothing that would tell them apart.
    """
    etag = info.get("ETag")
    if etag is not None:
        return str(etag)
    if info.get("mtime") is None or info.get("size") is None:
        return None
    return f"{info.get('ino', '')}-{info['size']}-{info['mtime']}"


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where chunks lie, as columns of one length."""

    sources: NDArray[np.object_]
    """The object that holds each chunk; anything where absent or inline."""
    offsets: NDArray[np.int64]
    """Where each chunk begins, in bytes."""
    sizes: NDArray[np.int64]
    """How many bytes it takes; -1: the whole object."""
    layouts: NDArray[np.int64]
    """Number of each chunk's layout in ``ArrayInfo.layouts``, ABSENT or INLINE."""
    inline: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    """For positions that are ``INLINE``: the whole chunk, decoded, stored dtype."""

    def rows(self, start: int, stop: int) -> Located:
        """Give some of the chunks, in the same order."""
        part = slice(start, stop)
        inline = {
            row - start: values
            for row, values in self.inline.items()
            if start <= row < stop
        }
        return Located(
            self.sources[part],
            self.offsets[part],
            self.sizes[part],
            self.layouts[part],
            inline,
        )


class ChunkIndex(Protocol):
    """Where each chunk of a variable lies. Made by a reader, asked by the plan."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of the grid's cells; contiguous variables are cut into virtual ones.

        Chunk ``c`` of a dimension covers elements ``c * chunk_shape`` up to the next
        chunk or the end of the dimension. A layout may be shorter than the cell at
        the end of a dimension, never longer than the cell.
        """
        ...

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Say where the chunks with these grid coordinates lie.

        Called from one thread at a time. May read (a shard's index, for the chunks
        asked for), never lists a store. Raise a ``SourceError`` or ``ChunkError``
        when that fails; a failure is never reported as absence.

        Parameters
        ----------
        coords
            Grid coordinates, shape (n, d).

        Returns
        -------
        Located
            Columns of length n, in the order of ``coords``.
        """
        ...


@runtime_checkable
class RunIndex(ChunkIndex, Protocol):
    """An index as one run asks it, which knows what it said from what it had read."""

    def check_unchanged(self) -> None:
        """Make sure that what was said still holds. Called at the end of the run.

        Raises
        ------
        SourceChanged
            What it was read from is another now, or is gone.
        """
        ...


@runtime_checkable
class ReadingIndex(ChunkIndex, Protocol):
    """An index that reads when it is asked, from what may be written anew."""

    def for_run(self) -> RunIndex:
        """Give the index for one run; runs may be under way in several threads."""
        ...


@runtime_checkable
class VirtualIndex(ChunkIndex, Protocol):
    """An index of an array that is stored in one piece: its cells may be any.

    A cell is one range of bytes, not encoded.
    """

    @property
    def cell_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the cells of each layout, the ordinary one first."""
        ...

    def cut_for(self, extents: tuple[int, ...]) -> VirtualIndex:
        """Cut so that what lies between wanted positions need not be read.

        Parameters
        ----------
        extents
            How many positions lie between the first and the last one that is wanted,
            both counted, along each dimension.
        """
        ...


@dataclass(frozen=True, slots=True)
class Packing:
    """How stored numbers become the numbers that users mean (CF 8.1).

    ``unpacked = stored * scale_factor + add_offset``: in NumPy's arithmetic with the
    attributes' own dtypes, as netCDF4-python does it, or wholly in the dtype
    ``convert``, as xarray does it.
    """

    scale_factor: Scalar | None = None
    """None: not multiplied."""
    add_offset: Scalar | None = None
    """None: nothing added."""
    stored: np.dtype[Any] = field(default_factory=lambda: np.dtype("f8"))
    """Dtype of what is unpacked, native-endian."""
    convert: np.dtype[Any] | None = None
    """Dtype of all the arithmetic; None: what NumPy's promotion gives."""

    def unpack(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Unpack an array of stored values."""
        # What is missing is unpacked as well, fill values that overflow among it.
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.asarray(stored, dtype=self.convert)
            if self.scale_factor is not None:
                values = np.asarray(values * self.scale_factor, dtype=self.convert)
            if self.add_offset is not None:
                values = np.asarray(values + self.add_offset, dtype=self.convert)
        return values

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of unpacked values."""
        return self.unpack(np.zeros(1, dtype=self.stored)).dtype

    @property
    def is_linear(self) -> bool:
        """Whether partials can be unpacked instead of elements.

        Not where integers may wrap, nor where 0 * inf makes NaN of some elements.
        """
        if self.dtype.kind == "f":
            return self.scale != 0 or self.stored.kind != "f"
        held, unpacked = np.iinfo(self.stored), np.iinfo(self.dtype)
        scale = 1 if self.scale_factor is None else int(self.scale_factor)
        offset = 0 if self.add_offset is None else int(self.add_offset)
        scaled = [scale * held.min, scale * held.max]
        ends = [*scaled, *(end + offset for end in scaled)]
        return unpacked.min <= min(ends) and max(ends) <= unpacked.max

    @property
    def scale(self) -> float:
        """The factor as a number; 1 where there is none."""
        return 1.0 if self.scale_factor is None else float(self.scale_factor)

    @property
    def offset(self) -> float:
        """The offset as a number; 0 where there is none."""
        return 0.0 if self.add_offset is None else float(self.add_offset)


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """What a listing shows of a variable; no chunk index is read for it."""

    name: str
    """Name, with its group: ``tas`` or ``forecast/tas``."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    dims: tuple[str, ...]
    """Name of each dimension."""
    dtype: np.dtype[Any]
    """Stored dtype; ``object`` for what NumPy has no dtype for."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes as the source has them."""
    encoding: Mapping[str, Any] = field(default_factory=dict)
    """How it is stored, in the words of xarray's backends, as far as that is known
    without the index: ``dtype`` (with byte order, before ``_Unsigned``),
    ``chunksizes``, ``zlib`` and the like for netCDF, ``chunks`` for Zarr."""


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """What a source says of a group, or of itself."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes as the source has them: title, history, Conventions."""
    unlimited: frozenset[str] = frozenset()
    """Names of the dimensions that may grow, of those that its variables have."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayInfo:
    """All that is known of a variable before any of its data is read."""

    name: str
    """Name, with its group."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    dims: tuple[str, ...]
    """Name of each dimension."""
    dtype: np.dtype[Any]
    """Stored dtype, native-endian; unsigned where ``_Unsigned`` says so."""
    chunks: tuple[int, ...] | None
    """The storage's chunk shape as h5py gives it; None: contiguous."""
    attrs: Mapping[str, Any]
    """Attributes as the source has them."""
    layouts: tuple[ChunkLayout, ...]
    """Every way in which chunks of this variable are stored; the first is the
    ordinary one and answers for chunks that were never written."""
    index: ChunkIndex
    """Where the chunks lie."""
    packing: Packing | None = None
    """How stored values are unpacked; None: they are meant as stored."""
    version: str | None = None
    """Changes when the source does; None: cannot be told."""
    version_source: str = ""
    """Path whose ``source_version`` that is, to ask again at the end of a run."""
    source: str = ""
    """URL or path, for people to read."""

    def cut_for(self, extents: tuple[int, ...]) -> ArrayInfo:
        """Give what is known of the variable cut as ``VirtualIndex`` would for these.

        The same where its chunks are the storage's own.
        """
        if not isinstance(self.index, VirtualIndex) or len(self.layouts) == 0:
            return self
        index = self.index.cut_for(extents)
        if index.chunk_shape == self.index.chunk_shape:
            return self
        ordinary = self.layouts[0]
        layouts = tuple(replace(ordinary, shape=cell) for cell in index.cell_shapes)
        return replace(self, layouts=layouts, index=index)
