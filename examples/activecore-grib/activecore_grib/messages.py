"""The messages of a file: where each lies, and which field it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import eccodes
import numpy as np
from numpy.typing import NDArray

from activecore import UnsupportedFormat
from activecore_grib.codec import opened

__all__ = ["MAGIC", "Field", "fields_of"]

MAGIC = b"GRIB"
_END = b"7777"
_TEXT = ("name", "units", "cfName")


@dataclass(frozen=True, eq=False)
class Field:
    """One message."""

    offset: int
    size: int
    kind: tuple[str, str, str]
    """Parameter, type of level, and a name of its grid: one variable each."""
    time: float
    """Hours since 1970 of validity."""
    level: float
    shape: tuple[int, ...]
    axes: tuple[NDArray[np.float64], ...]
    """Latitudes and longitudes of a rectangular grid, in the order of the values."""
    attrs: dict[str, Any]


def fields_of(file: IO[bytes], path: str) -> Iterator[Field]:
    """Read a file from its beginning to its end, message by message.

    Raises
    ------
    UnsupportedFormat
        It is cut short, or holds what is no message.
    """
    offset = 0
    while head := file.read(16):
        size = _size(head, path, offset)
        message = head + file.read(size - len(head))
        if len(message) != size or not message.endswith(_END):
            raise UnsupportedFormat(f"{path} ends within the message at byte {offset}")
        try:
            with opened(message) as handle:
                yield _field(handle, offset, size, path)
        except eccodes.CodesInternalError as error:
            raise UnsupportedFormat(
                f"{path}: ecCodes cannot read the message at byte {offset}: {error}"
            ) from error
        offset += size


def _size(head: bytes, path: str, offset: int) -> int:
    if len(head) < 16 or not head.startswith(MAGIC):  # noqa: PLR2004 - section 0
        raise UnsupportedFormat(f"{path} holds no GRIB message at byte {offset}")
    edition = head[7]
    if edition == 1:
        return int.from_bytes(head[4:7], "big")
    if edition == 2:  # noqa: PLR2004 - an edition
        return int.from_bytes(head[8:16], "big")
    raise UnsupportedFormat(f"{path}: edition {edition} of GRIB is not known")


def _field(handle: int, offset: int, size: int, path: str) -> Field:
    def get(key: str) -> Any:
        return eccodes.codes_get(handle, key)

    number = int(get("numberOfDataPoints"))
    shape: tuple[int, ...] = (number,)
    axes: tuple[NDArray[np.float64], ...] = ()
    if get("gridType") == "regular_ll":
        if get("jPointsAreConsecutive") or get("alternativeRowScanning"):
            raise UnsupportedFormat(f"{path}: rows of message {offset} run otherwise")
        shape = (int(get("Nj")), int(get("Ni")))
        axes = (_axis(handle, "Latitude", "j", shape[0]),
                _axis(handle, "Longitude", "i", shape[1]))  # fmt: skip
    grid = f"{get('gridType')} {shape} {[axis[:1].tolist() for axis in axes]}"
    date, clock = int(get("validityDate")), int(get("validityTime"))
    valid = datetime(
        date // 10000, date // 100 % 100, date % 100, clock // 100, clock % 100,
        tzinfo=UTC,
    )  # fmt: skip
    return Field(
        offset=offset,
        size=size,
        kind=(str(get("shortName")), str(get("typeOfLevel")), grid),
        time=valid.timestamp() / 3600,
        level=float(get("level")),
        shape=shape,
        axes=axes,
        attrs={
            key: str(get(key)) for key in _TEXT if eccodes.codes_is_defined(handle, key)
        },
    )


def _axis(handle: int, what: str, along: str, number: int) -> NDArray[np.float64]:
    """Work out a regular axis from its ends, in the order in which values run."""
    first = eccodes.codes_get(handle, f"{what.lower()}OfFirstGridPointInDegrees")
    last = eccodes.codes_get(handle, f"{what.lower()}OfLastGridPointInDegrees")
    if (
        along == "i"
        and last < first
        and not eccodes.codes_get(handle, "iScansNegatively")
    ):
        last += 360.0
    return np.linspace(first, last, number)
