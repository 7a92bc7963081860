"""Ticks of a time axis, in any calendar."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from activecore.output.times import calendar_of, decode_dates

__all__ = ["date_ticks"]

_MOST_TICKS = {"year": 11, "month": 9}
"""As many as fit beside each other; of longer labels fewer."""
_MOST_LONG_TICKS = 8
_DAYS = {"year": 365.25, "month": 30.4, "day": 1.0, "hour": 1 / 24, "minute": 1 / 1440}
_STEPS = (
    *(("minute", n) for n in (1, 2, 5, 10, 15, 30)),
    *(("hour", n) for n in (1, 2, 3, 6, 12)),
    *(("day", n) for n in (1, 2, 5, 10)),
    *(("month", n) for n in (1, 2, 3, 6)),
    *(("year", n * 10**k) for k in range(7) for n in (1, 2, 5)),
)
"""From fine to coarse, as people divide time."""


def date_ticks(
    low: float, high: float, attrs: Mapping[str, Any]
) -> tuple[list[float], list[str]] | None:
    """Choose round dates between two times, and write them.

    Parameters
    ----------
    low, high
        The ends of the axis, in the coordinate's own units.
    attrs
        Its attributes: ``units`` and ``calendar``.

    Returns
    -------
    tuple or None
        Positions in the coordinate's units and a label for each; None where dates
        cannot be decoded, and numbers must do.
    """
    ends = decode_dates([low, high], attrs)
    if ends is None:
        return None
    import cftime

    first, last = ends
    span = (last - first).total_seconds() / 86400
    unit, step = next(
        (s for s in _STEPS if span / (_DAYS[s[0]] * s[1]) <= _room(s[0])), _STEPS[-1]
    )
    units, calendar = str(attrs["units"]).strip(), calendar_of(attrs)
    dates = list(_round_dates(first, last, unit, step))
    positions = [
        float(n) for n in np.atleast_1d(cftime.date2num(dates, units, calendar))
    ]
    labels = [_label(date, unit) for date in dates]
    kept = [k for k, x in enumerate(positions) if low <= x <= high]
    return [positions[k] for k in kept], _with_years([labels[k] for k in kept])


def _room(unit: str) -> int:
    return _MOST_TICKS.get(unit, _MOST_LONG_TICKS) - 1


def _round_dates(first: Any, last: Any, unit: str, step: int) -> Iterator[Any]:
    """Give the dates that are whole multiples of a step."""
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "year":
        year = first.year - first.year % step
        while year <= last.year:
            if year != 0 or first.has_year_zero:
                yield start.replace(year=year, month=1, day=1)
            year += step
    elif unit == "month":
        for count in itertools.count(first.month - 1 - (first.month - 1) % step, step):
            year, month = first.year + count // 12, count % 12 + 1
            if (year, month) > (last.year, last.month):
                return
            yield start.replace(year=year, month=month, day=1)
    else:
        yield from _equal_steps(start, last, unit, step)


def _equal_steps(start: Any, last: Any, unit: str, step: int) -> Iterator[Any]:
    from datetime import timedelta

    minutes = step * {"minute": 1, "hour": 60, "day": 1440}[unit]
    date = start
    while date <= last:
        # Days are counted from the first of each month, so that labels are round.
        if unit != "day" or _is_round_day(date.day, step):
            yield date
        date = date + timedelta(minutes=minutes if unit != "day" else 1440)


def _is_round_day(day: int, step: int) -> bool:
    last = 31 - step // 2  # none right before the first of the next month
    return (day - 1) % step == 0 and day <= last


def _label(date: Any, unit: str) -> str:
    if unit == "year":
        return f"{date.year:04d}"
    if unit == "month":
        return f"{date.year:04d}-{date.month:02d}"
    day = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
    return day if unit == "day" else f"{date.hour:02d}:{date.minute:02d}\n{day}"


def _with_years(labels: list[str]) -> list[str]:
    """Leave out the second line of a label where the one before says the same."""
    shown: list[str] = []
    before = None
    for label in labels:
        first, newline, second = label.partition("\n")
        shown.append(first if newline and second == before else label)
        before = second
    return shown
