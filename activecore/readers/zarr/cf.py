"""What the attributes and fill value of a Zarr array mean, as xarray has it.

The oracle is ``xarray.open_zarr`` with default options and time decoding off. It is not
netCDF4-python's convention, which ``cf`` follows:

- Zarr v2: the metadata's fill value *is* ``_FillValue``, whatever an attribute says,
  so zeros of an array with fill value 0 are missing. Where it is null, the attribute
  counts. Zarr v3: the attribute alone; the fill value is only what chunks hold that
  were never written.
- ``missing_value`` counts too, one number or several.
- ``valid_min``, ``valid_max`` and ``valid_range`` are *not* applied.
- ``_Unsigned`` is ``"true"`` or ``"false"``; ``_FillValue`` is taken in stored units,
  ``missing_value`` in those of the unsigned (or signed) numbers.
- All arithmetic of unpacking is in one dtype, which the dtypes of the stored numbers
  and of the two attributes choose. JSON has no float32, so it is mostly float64.

Where we differ: rules compare in stored units, so neighbours of a large int64 fill
value are not missing with it; and a ``scale_factor`` that is an integer does not cut
off the fractions of stored floats.

A rule that the stored dtype cannot hold exactly matches nothing; one line is logged.

xarray writes ``_FillValue`` of a Zarr v3 array as base64 of a little-endian float64,
other writers as a plain number: both are understood.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
import struct
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from activecore.errors import UnsupportedFormat
from activecore.model import Missing, Packing, Scalar

__all__ = ["fill_attribute", "missing_rules", "packing", "stored_dtype"]

logger = logging.getLogger(__name__)

_FLOAT64 = struct.Struct("<d")
_INT64 = 2**63
_FLOAT_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def stored_dtype(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype in which stored numbers are read: signed by ``_Unsigned``.

    Parameters
    ----------
    attrs
        The array's attributes.
    dtype
        Dtype of the storage, byte order included.
    """
    kind = {"i": "true", "u": "false"}.get(dtype.kind)
    if kind is None or attrs.get("_Unsigned") != kind:
        return dtype
    return np.dtype(
        f"{dtype.byteorder}{'u' if kind == 'true' else 'i'}{dtype.itemsize}"
    )


def fill_attribute(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    fill_value: Scalar | None,
    zarr_format: int,
    label: str,
) -> Any:
    """Give ``_FillValue`` as xarray finds it among the attributes; None: it does not.

    Parameters
    ----------
    attrs, fill_value, zarr_format, label
        As for ``missing_rules``.
    dtype
        Dtype of the storage, before ``_Unsigned``.

    Raises
    ------
    UnsupportedFormat
        ``_FillValue`` cannot be understood.
    """
    native = dtype.newbyteorder("=")
    found = _fill_values(attrs, native, fill_value, zarr_format, label)
    if not found:
        return None
    with np.errstate(over="ignore"):
        try:
            return native.type(found[0])
        except (OverflowError, ValueError):
            return found[0]


def missing_rules(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    fill_value: Scalar | None,
    zarr_format: int,
    label: str,
) -> Missing:
    """Collect every rule that says which stored values are no data.

    Parameters
    ----------
    attrs
        The array's attributes.
    dtype
        Dtype of the storage, before ``_Unsigned``.
    fill_value
        The metadata's fill value, in that dtype; None: null.
    zarr_format
        2 or 3.
    label
        What messages call the array.

    Returns
    -------
    Missing
        Native-endian scalars of the dtype that ``stored_dtype`` gives.

    Raises
    ------
    UnsupportedFormat
        ``_FillValue`` cannot be understood.
    """
    given = dtype.newbyteorder("=")
    read = stored_dtype(attrs, given)
    missing = Missing()
    for value in _fill_values(attrs, given, fill_value, zarr_format, label) or ():
        stored = _as_stored(value, given)
        if stored is None:
            stored = _as_stored(value, read)
        elif given != read:
            stored = cast("np.generic", np.asarray(stored).view(read)[()])
        missing = _with(missing, stored, value, label)
    for value in _numbers(attrs.get("missing_value")):
        missing = _with(missing, _as_stored(value, read), value, label)
    return missing


def packing(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    fill_value: Scalar | None,
    zarr_format: int,
    label: str,
) -> Packing | None:
    """Say how stored numbers become what users mean, or None: as they are.

    Parameters
    ----------
    attrs, fill_value, zarr_format, label
        As for ``missing_rules``.
    dtype
        Dtype in which stored numbers are read, as ``stored_dtype`` gives it.

    Raises
    ------
    UnsupportedFormat
        ``scale_factor`` or ``add_offset`` is not one number.
    """
    stored = dtype.newbyteorder("=")
    convert = _unpacking_dtype(attrs, stored)
    if convert is None:
        return None
    fills = _fill_values(attrs, stored, fill_value, zarr_format, label)
    if stored.kind not in "iu" and (fills is not None or "missing_value" in attrs):
        rules = [*(fills or ()), *_numbers(attrs.get("missing_value"))]
        if all(_is_nan(value) for value in rules):
            # xarray takes it that masking chose the dtype, but NaN is masked already.
            convert = stored
    return Packing(
        _factor(attrs, "scale_factor", label),
        _factor(attrs, "add_offset", label),
        stored,
        convert,
    )


def _unpacking_dtype(
    attrs: Mapping[str, Any], dtype: np.dtype[Any]
) -> np.dtype[Any] | None:
    """Choose the dtype in which numbers are unpacked; None: they are not packed."""
    if "scale_factor" not in attrs and "add_offset" not in attrs:
        return None
    scale, offset = attrs.get("scale_factor"), attrs.get("add_offset")
    if scale is None and offset is None:
        exact = 4 if dtype.kind == "f" else 2
        return np.dtype("f4" if dtype.itemsize <= exact else "f8")
    if offset is None and isinstance(scale, int) and dtype.kind != "f":
        return np.dtype("i8")
    return np.dtype("f8")


def _factor(attrs: Mapping[str, Any], name: str, label: str) -> Scalar | None:
    given = attrs.get(name)
    if given is None:
        return None
    value = given[0] if isinstance(given, list) and len(given) == 1 else given
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        msg = f"{label}: its {name} is not one number but {given!r}"
        raise UnsupportedFormat(msg)
    return value if -_INT64 <= value < _INT64 else float(value)


def _fill_values(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    fill_value: Scalar | None,
    zarr_format: int,
    label: str,
) -> list[Any] | None:
    """Give the numbers that ``_FillValue`` means; None: it is not there."""
    is_v2 = zarr_format == 2  # noqa: PLR2004 - the format's number
    if is_v2 and fill_value is not None:
        return [fill_value]
    if "_FillValue" not in attrs:
        return None
    given = attrs["_FillValue"]
    if is_v2:
        return _numbers(given)
    if isinstance(given, str):
        number = _from_text(given) if dtype.kind == "f" else None
        if number is None:
            msg = f"{label}: its _FillValue {given!r} is no {dtype}"
            raise UnsupportedFormat(msg)
        return [number]
    if dtype.kind != "f":
        return _numbers(given)
    # Others than xarray write the shortest decimal that means a float32.
    return [_nearest(number, dtype) for number in _numbers(given)]


def _nearest(number: Any, dtype: np.dtype[Any]) -> Any:
    try:
        with np.errstate(over="ignore"):
            nearest = dtype.type(number)
    except OverflowError:
        return number
    return nearest if np.isfinite(nearest) else number


def _from_text(text: str) -> float | None:
    if text in _FLOAT_NAMES:
        return _FLOAT_NAMES[text]
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return float(_FLOAT64.unpack(raw)[0]) if len(raw) == _FLOAT64.size else None


def _numbers(given: Any) -> list[Any]:
    """Give the numbers of an attribute that may be a list; text never matches."""
    if isinstance(given, list):
        return [number for item in given for number in _numbers(item)]
    return [given] if isinstance(given, (bool, int, float)) else []


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _with(missing: Missing, stored: Scalar | None, value: Any, label: str) -> Missing:
    if stored is not None:
        return missing.with_value(stored)
    logger.warning("%s: no stored number equals the missing value %r", label, value)
    return missing


def _as_stored(value: Any, dtype: np.dtype[Any]) -> np.generic | None:
    """Give the stored number that equals a value exactly, or None."""
    given = value.item() if isinstance(value, np.generic) else value
    if dtype.kind == "f":
        try:
            with np.errstate(over="ignore"):
                number: np.generic = dtype.type(given)
        except OverflowError:
            return None
        return number if number.item() == given or _is_nan(given) else None
    if isinstance(given, float) and not given.is_integer():
        return None
    if dtype.kind == "b":
        return np.bool_(given) if given in (0, 1) else None
    limits = np.iinfo(dtype)
    return dtype.type(given) if limits.min <= given <= limits.max else None
