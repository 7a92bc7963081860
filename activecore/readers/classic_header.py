"""The header of a netCDF classic file: which variables there are, and where they lie.

The grammar is that of the netCDF Classic Format Specification for CDF-1 and CDF-2, and
PnetCDF's for CDF-5. The header's own sizes of variables (``vsize``) are not used: they
follow from the dimensions, and are wrong for large variables.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from activecore.errors import UnsupportedFormat
from activecore.readers.classic_words import HeaderWords

if TYPE_CHECKING:
    import fsspec

__all__ = ["ClassicHeader", "ClassicVariable", "read_header"]

_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12

_DTYPES: Mapping[int, np.dtype[Any]] = {
    number: np.dtype(code)
    for number, code in enumerate(
        (">i1", "S1", ">i2", ">i4", ">f4", ">f8", ">u1", ">u2", ">u4", ">i8", ">u8"), 1
    )
}
_OF_OLD = 6
"""The last type that CDF-1 and CDF-2 have."""
_MOST_DIMENSIONS = 1024
"""Of one variable: as many as the netCDF library allows."""

_Dimension: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ClassicVariable:
    """One variable as the header describes it."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    """Length of each dimension, the number of records included."""
    dtype: np.dtype[Any]
    """Dtype of the elements, big-endian; ``S1`` for characters."""
    attrs: Mapping[str, Any]
    """Attributes, as netCDF4-python shows them."""
    offset: int
    """Where its data begins in the file."""
    is_record: bool
    """Whether its first dimension is the record dimension."""

    @property
    def slab_shape(self) -> tuple[int, ...]:
        """Shape of what lies in one piece: one record, or all of it."""
        return self.shape[1:] if self.is_record else self.shape

    @property
    def slab_bytes(self) -> int:
        """Size of what lies in one piece, without padding."""
        return math.prod(self.slab_shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class ClassicHeader:
    """All that the header says of the variables."""

    variables: Mapping[str, ClassicVariable]
    """The variables by name, in the file's order."""
    record_bytes: int
    """How far apart the records are; 0: no variable has records."""
    attrs: Mapping[str, Any]
    """Attributes of the file."""
    record_dimension: str | None
    """Name of the dimension that may grow; None: there is none."""

    def end_of(self, variable: ClassicVariable) -> int:
        """Give where the data of a variable ends in the file; 0: it has none."""
        if not variable.is_record:
            return variable.offset + variable.slab_bytes
        records = variable.shape[0]
        if records == 0:
            return 0
        begin = variable.offset + (records - 1) * self.record_bytes
        return begin + variable.slab_bytes


def read_header(fs: fsspec.AbstractFileSystem, path: str, size: int) -> ClassicHeader:
    """Read the header of a file.

    Parameters
    ----------
    fs, path
        The file.
    size
        Its length in bytes.

    Raises
    ------
    UnsupportedFormat
        It is no such file, or its header is broken, cut short or too large. Memory
        and time are bounded whatever it says.
    """
    words = HeaderWords(fs, path, size)
    records = words.records()
    dimensions = [(words.name(), words.count()) for _ in words.list_of(_DIMENSION, 8)]
    attrs = _attributes(words)
    declared = [_variable(words, dimensions) for _ in words.list_of(_VARIABLE, 28)]
    of_records = [variable for variable in declared if variable.is_record]
    record_bytes = _record_bytes(of_records)
    _check_places(words, declared, record_bytes)
    if records is None:
        records = _whole_records(of_records, record_bytes, size)
    variables = {
        variable.name: replace(variable, shape=(records, *variable.slab_shape))
        if variable.is_record
        else variable
        for variable in declared
    }
    if len(variables) < len(declared):
        raise UnsupportedFormat(f"{path} has two variables of the same name")
    growing = next((name for name, length in dimensions if length == 0), None)
    return ClassicHeader(variables, record_bytes, attrs, growing)


def _variable(words: HeaderWords, dimensions: Sequence[_Dimension]) -> ClassicVariable:
    """Take a variable; the length of its record dimension is left at zero."""
    name = words.name()
    rank = words.entries(4)
    if rank > _MOST_DIMENSIONS:
        raise words.broken(f"{name!r} with {rank} dimensions")
    numbers = [words.count() for _ in range(rank)]
    if any(number >= len(dimensions) for number in numbers):
        raise words.broken(f"{name!r} with a dimension that is not there")
    dims = tuple(dimensions[number][0] for number in numbers)
    shape = tuple(dimensions[number][1] for number in numbers)
    if 0 in shape[1:]:
        raise words.broken(f"{name!r} with a record dimension that is not its first")
    attrs = _attributes(words)
    dtype = _dtype(words)
    words.skip_count()  # vsize
    return ClassicVariable(
        name, dims, shape, dtype, attrs, words.place(), shape[:1] == (0,)
    )


def _attributes(words: HeaderWords) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for _ in words.list_of(_ATTRIBUTE, 12):
        name = words.name()
        dtype = _dtype(words)
        raw = words.take_padded(words.count() * dtype.itemsize)
        attributes.setdefault(name, _value(name, dtype, raw))
    return attributes


def _value(name: str, dtype: np.dtype[Any], raw: bytes) -> Any:
    """Give an attribute's value as netCDF4-python does."""
    if dtype.kind == "S":
        if name == "_FillValue":
            return raw
        return raw.decode("utf-8", "replace").replace("\0", "")
    values = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
    return values[0] if values.size == 1 else values


def _dtype(words: HeaderWords) -> np.dtype[Any]:
    number = words.tag()
    is_old = words.version < 5  # noqa: PLR2004 - the format's number
    if number not in _DTYPES or (is_old and number > _OF_OLD):
        raise words.broken(f"type {number}, which there is not,")
    return _DTYPES[number]


def _record_bytes(of_records: Sequence[ClassicVariable]) -> int:
    """Give the distance of records: each variable's part is padded to four bytes.

    Not so where only one variable has records: those touch.
    """
    if len(of_records) == 1:
        return of_records[0].slab_bytes
    sizes = (variable.slab_bytes for variable in of_records)
    return sum(size + -size % 4 for size in sizes)


def _check_places(
    words: HeaderWords, declared: Sequence[ClassicVariable], record_bytes: int
) -> None:
    """Make sure that no variable lies in another, in the header or among records."""
    fixed = [
        (variable.offset, variable.slab_bytes, variable.name)
        for variable in declared
        if not variable.is_record
    ]
    of_records = sorted(
        (variable.offset, variable.slab_bytes, variable.name)
        for variable in declared
        if variable.is_record
    )
    places = [(0, words.position, ""), *sorted(fixed), *of_records]
    if of_records:
        # The second record begins where the first one is at its end.
        places.append((of_records[0][0] + record_bytes, 0, of_records[0][2]))
    for (offset, size, _), (after, _, name) in itertools.pairwise(places):
        if after < offset + size:
            raise words.broken(f"{name!r} at byte {after}, where something else lies,")


def _whole_records(
    of_records: Sequence[ClassicVariable], record_bytes: int, size: int
) -> int:
    """Count the records that the file holds, where its header does not."""
    counts = (
        (size - variable.offset - variable.slab_bytes) // record_bytes + 1
        for variable in of_records
    )
    return max(0, min(counts, default=0))
