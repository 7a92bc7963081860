"""Groups along a dimension as a user names them, and the coordinate that they become.

``time.month`` and its like make a climatology, whose coordinate and bounds are those
of CF 7.4; periods (``YS``, ``time.year``) follow one another and have ordinary bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import ConfigError, SelectionError, did_you_mean
from activecore.model import is_reducible
from activecore.output.answer import Coordinate
from activecore.output.attributes import portable_attributes
from activecore.output.coordinates import Neighbours, plain_name
from activecore.output.periods import Period, period_of
from activecore.output.times import calendar_of, decode_dates, is_time

__all__ = ["COMPONENTS", "Grouping", "grouping_by", "grouping_of_periods"]

Array: TypeAlias = NDArray[Any]
Date: TypeAlias = Any

SEASONS = ("DJF", "MAM", "JJA", "SON")


@dataclass(frozen=True, slots=True)
class _Component:
    """A part of a date that recurs: what it is called, and the cell that it lies in."""

    of: Callable[[Date], int]
    """Date -> label."""
    frequency: str
    """The period that one of its cells takes."""
    within: str
    """What CF calls the span in which it recurs."""
    meanings: tuple[str, ...] = ()
    """Words for the labels, from 0 up."""


_RECURRENT = frozenset({"mean", "minimum", "maximum", "sum"})
"""Methods that are the same within years and over them, as CF 7.4 writes it."""

COMPONENTS: Mapping[str, _Component] = {
    "month": _Component(lambda date: int(date.month), "MS", "years"),
    "season": _Component(
        lambda date: int(date.month % 12 // 3), "QS-DEC", "years", SEASONS
    ),
    "dayofyear": _Component(lambda date: int(date.dayofyr), "D", "years"),
    "hour": _Component(lambda date: int(date.hour), "h", "days"),
}
"""What may follow ``time.``; ``year``, which does not recur, too."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Groups along one dimension, labelled."""

    dim: str
    """The dimension."""
    words: str
    """What it is grouped by, for titles."""
    labels: Array
    """The label of each position."""
    groups: Array
    """The label of each group, in order."""
    coordinates: tuple[Coordinate, ...]
    """Coordinates of the groups, the dimension's own first."""
    recurs: str | None = None
    """``years`` or ``days``: cells recur within these, and over them."""

    def cell_method(self, method: str) -> str:
        """Write the entry of ``cell_methods`` for a method (CF 7.3 and 7.4)."""
        if self.recurs is None or method not in _RECURRENT:
            return f"{self.dim}: {method}"
        return (
            f"{self.dim}: {method} within {self.recurs} "
            f"{self.dim}: {method} over {self.recurs}"
        )


def grouping_by(neighbours: Neighbours, text: str) -> Grouping:
    """Group by a part of a date (``time.month``) or by a variable (``basin``).

    Raises
    ------
    SelectionError
        There is no such dimension, variable or part; says what was meant.
    ConfigError
        cftime is not installed.
    """
    dims = neighbours.array.dims
    dim, dot, part = text.partition(".")
    if not dot:
        return _by_variable(neighbours, text)
    if dim not in dims:
        hint = did_you_mean(dim, dims) or f" (dimensions: {', '.join(dims)})"
        raise SelectionError(f"--by {text}: there is no dimension {dim!r}{hint}")
    known = [*COMPONENTS, "year"]
    if part not in known:
        hint = did_you_mean(part, known) or f" (known: {', '.join(known)})"
        raise SelectionError(f"--by {text}: dates have no {part!r}{hint}")
    if part == "year":
        return grouping_of_periods(neighbours, "YS", dim=dim, words="year")
    times = _times(neighbours, dim, f"--by {text}")
    component = COMPONENTS[part]
    labels = np.array([component.of(date) for date in times.dates], dtype=np.int64)
    groups = np.unique(labels)
    period = period_of(component.frequency, min(times.dates))
    cells = [
        times.cell(
            [date for date, of in zip(times.dates, labels, strict=True) if of == g],
            period,
        )
        for g in groups
    ]
    coordinate = times.coordinate(cells, recurs=True)
    label = _label_coordinate(dim, part, groups, component.meanings)
    return Grouping(
        dim, f"{part} of {dim}", labels, groups, (coordinate, label), component.within
    )


def grouping_of_periods(
    neighbours: Neighbours,
    frequency: str,
    *,
    dim: str | None = None,
    words: str | None = None,
) -> Grouping:
    """Group by periods that follow one another: ``YS``, ``MS``, ``5D``.

    Periods without any position between the first and the last are there, and empty.

    Parameters
    ----------
    dim
        The dimension; None: the one that has times.
    words
        What titles call it.

    Raises
    ------
    SelectionError, ConfigError
        As ``grouping_by`` does.
    """
    name, equals, given = frequency.partition("=")
    if equals:
        dim, frequency = name.strip(), given.strip()
    if dim is None:
        dim = _time_dimension(neighbours)
    if dim not in neighbours.array.dims:
        known = neighbours.array.dims
        hint = did_you_mean(dim, known) or f" (dimensions: {', '.join(known)})"
        raise SelectionError(f"--resample: there is no dimension {dim!r}{hint}")
    times = _times(neighbours, dim, f"--resample {frequency}")
    period = period_of(frequency, min(times.dates))
    labels = np.array([period.number(date) for date in times.dates], dtype=np.int64)
    groups = np.arange(labels.min(), labels.max() + 1)
    cells = [(period.begin(int(g)), period.begin(int(g) + 1)) for g in groups]
    coordinate = times.coordinate(
        [_Cell(begin, end, begin, end) for begin, end in cells], recurs=False
    )
    said = words if words is not None else f"periods of {frequency}"
    return Grouping(dim, f"{said} of {dim}", labels, groups, (coordinate,))


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a group lies in time."""

    begin: Date
    """Where its first cell begins."""
    end: Date
    """Where that one ends: its middle is the coordinate."""
    low: Date
    """The earlier bound of all its cells."""
    high: Date
    """The later one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """The dates along a dimension."""

    dim: str
    dates: Sequence[Date]
    attrs: Mapping[str, Any]
    ends: tuple[Date, Date] | None
    """The bounds of all cells, where the source has bounds."""

    def cell(self, dates: Sequence[Date], period: Period) -> _Cell:
        """Find the cells that dates of one group lie in, no further than the data."""
        first, last = period.number(min(dates)), period.number(max(dates))
        begin, end = period.begin(first), period.begin(first + 1)
        low, high = begin, period.begin(last + 1)
        if self.ends is not None:
            low, high = max(low, self.ends[0]), min(high, self.ends[1])
        return _Cell(begin, end, low, high)

    def coordinate(self, cells: Sequence[_Cell], *, recurs: bool) -> Coordinate:
        """Make the coordinate: the middle of each group's first cell, with bounds."""
        begins = self._numbers([cell.begin for cell in cells])
        ends = self._numbers([cell.end for cell in cells])
        bounds = [
            self._numbers([getattr(c, e) for c in cells]) for e in ("low", "high")
        ]
        name = plain_name(self.dim)
        return Coordinate(
            name=name,
            dims=(self.dim,),
            values=np.ma.MaskedArray(begins + (ends - begins) / 2),
            attrs=portable_attributes(self.attrs),
            bounds=np.stack(bounds, axis=1),
            bounds_name="climatology_bounds" if recurs else f"{name}_bnds",
            recurs=recurs,
        )

    def _numbers(self, dates: Sequence[Date]) -> NDArray[np.float64]:
        import cftime

        units, calendar = str(self.attrs["units"]).strip(), calendar_of(self.attrs)
        return np.asarray(cftime.date2num(list(dates), units, calendar), np.float64)


def _time_dimension(neighbours: Neighbours) -> str:
    found = []
    for dim in neighbours.array.dims:
        name = neighbours.coordinate_variable(dim)
        if name is not None and is_time(neighbours.dataset.variables[name].attrs):
            found.append(dim)
    if len(found) != 1:
        which = "none" if not found else ", ".join(found)
        raise SelectionError(
            f"--resample: one dimension of times is needed, and there is {which}; "
            "name it, as in --resample time=YS"
        )
    return found[0]


def _times(neighbours: Neighbours, dim: str, where: str) -> _Times:
    try:
        import cftime  # noqa: F401 - the import is the check
    except ImportError as error:
        raise ConfigError(f"{where} needs cftime: pip install cftime") from error
    found = neighbours.along(dim)
    if found is None:
        raise SelectionError(f"{where}: there is no coordinate variable {dim!r}")
    values, attrs = found
    if not is_time(attrs):
        units = attrs.get("units", "no units")
        raise SelectionError(f"{where}: {dim!r} holds no times ({units})")
    dates = decode_dates(values, attrs)
    if dates is None:
        missing = np.ma.is_masked(values) or not np.isfinite(values.data).all()
        how = f"in {attrs['units']!r}, calendar {calendar_of(attrs)!r}"
        why = "some are missing" if missing else how
        raise SelectionError(f"{where}: the times of {dim!r} cannot be decoded: {why}")
    if dates.size == 0:
        raise SelectionError(f"{where}: no element of {dim!r} is selected")
    ends = None
    bounds = neighbours.bounds_along(dim)
    if bounds is not None:
        edges = decode_dates([bounds.min(), bounds.max()], attrs)
        if edges is not None:
            ends = (edges[0], edges[1])
    return _Times(dim, dates.tolist(), attrs, ends)


def _label_coordinate(
    dim: str, part: str, groups: Array, meanings: tuple[str, ...]
) -> Coordinate:
    attrs: dict[str, Any] = {"long_name": f"{part} of {dim}"}
    if meanings:
        attrs["flag_values"] = np.arange(len(meanings), dtype=np.int32)
        attrs["flag_meanings"] = " ".join(meanings)
    values = np.ma.MaskedArray(groups.astype(np.int32))
    return Coordinate(name=part, dims=(dim,), values=values, attrs=attrs)


def _by_variable(neighbours: Neighbours, text: str) -> Grouping:
    name = neighbours.find(text)
    variables = neighbours.dataset.variables
    if name is None:
        parts = [*COMPONENTS, "year"]
        dated = [f"{dim}.{part}" for dim in neighbours.array.dims for part in parts]
        known = [*dated, *variables]
        hint = did_you_mean(text, known)
        raise SelectionError(
            f"--by {text}: write it as time.month, or name a 1-D variable{hint}"
        )
    dims = variables[name].dims
    if len(dims) != 1 or dims[0] not in neighbours.array.dims:
        raise SelectionError(
            f"--by {text}: {text!r} has the dimensions ({', '.join(dims)}), "
            "not one of those that are reduced"
        )
    if not is_reducible(variables[name].dtype):
        raise SelectionError(
            f"--by {text}: {text!r} holds text; groups are made by numbers, or by a "
            "part of a date, as in time.month"
        )
    values = neighbours.read(name)
    labels: Array = np.ma.filled(values.astype(np.float64), np.nan)
    if values.dtype.kind in "iu" and not np.ma.is_masked(values):
        labels = np.asarray(values.data)
    groups = np.unique(labels[labels == labels])  # noqa: PLR0124 - false for NaN
    if len(groups) == 0:
        raise SelectionError(f"--by {text}: no selected value of {text!r} is there")
    attrs = portable_attributes(variables[name].attrs)
    coordinate = Coordinate(
        plain_name(name), (dims[0],), np.ma.MaskedArray(groups), attrs
    )
    return Grouping(dims[0], plain_name(name), labels, groups, (coordinate,))
