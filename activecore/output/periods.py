"""Periods of a calendar: which one a date is in, and when it begins and ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from activecore.errors import SelectionError, did_you_mean

__all__ = ["FREQUENCIES", "Period", "period_of"]

Date: TypeAlias = Any
"""A ``cftime.datetime``: it ships no types."""

FREQUENCIES = ("YS", "QS", "QS-DEC", "MS", "D", "h")
"""Lengths of periods; all but ``QS-DEC`` may have a number before them."""

_FREQUENCY = re.compile(r"(\d*)([A-Za-z]+(?:-[A-Za-z]+)?)")
_MONTHS = {"YS": 12, "QS": 3, "QS-DEC": 3, "MS": 1}
_OF_OTHERS = {
    "A": "YS", "AS": "YS", "Y": "YS", "YE": "YS", "Q": "QS", "QE": "QS",
    "M": "MS", "ME": "MS", "H": "h", "d": "D",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """Periods of one length, numbered from the one that ``first`` is in."""

    first: Date
    """The earliest date."""
    months: int = 0
    """Their length in months; 0: it is ``span``."""
    span: timedelta = timedelta(0)
    """Their length."""
    anchor: int = 0
    """A month, counted from 0, in which one of them begins."""

    def number(self, date: Date) -> int:
        """Say which period a date is in."""
        if self.months > 0:
            return (_month(date) - _month(self._origin)) // self.months
        return int((date - self._origin) // self.span)

    def begin(self, number: int) -> Date:
        """Give the date on which a period begins, and the one before it ends."""
        if self.months == 0:
            return self._origin + number * self.span
        return _first_of(_month(self._origin) + number * self.months, self.first)

    @property
    def _origin(self) -> Date:
        if self.months > 0:
            begun = (_month(self.first) - self.anchor) % self.months
            return _first_of(_month(self.first) - begun, self.first)
        whole = {"minute": 0, "second": 0, "microsecond": 0}
        if self.span >= timedelta(days=1):
            whole["hour"] = 0
        return self.first.replace(**whole)


def _month(date: Date) -> int:
    return int(date.year * 12 + date.month - 1)


def _first_of(month: int, like: Date) -> Date:
    """Give the first day of a month, in the calendar of another date."""
    year, number = divmod(month, 12)
    if year == 0 and not like.has_year_zero:
        year = -1 if month < 0 else 1
    return type(like)(
        year, number + 1, 1, calendar=like.calendar, has_year_zero=like.has_year_zero
    )


def period_of(frequency: str, first: Date) -> Period:
    """Read the length of periods: ``YS``, ``QS``, ``QS-DEC``, ``MS``, ``5D``, ``6h``.

    Periods of months begin where those of the calendar do (``2MS``: with the month of
    the first date), those of days at midnight.

    Raises
    ------
    SelectionError
        It is none of these.
    """
    match = _FREQUENCY.fullmatch(frequency.strip())
    count, unit = (match[1], match[2]) if match else ("", frequency)
    number = int(count) if count else 1
    if unit not in FREQUENCIES or number == 0 or (count and unit == "QS-DEC"):
        meant = _OF_OTHERS.get(unit)
        hint = did_you_mean(unit, FREQUENCIES) if meant is None else ""
        if meant is not None:
            hint = f": did you mean {count}{meant}?"
        raise SelectionError(
            f"--resample {frequency}: no such period{hint} "
            f"(known: {', '.join(FREQUENCIES)}, with a number before them)"
        )
    if unit == "D":
        return Period(first, span=timedelta(days=number))
    if unit == "h":
        return Period(first, span=timedelta(hours=number))
    anchor = 11 if unit == "QS-DEC" else 0
    if number > 1:
        anchor = _month(first)
        if unit != "MS":
            anchor -= anchor % _MONTHS[unit]
    return Period(first, months=number * _MONTHS[unit], anchor=anchor)
