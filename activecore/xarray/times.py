"""Least, greatest and mean dates: found of stored numbers, decoded by xarray."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, decode_cf

from activecore.errors import UnsupportedDtype
from activecore.xarray.decoded import DecodedArray

__all__ = ["decoded_times", "require_exact"]

Array: TypeAlias = NDArray[Any]

_EXACT = 2.0**53
"""Up to here every integer is a float64."""


def require_exact(source: DecodedArray, sums: Array) -> None:
    """Make sure that a mean of integer times is not rounded to odd fractions.

    Raises
    ------
    UnsupportedDtype
        Their sums are too large: nanoseconds since 1970, for example.
    """
    is_integer = source.numbers.dtype.kind in "iu"
    if is_integer and (np.abs(np.asarray(sums, np.float64)) > _EXACT).any():
        raise UnsupportedDtype(
            f"the times of {source.name!r} are stored in units too small for an exact "
            "mean; call the reduction without .active"
        )


def decoded_times(
    source: DecodedArray, values: Array, valid: NDArray[np.bool_]
) -> Array:
    """Decode stored times as the source's were; NaT where there is none.

    Raises
    ------
    UnsupportedDtype
        They were packed, or xarray decodes them to something else.
    """
    encoding = source.variable.encoding
    if {"scale_factor", "add_offset"} & encoding.keys():
        raise UnsupportedDtype(f"{source.name!r} holds packed times")
    if not valid.all():
        values = np.where(valid, values, np.nan)
    attrs = {name: encoding[name] for name in ("units", "calendar") if name in encoding}
    dims = [f"dim_{axis}" for axis in range(values.ndim)]
    raw = Dataset({"times": (dims, values, attrs)})
    decoded = decode_cf(raw, decode_timedelta=source.dtype.kind == "m")["times"].values
    if decoded.dtype.kind != source.dtype.kind:
        raise UnsupportedDtype(
            f"{source.name!r} holds times that are decoded in a way of their own; "
            "call the reduction without .active"
        )
    if decoded.dtype.kind == "O":
        return np.asarray(decoded)
    return decoded.astype(source.dtype)
