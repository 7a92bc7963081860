"""What the CF and netCDF attributes of a variable mean for its stored numbers.

Pure functions over a mapping of attributes, for every reader whose oracle is
netCDF4-python. Attributes are taken as netCDF4-python shows them: a NumPy scalar for
one number, a 1-D array for several, ``str`` for text.

Rules are in stored (packed) units. An attribute that the stored dtype cannot hold
exactly is ignored, as netCDF4-python ignores it, and one line is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.model import Missing, Packing, Scalar

__all__ = ["default_fill_value", "missing_rules", "packing", "stored_dtype"]

logger = logging.getLogger(__name__)

_DEFAULT_FILLS: Mapping[str, float] = {
    "i1": -127,
    "u1": 255,
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
    "f4": float.fromhex("0x1.ep+122"),
    "f8": float.fromhex("0x1.ep+122"),
}
"""The netCDF library's ``NC_FILL_…``."""


def stored_dtype(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype in which stored elements are read: unsigned by ``_Unsigned``.

    Parameters
    ----------
    attrs
        The variable's attributes.
    dtype
        Dtype of the storage, byte order included.

    Returns
    -------
    numpy.dtype
        Same size and byte order; unsigned where integers are signed and
        ``_Unsigned`` is ``"true"`` or ``"True"``.
    """
    flag = attrs.get("_Unsigned")
    if dtype.kind == "i" and isinstance(flag, str) and flag in ("true", "True"):
        return np.dtype(f"{dtype.byteorder}u{dtype.itemsize}")
    return dtype


def default_fill_value(dtype: np.dtype[Any]) -> Scalar | None:
    """Give what the netCDF library fills unwritten elements of a type with.

    Returns
    -------
    scalar or None
        Native-endian, of ``dtype``; None for what netCDF has no type for: bool and
        2-byte floats.
    """
    fill = _DEFAULT_FILLS.get(f"{dtype.kind}{dtype.itemsize}")
    if fill is None:
        return None
    scalar: Scalar = dtype.newbyteorder("=").type(fill)
    return scalar


def missing_rules(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    *,
    default_fill: bool,
    variable: str,
) -> Missing:
    """Collect every rule that says which stored values are no data.

    Parameters
    ----------
    attrs
        The variable's attributes.
    dtype
        Dtype of the storage, before ``_Unsigned``; either byte order.
    default_fill
        Whether the variable's fill mode is on. Where there is no usable
        ``_FillValue``, netCDF's default fill is missing; with fill mode off this
        holds for all but 8-bit variables still.
    variable
        Name of the variable, for log lines.

    Returns
    -------
    Missing
        All rules at once, as native-endian scalars of the dtype that
        ``stored_dtype`` gives.
    """
    if dtype.kind not in "biuf":
        return Missing()
    signed = dtype.newbyteorder("=")
    unsigned = stored_dtype(attrs, signed)

    def rule(name: str) -> NDArray[Any] | None:
        values = _exactly(attrs, name, signed, variable)
        return None if values is None else np.atleast_1d(values).view(unsigned).ravel()

    values: list[Scalar] = []
    missing_value = rule("missing_value")
    if missing_value is not None:
        values.extend(missing_value)
    fill_value = rule("_FillValue")
    if fill_value is not None:
        values.extend(fill_value)
    elif unsigned == signed and (default_fill or signed.itemsize > 1):
        # The default fill of the signed type can never equal an unsigned number.
        default = default_fill_value(signed)
        if default is not None:
            values.append(default)
    low: NDArray[Any] | None
    high: NDArray[Any] | None
    valid_range = rule("valid_range")
    if valid_range is not None and valid_range.size == 2:  # noqa: PLR2004 - two ends
        low, high = valid_range[:1], valid_range[1:]
    else:
        low, high = rule("valid_min"), rule("valid_max")
    missing = Missing(valid_min=_one(low), valid_max=_one(high))
    for value in values:
        missing = missing.with_value(value)
    return missing


def packing(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> Packing | None:
    """Say how stored numbers become what users mean (CF 8.1), or None: as they are.

    Parameters
    ----------
    attrs
        The variable's attributes.
    dtype
        Dtype in which stored elements are read, as ``stored_dtype`` gives it.

    Returns
    -------
    Packing or None
        With netCDF4-python's conditions: a factor of one alone and an offset of zero
        alone change nothing, but both together convert to the factor's dtype.
        Attributes that are not one number each are ignored with a log line.
    """
    if dtype.kind not in "iuf":
        return None
    found = {
        name: attrs[name] for name in ("scale_factor", "add_offset") if name in attrs
    }
    numbers = {name: _number(value) for name, value in found.items()}
    for name, number in numbers.items():
        if number is None:
            logger.warning("nothing is unpacked: %s=%r is no number", name, found[name])
            return None
    stored = dtype.newbyteorder("=")
    scale, offset = numbers.get("scale_factor"), numbers.get("add_offset")
    scales, shifts = scale not in (None, 1.0), offset not in (None, 0.0)
    if scale is not None and offset is not None:
        if scales or shifts:
            return Packing(scale, offset, stored)
        return Packing(stored=stored, convert=scale.dtype)
    if scales or shifts:
        return Packing(scale, offset, stored)
    return None


def _exactly(
    attrs: Mapping[str, Any], name: str, dtype: np.dtype[Any], variable: str
) -> NDArray[Any] | None:
    """Cast an attribute to the stored dtype, or None if that would change it."""
    if name not in attrs:
        return None
    given = np.asarray(attrs[name])
    try:
        # A NaN or an infinity that becomes an integer warns; it is unequal afterwards.
        with np.errstate(all="ignore"):
            cast = given.astype(dtype)
    except (ValueError, TypeError, OverflowError):
        cast = None
    if cast is None or not _same(given, cast):
        logger.warning(
            "%s: %s=%r is ignored, %s cannot hold it",
            variable,
            name,
            attrs[name],
            dtype,
        )
        return None
    return cast


def _same(given: NDArray[Any], cast: NDArray[Any]) -> bool:
    if given.dtype.kind not in "biuf":
        return False
    equal = given == cast
    if given.dtype.kind == "f" and cast.dtype.kind == "f":
        equal |= np.isnan(given) & np.isnan(cast)
    return bool(np.all(equal))


def _one(values: NDArray[Any] | None) -> Scalar | None:
    """Give the one number of a bound; a list is no bound."""
    return values[0] if values is not None and values.size == 1 else None


def _number(value: object) -> np.generic | None:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        return None
    number: np.generic = array.reshape(-1)[0]
    return number
