"""Dates of time coordinates: decoded with cftime where that is installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["calendar_of", "date_words", "decode_dates", "is_time"]

logger = logging.getLogger(__name__)

_HALF_SECOND = 500_000


def is_time(attrs: Mapping[str, Any]) -> bool:
    """Tell whether numbers with these attributes are times since a date."""
    units = attrs.get("units")
    return isinstance(units, str) and " since " in units


def calendar_of(attrs: Mapping[str, Any]) -> str:
    """Give the calendar of a time coordinate, CF's standard one if none is named."""
    return str(attrs.get("calendar", "standard")).strip().lower()


def decode_dates(
    values: ArrayLike, attrs: Mapping[str, Any]
) -> NDArray[np.object_] | None:
    """Turn times into dates of their calendar.

    Returns
    -------
    array of cftime.datetime or None
        To the nearest second. None where they are no times since a date, cannot be
        decoded (a missing time, unknown units), or cftime is not installed.
    """
    if not is_time(attrs):
        return None
    numbers: np.ma.MaskedArray[Any, Any] = np.ma.asarray(values)
    if np.ma.is_masked(numbers) or not np.isfinite(numbers.data).all():
        return None
    try:
        import cftime

        dates = cftime.num2date(
            numbers.data,
            str(attrs["units"]).strip(),
            calendar_of(attrs),
            only_use_cftime_datetimes=True,
        )
        flat = [_to_the_second(date) for date in np.ravel(dates)]
    except ImportError:
        logger.info("dates are shown as numbers: cftime is not installed")
        return None
    except (ValueError, OverflowError, TypeError) as error:
        logger.info("times are shown as numbers: %s", error)
        return None
    decoded = np.empty(len(flat), dtype=object)
    decoded[:] = flat
    return decoded.reshape(numbers.shape)


def _to_the_second(date: Any) -> Any:
    micro = date.microsecond
    up = 1_000_000 - micro if micro >= _HALF_SECOND else -micro
    return date + timedelta(microseconds=up) if micro > 0 else date


def date_words(dates: Sequence[Any] | NDArray[np.object_]) -> list[str]:
    """Write dates as ISO 8601 does, as short as keeps all of them exact."""
    listed = list(np.ravel(np.asarray(dates, dtype=object)))
    if all(d.hour == d.minute == d.second == 0 for d in listed):
        return [f"{d.year:04d}-{d.month:02d}-{d.day:02d}" for d in listed]
    seconds = any(d.second != 0 for d in listed)
    return [
        f"{d.year:04d}-{d.month:02d}-{d.day:02d}T{d.hour:02d}:{d.minute:02d}"
        + (f":{d.second:02d}" if seconds else "")
        for d in listed
    ]
