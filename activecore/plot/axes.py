"""The axes of a picture: where points and cell edges lie, labels and ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.output.answer import Answer, Coordinate
from activecore.output.longitudes import CIRCLE, Floats, continuous
from activecore.output.times import decode_dates, is_time
from activecore.output.words import (
    degrees_words,
    is_latitude,
    is_longitude,
    quantity_words,
    units_words,
)
from activecore.plot.dates import date_ticks

if TYPE_CHECKING:
    from matplotlib.axis import Axis as DrawnAxis

__all__ = ["NUMBERS", "Axis", "axis_of"]

NUMBERS = "{x:.10g}"
"""How ticks are written: whole, because a factor beside the axis is overlooked."""
_PRESSURE = frozenset({"pa", "hpa", "mbar", "millibar", "mb", "bar", "dbar", "kpa"})
_POLE = 90.0


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One dimension of an answer, as it is drawn."""

    name: str
    """Name of its coordinate, or of the dimension itself."""
    points: Floats
    """Where each element lies: ascending or descending."""
    order: NDArray[np.intp]
    """How the elements are to be arranged so that ``points`` are in order."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the coordinate."""
    bounds: Floats | None = None
    """Both ends of each cell, where the source has them."""

    @property
    def is_latitude(self) -> bool:
        """Whether it is the true latitude."""
        return is_latitude(self.name, self.attrs)

    @property
    def is_longitude(self) -> bool:
        """Whether it is the true longitude."""
        return is_longitude(self.name, self.attrs)

    @property
    def is_time(self) -> bool:
        """Whether it is a time since a date."""
        return is_time(self.attrs)

    @property
    def is_vertical(self) -> bool:
        """Whether it goes up and down (CF 4.3)."""
        units = str(self.attrs.get("units", "")).casefold()
        return (
            str(self.attrs.get("axis", "")).upper() == "Z"
            or str(self.attrs.get("positive", "")).casefold() in ("up", "down")
            or units in _PRESSURE
        )

    @property
    def grows_down(self) -> bool:
        """Whether greater values lie lower: depths and pressures."""
        positive = str(self.attrs.get("positive", "")).casefold()
        units = str(self.attrs.get("units", "")).casefold()
        return self.is_vertical and (
            positive == "down" or (positive == "" and units in _PRESSURE)
        )

    @property
    def label(self) -> str:
        """What is written along it, units included."""
        words = quantity_words(self.attrs, self.name)
        units = units_words(str(self.attrs.get("units", "")))
        if units is None or decode_dates(self.points[:1], self.attrs) is not None:
            return words
        return f"{words} ({units})"

    @property
    def edges(self) -> Floats:
        """Where cells meet: one more than there are points."""
        edges = self._meeting_bounds()
        if edges is None:
            edges = _between(self.points)
        return edges.clip(-_POLE, _POLE) if self.is_latitude else edges

    def _meeting_bounds(self) -> Floats | None:
        """Give the edges that the source's own bounds make, if they have no gaps."""
        if self.bounds is None:
            return None
        ascending = len(self.points) < 2 or self.points[0] < self.points[-1]  # noqa: PLR2004 - two ends
        ends = np.sort(self.bounds, axis=1)
        low, high = (ends[:, 0], ends[:, 1]) if ascending else (ends[:, 1], ends[:, 0])
        inside = (ends[:, 0] <= self.points) & (self.points <= ends[:, 1])
        if not inside.all() or not np.allclose(low[1:], high[:-1]):
            return None
        return np.append(low, high[-1:])

    def thinned(self, most: int) -> Axis:
        """Give the axis with every second point, or every third, of more than ``most``.

        The arrangement names the points that are left.
        """
        step = -(-len(self.points) // most)
        if step <= 1:
            return self
        every = slice(None, None, step)
        return replace(
            self, points=self.points[every], order=self.order[every], bounds=None
        )

    def mark(self, drawn: DrawnAxis, low: float, high: float) -> None:
        """Put ticks and the label on a drawn axis that shows ``low`` to ``high``."""
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        drawn.set_label_text(self.label)
        low, high = min(low, high), max(low, high)
        ticks = date_ticks(low, high, self.attrs) if self.is_time else None
        if ticks is not None and len(ticks[0]) > 0:
            drawn.set_ticks(ticks[0], labels=ticks[1])
        elif self.is_latitude or self.is_longitude:
            north = self.is_latitude
            drawn.set_major_locator(MaxNLocator(7, steps=[1, 1.5, 2, 3, 6, 10]))
            drawn.set_major_formatter(
                FuncFormatter(lambda value, _: degrees_words(value, north=north))
            )
        else:
            drawn.set_major_formatter(NUMBERS)


def _between(points: Floats) -> Floats:
    """Put edges half way between points, and as far out at the ends."""
    if len(points) == 1:
        return np.array([points[0] - 0.5, points[0] + 0.5])
    middle = (points[1:] + points[:-1]) / 2
    first, last = 2 * points[0] - middle[0], 2 * points[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _in_order(points: Floats) -> NDArray[np.intp]:
    """Arrange points so that they ascend or descend."""
    steps = np.diff(points)
    if (steps > 0).all() or (steps < 0).all():
        return np.arange(len(points))
    return np.argsort(points, kind="stable")


def _candidates(answer: Answer, dim: str) -> list[Coordinate]:
    """Name the coordinates that may stand for a dimension, the best first."""
    own = answer.coordinate_of(dim)
    others = [c for c in answer.coordinates if c.dims == (dim,) and c is not own]
    known = [
        c
        for c in others
        if is_time(c.attrs)
        or is_latitude(c.name, c.attrs)
        or is_longitude(c.name, c.attrs)
    ]
    if own is None:
        return known + others
    return [own] if own.units is not None else [*known, own]


def axis_of(answer: Answer, dim: str) -> Axis:
    """Make the axis of a dimension; without coordinates it is numbered from 0."""
    for coordinate in _candidates(answer, dim):
        values = coordinate.values
        points = np.asarray(values.data, dtype=np.float64)
        if np.ma.is_masked(values) or not np.isfinite(points).all():
            continue
        around = is_longitude(coordinate.name, coordinate.attrs)
        if around:
            points = continuous(points)
        order = _in_order(points)
        points = points[order]
        bounds = coordinate.bounds
        if bounds is not None and bounds.shape == (len(points), 2):
            bounds = np.asarray(bounds, dtype=np.float64)[order]
            if around:
                turns = np.round((points[:, np.newaxis] - bounds) / CIRCLE)
                bounds = bounds + CIRCLE * turns
        else:
            bounds = None
        return Axis(coordinate.name, points, order, coordinate.attrs, bounds)
    length = answer.shape[answer.dims.index(dim)]
    return Axis(dim, np.arange(length, dtype=np.float64), np.arange(length))
