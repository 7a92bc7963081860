"""The data that flows between readers, the plan, backends and the kernel.

Everything here is frozen, checked once at construction and picklable. Scalars and
arrays are native-endian unless a dtype says otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import numcodecs.abc

__all__ = [
    "ABSENT",
    "INLINE",
    "OPERATIONS",
    "ArrayInfo",
    "AxisSelection",
    "ChunkBatch",
    "ChunkIndex",
    "ChunkLayout",
    "ChunkRequest",
    "Codec",
    "Cost",
    "Located",
    "Missing",
    "Packing",
    "Partial",
    "Scalar",
    "VariableInfo",
    "is_reducible",
    "source_version",
]

type_of_scalar = (bool, int, float, np.generic)

Scalar = bool | int | float | np.generic
"""One number, in the stored dtype of the variable it belongs to."""

AxisSelection = slice | tuple[int, ...]
"""What is wanted along one dimension of a chunk.

A slice with non-negative start and stop and a positive step, or non-decreasing,
non-negative positions, which may repeat.
"""

OPERATIONS = frozenset(
    {"count", "sum", "sum_f8", "min", "max", "extrema", "moments", "nonzero", "select"}
)
"""Everything that a backend may be asked to compute of a chunk."""

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


@dataclass(frozen=True, slots=True)
class Codec:
    """One step of a chunk's encoding.

    ``Codec.of("zlib", level=4)`` is an identifier as numcodecs registers it and its
    configuration; an HDF5 filter that numcodecs does not know is ``hdf5:<number>``.
    """

    id: str
    """Which codec: ``"zlib"``, ``"shuffle"``, ``"crc32c"``, …"""
    items: tuple[tuple[str, Any], ...] = ()
    """The configuration, sorted by key, every value hashable."""

    @classmethod
    def of(cls, id: str, **config: Any) -> Codec:  # noqa: A002 - numcodecs' own word
        """Make a codec from keywords, as in ``Codec.of("shuffle", elementsize=4)``."""
        return cls(id, tuple(sorted(config.items())))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as keywords."""
        return dict(self.items)

    def __str__(self) -> str:
        return self.id


def _scalar_key(value: Scalar | None) -> object:
    """Make NaN equal itself, and 0 differ from False, in comparisons of rules."""
    if value is None:
        return None
    array = np.asarray(value)
    return (array.dtype.str, "nan" if array != array else array.item())  # noqa: PLR0124


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """What counts as missing: all rules at once, in stored units and dtype.

    An element is missing when it equals any of ``values`` (a NaN there matches every
    NaN), or is less than ``valid_min``, or greater than ``valid_max``. NaN is neither
    less nor greater than anything. Zero is a value like any other.
    """

    values: tuple[Scalar, ...] = ()
    """Values that mean "no data"; NaN allowed."""
    valid_min: Scalar | None = None
    """The least valid value, itself valid; None: no such bound."""
    valid_max: Scalar | None = None
    """The greatest valid value, itself valid; None: no such bound."""

    def __post_init__(self) -> None:
        for value in (*self.values, self.valid_min, self.valid_max):
            if value is not None and not isinstance(value, type_of_scalar):
                msg = f"a missing rule must be a number, not {value!r}"
                raise TypeError(msg)

    def __bool__(self) -> bool:
        return (
            len(self.values) > 0
            or self.valid_min is not None
            or self.valid_max is not None
        )

    def _key(self) -> tuple[object, ...]:
        return (
            tuple(_scalar_key(value) for value in self.values),
            _scalar_key(self.valid_min),
            _scalar_key(self.valid_max),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Missing) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def masks_nan(self) -> bool:
        """Whether NaN itself is declared missing."""
        return any(_is_nan(value) for value in self.values)

    def with_value(self, value: Scalar) -> Missing:
        """Give the same rules and one more value, unless it is there already."""
        if any(_scalar_key(value) == _scalar_key(known) for known in self.values):
            return self
        return replace(self, values=(*self.values, value))


def _is_nan(value: Scalar) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _permutation(order: str | Iterable[int], ndim: int) -> tuple[int, ...]:
    if order == "C":
        return tuple(range(ndim))
    if order == "F":
        return tuple(reversed(range(ndim)))
    permutation = tuple(int(axis) for axis in order)
    if sorted(permutation) != list(range(ndim)):
        msg = f"order must permute {ndim} axes, got {permutation}"
        raise ValueError(msg)
    return permutation


_COMPRESSORS_NOT = frozenset({"shuffle", "fletcher32", "crc32c", "delta", "bitround"})


@dataclass(frozen=True)
class ChunkLayout:
    """What chunks of a variable share: how bytes become elements.

    ``order`` names the axes in the sequence in which they are stored, slowest first:
    an element array of ``shape`` is stored as ``elements.transpose(order)`` in C
    order. ``"C"`` and ``"F"`` are accepted as names of two such permutations.
    """

    dtype: np.dtype[Any]
    """Dtype of the stored elements, byte order included."""
    shape: tuple[int, ...]
    """Shape of the decoded chunk, in the variable's dimension order."""
    order: tuple[int, ...] = ()
    """Axis permutation from ``shape`` to the stored sequence, slowest axis first."""
    codecs: tuple[Codec, ...] = ()
    """The encoding pipeline, in the order in which a writer applies it."""
    missing: Missing = field(default_factory=Missing)
    """Which stored values are no data."""
    fill_value: Scalar | None = None
    """What a chunk that was never written holds; None: it holds nothing (missing)."""
    absent_is_fill: bool = False
    """Whether an object that is not there means the fill value (Zarr) or an error."""

    def __init__(
        self,
        dtype: np.dtype[Any] | str | type,
        shape: Iterable[int],
        order: str | Iterable[int] = "C",
        codecs: Iterable[Codec] = (),
        missing: Missing | None = None,
        fill_value: Scalar | None = None,
        absent_is_fill: bool = False,
    ) -> None:
        put = object.__setattr__
        lengths = tuple(int(length) for length in shape)
        if any(length < 0 for length in lengths):
            msg = f"a chunk's shape must not be negative, got {lengths}"
            raise ValueError(msg)
        put(self, "dtype", np.dtype(dtype))
        put(self, "shape", lengths)
        put(self, "order", _permutation(order, len(lengths)))
        put(self, "codecs", tuple(codecs))
        put(self, "missing", Missing() if missing is None else missing)
        put(self, "fill_value", fill_value)
        put(self, "absent_is_fill", absent_is_fill)

    @property
    def nbytes(self) -> int:
        """Size of the decoded chunk in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The chunk's shape in the sequence in which its axes are stored."""
        return tuple(self.shape[axis] for axis in self.order)

    @property
    def is_c_order(self) -> bool:
        """Whether the elements are stored in C order."""
        return self.order == tuple(range(len(self.shape)))

    @cached_property
    def compression(self) -> numcodecs.abc.Codec | None:
        """The compressor as a numcodecs object, as existing clients know it."""
        return self._numcodecs[0]

    @cached_property
    def filters(self) -> list[numcodecs.abc.Codec] | None:
        """The filters before the compressor as numcodecs objects, or None."""
        return self._numcodecs[1]

    @cached_property
    def _numcodecs(
        self,
    ) -> tuple[numcodecs.abc.Codec | None, list[numcodecs.abc.Codec] | None]:
        from numcodecs.registry import get_codec

        objects = [get_codec({"id": codec.id, **codec.config}) for codec in self.codecs]
        if not objects:
            return None, None
        if self.codecs[-1].id in _COMPRESSORS_NOT:
            return None, objects
        return objects[-1], objects[:-1] or None


def _check_selection(
    selection: tuple[AxisSelection, ...], shape: tuple[int, ...]
) -> None:
    if len(selection) != len(shape):
        msg = f"a selection needs {len(shape)} items, got {len(selection)}"
        raise ValueError(msg)
    for item, length in zip(selection, shape, strict=True):
        if isinstance(item, slice):
            start, stop, step = item.start, item.stop, item.step
            if None in (start, stop, step) or start < 0 or stop > length or step < 1:
                msg = f"slice {item} is not normal in a chunk of length {length}"
                raise ValueError(msg)
        elif len(item) > 0:
            ordered = all(a <= b for a, b in itertools.pairwise(item))
            if not ordered or item[0] < 0 or item[-1] >= length:
                msg = f"positions must ascend within a chunk of length {length}"
                raise ValueError(msg)


def _check_question(
    layout: ChunkLayout,
    selection: tuple[AxisSelection, ...],
    axis: tuple[int, ...],
    operation: str,
) -> None:
    _check_selection(selection, layout.shape)
    if operation not in OPERATIONS:
        msg = f"unknown operation {operation!r}; known: {sorted(OPERATIONS)}"
        raise ValueError(msg)
    if list(axis) != sorted(set(axis)) or not all(
        0 <= a < len(layout.shape) for a in axis
    ):
        msg = f"axis {axis} must be sorted, unique and within {len(layout.shape)} axes"
        raise ValueError(msg)


class _LayoutFields:
    """The layout's fields, readable on whatever has a layout."""

    __slots__ = ()
    layout: ChunkLayout

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the stored elements, byte order included."""
        return self.layout.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each decoded chunk."""
        return self.layout.shape

    @property
    def order(self) -> tuple[int, ...]:
        """Axis permutation from ``shape`` to the stored sequence."""
        return self.layout.order

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The encoding pipeline, in encode order."""
        return self.layout.codecs

    @property
    def missing(self) -> Missing:
        """Which stored values are no data."""
        return self.layout.missing

    @property
    def fill_value(self) -> Scalar | None:
        """What a chunk that was never written holds."""
        return self.layout.fill_value

    @property
    def compression(self) -> numcodecs.abc.Codec | None:
        """The compressor as a numcodecs object."""
        return self.layout.compression

    @property
    def filters(self) -> list[numcodecs.abc.Codec] | None:
        """The filters before the compressor as numcodecs objects."""
        return self.layout.filters


@dataclass(frozen=True, slots=True)
class ChunkRequest(_LayoutFields):
    """One chunk, the part of it that is wanted, and what is wanted of that part."""

    layout: ChunkLayout
    """How the chunk's bytes become elements."""
    source: str
    """The object that holds the bytes; opaque to all but reader and backend."""
    offset: int
    """Where the chunk begins in the object, in bytes."""
    size: int
    """How many bytes it takes there; -1: the whole object."""
    chunk_selection: tuple[AxisSelection, ...]
    """What is wanted, one item per dimension."""
    axis: tuple[int, ...]
    """The axes to reduce, sorted and non-negative; they stay at length one."""
    operation: str
    """One of ``OPERATIONS``."""
    version: str | None = None
    """The source's version when its index was read; None: cannot be told."""

    def __post_init__(self) -> None:
        _check_question(self.layout, self.chunk_selection, self.axis, self.operation)


def _int64(values: ArrayLike) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkBatch(_LayoutFields):
    """Many requests that share layout, selection, axis and operation, as columns."""

    layout: ChunkLayout
    """How the bytes of every chunk become elements."""
    sources: NDArray[np.object_]
    """The object that holds each chunk (n strings)."""
    offsets: NDArray[np.int64]
    """Where each chunk begins in its object, in bytes (n)."""
    sizes: NDArray[np.int64]
    """How many bytes each takes; -1: the whole object (n)."""
    selection: tuple[AxisSelection, ...]
    """What is wanted of every chunk, one item per dimension."""
    axis: tuple[int, ...]
    """The axes to reduce, sorted and non-negative."""
    operation: str
    """One of ``OPERATIONS``."""
    version: str | None = None
    """The sources' version when their index was read; None: cannot be told."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "sources", np.asarray(self.sources, dtype=object))
        put(self, "offsets", _int64(self.offsets))
        put(self, "sizes", _int64(self.sizes))
        if not (self.sources.shape == self.offsets.shape == self.sizes.shape):
            msg = "the columns of a batch must have one length"
            raise ValueError(msg)
        _check_question(self.layout, self.selection, self.axis, self.operation)

    @classmethod
    def of(cls, request: ChunkRequest) -> ChunkBatch:
        """Make a batch of one request."""
        return cls(
            layout=request.layout,
            sources=np.array([request.source], dtype=object),
            offsets=_int64([request.offset]),
            sizes=_int64([request.size]),
            selection=request.chunk_selection,
            axis=request.axis,
            operation=request.operation,
            version=request.version,
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, position: int) -> ChunkRequest:
        return ChunkRequest(
            layout=self.layout,
            source=str(self.sources[position]),
            offset=int(self.offsets[position]),
            size=int(self.sizes[position]),
            chunk_selection=self.selection,
            axis=self.axis,
            operation=self.operation,
            version=self.version,
        )

    def asking(self, operation: str) -> ChunkBatch:
        """Give the same chunks with another operation (``select`` has no axes)."""
        axis = () if operation == "select" else self.axis
        return replace(self, operation=operation, axis=axis)

    @property
    def selected_shape(self) -> tuple[int, ...]:
        """Shape of the selected part of each chunk."""
        return tuple(
            len(range(item.start, item.stop, item.step))
            if isinstance(item, slice)
            else len(item)
            for item in self.selection
        )

    @property
    def reduced_shape(self) -> tuple[int, ...]:
        """Shape of each chunk's partial: reduced axes at length one."""
        return tuple(
            1 if axis in self.axis else length
            for axis, length in enumerate(self.selected_shape)
        )

    @property
    def partial_bytes(self) -> int:
        """Size of one chunk's partial in bytes: values and counts."""
        elements = math.prod(self.reduced_shape)
        if self.operation == "select":
            return elements * (self.dtype.itemsize + 1)
        width = {"count": 0, "extrema": 2, "moments": 2}.get(self.operation, 1)
        return elements * 8 * (width + 1)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost; costs add up."""

    requests: int = 0
    """Reads or calls sent to the store, retries not counted."""
    bytes_read: int = 0
    """Bytes that the store read from its disks for us, where it is known."""
    bytes_received: int = 0
    """Bytes that came to this process."""
    retries: int = 0
    """Requests that had to be sent again."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.requests + other.requests,
            self.bytes_read + other.bytes_read,
            self.bytes_received + other.bytes_received,
            self.retries + other.retries,
        )


def _no_positions() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """What comes back for a chunk, or (with one leading axis more) for a batch.

    Arrays are in host memory, native-endian, and the core's own once returned.
    """

    values: tuple[NDArray[Any], ...]
    """The operation's values, reduced axes at length one."""
    count: NDArray[Any]
    """Non-missing elements behind each value, int64, broadcastable to the values.
    Where it is zero the value is not read by anyone. For ``select``: a bool mask,
    True where the element is not missing."""
    absent: NDArray[np.int64] = field(default_factory=_no_positions)
    """Positions in the batch of objects that are not there."""
    cost: Cost = Cost()
    """What the answer cost."""


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
