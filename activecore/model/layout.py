"""How the bytes of a chunk become elements."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.errors import UnsupportedCodec

if TYPE_CHECKING:
    import numcodecs.abc

__all__ = ["ChunkLayout", "Codec", "Missing", "Scalar"]

Scalar = bool | int | float | np.generic
"""One number, in the stored dtype of the variable it belongs to."""


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


def _is_number(value: object) -> bool:
    if isinstance(value, np.generic):
        return value.dtype.kind in "biuf"
    return isinstance(value, (bool, int, float))


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
        object.__setattr__(self, "values", tuple(self.values))
        bounds = (self.valid_min, self.valid_max)
        for value in (*self.values, *(bound for bound in bounds if bound is not None)):
            if not _is_number(value):
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
    permutation = None if isinstance(order, str) else tuple(int(a) for a in order)
    if permutation is None or sorted(permutation) != list(range(ndim)):
        msg = f"order must be 'C', 'F' or permute {ndim} axes, got {order!r}"
        raise ValueError(msg)
    return permutation


_NEVER_COMPRESSORS = frozenset({"shuffle", "fletcher32", "crc32c", "delta", "bitround"})


@dataclass(frozen=True, slots=True, eq=False)
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

    def _key(self) -> tuple[object, ...]:
        # A fill value of NaN must not make two equal layouts differ.
        return (
            self.dtype,
            self.shape,
            self.order,
            self.codecs,
            self.missing,
            _scalar_key(self.fill_value),
            self.absent_is_fill,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChunkLayout) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def nbytes(self) -> int:
        """Size of the decoded chunk in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The chunk's shape in the sequence in which its axes are stored."""
        return tuple(self.shape[axis] for axis in self.order)

    @property
    def is_encoded(self) -> bool:
        """Whether bytes have to be decoded: elements are not stored as they are."""
        return len(self.codecs) > 0

    @property
    def is_c_order(self) -> bool:
        """Whether the elements are stored in C order."""
        return self.order == tuple(range(len(self.shape)))

    @property
    def compression(self) -> numcodecs.abc.Codec | None:
        """The compressor as a numcodecs object, as existing clients know it.

        Raises
        ------
        UnsupportedCodec
            A codec of the pipeline is none that numcodecs knows.
        """
        return self._numcodecs()[0]

    @property
    def filters(self) -> list[numcodecs.abc.Codec] | None:
        """The filters before the compressor as numcodecs objects, or None.

        Checksums that are taken after compression count as filters too, so that
        undoing compressor and filters from last to first is right in any case.

        Raises
        ------
        UnsupportedCodec
            A codec of the pipeline is none that numcodecs knows.
        """
        return self._numcodecs()[1]

    def _numcodecs(
        self,
    ) -> tuple[numcodecs.abc.Codec | None, list[numcodecs.abc.Codec] | None]:
        from numcodecs.registry import get_codec

        objects = []
        for codec in self.codecs:
            try:
                objects.append(get_codec({"id": codec.id, **codec.config}))
            except (TypeError, ValueError) as error:
                raise UnsupportedCodec(
                    f"numcodecs has no codec {codec.id!r} that takes {codec.config}"
                ) from error
        if not objects:
            return None, None
        if self.codecs[-1].id in _NEVER_COMPRESSORS:
            return None, objects
        return objects[-1], objects[:-1] or None
