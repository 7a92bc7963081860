"""What is asked of chunks, and what comes back."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from activecore.model.layout import ChunkLayout, Codec, Missing, Scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numcodecs.abc

__all__ = [
    "OPERATIONS",
    "AxisSelection",
    "ChunkBatch",
    "ChunkRequest",
    "Cost",
    "Partial",
]

AxisSelection = slice | tuple[int, ...]
"""What is wanted along one dimension of a chunk.

A slice with non-negative start and stop and a positive step, or non-decreasing,
non-negative positions, which may repeat.
"""

OPERATIONS = frozenset(
    {"count", "sum", "sum_f8", "min", "max", "extrema", "moments", "nonzero", "select"}
)
"""Everything that a backend may be asked to compute of a chunk."""


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

    def part(self, start: int, stop: int) -> ChunkBatch:
        """Give some of the chunks, in the same order."""
        some = slice(start, stop)
        return replace(
            self,
            sources=self.sources[some],
            offsets=self.offsets[some],
            sizes=self.sizes[some],
        )

    def asking(self, operation: str) -> ChunkBatch:
        """Give the same chunks with another operation (``select`` has no axes)."""
        if operation == self.operation:
            return self
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
        item = self.dtype.itemsize
        values = {"count": 0, "min": item, "max": item, "extrema": 2 * item}
        values["moments"] = 16
        return elements * (values.get(self.operation, 8) + 8)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost; costs add up."""

    requests: int = 0
    """Reads or calls sent to the store for this answer, retries not counted. 0: it was
    given from memory, whatever was read for it before."""
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
    is_confirmed: bool = False
    """Whether the store itself made sure that all bytes are of the batch's version,
    as it does with ``If-Match``. If it did so for all of a run, and anything was sent
    to it in the run, nobody asks for the version again at the end."""

    @classmethod
    def joined(cls, parts: Sequence[Partial]) -> Partial:
        """Make the partial of a batch from those of its parts, in order."""
        if len(parts) == 1:
            return parts[0]
        lengths = [len(part.count) for part in parts]
        begins = np.cumsum([0, *lengths[:-1]])
        # Where nothing is missing a count may have length one along some axes.
        behind = np.broadcast_shapes(*(part.count.shape[1:] for part in parts))
        counts = [
            np.broadcast_to(part.count, (length, *behind))
            for part, length in zip(parts, lengths, strict=True)
        ]
        absent = [
            part.absent + begin for part, begin in zip(parts, begins, strict=True)
        ]
        return cls(
            tuple(
                np.concatenate(c) for c in zip(*(p.values for p in parts), strict=True)
            ),
            np.concatenate(counts),
            np.concatenate(absent),
            sum((part.cost for part in parts), Cost()),
            all(part.is_confirmed for part in parts),
        )
