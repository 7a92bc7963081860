"""Two axes with one coordinate each: maps, sections, and time along a side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from activecore.output.answer import Answer, Masked
from activecore.plot.axes import Axis
from activecore.plot.colours import colour_bar, colouring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_image", "figure_for"]

_WIDTH, _TALLEST, _LEAST = 9.0, 8.5, 3.6
_MOST_CELLS = 2000
"""Cells along a side; a picture has fewer pixels than that."""
_LANDSCAPE = 1.7
"""Width over height of an image whose axes measure different things."""
_TOO_LONG = 4.0
"""A map longer than this is not drawn to scale: nothing would be seen."""


def _is_map(x: Axis, y: Axis) -> bool:
    """Tell whether both axes measure the ground in the same units."""
    if x.is_longitude and y.is_latitude:
        return True
    axes = (str(x.attrs.get("axis", "")).upper(), str(y.attrs.get("axis", "")).upper())
    return axes == ("X", "Y") and x.attrs.get("units") == y.attrs.get("units")


def _rank(axis: Axis) -> int:
    """Order axes by how much they belong at the bottom of a picture."""
    if axis.is_longitude:
        return 0
    if axis.is_time:
        return 1
    return 3 if axis.is_vertical else 2


def figure_for(width: float, height: float, stretch: float | None) -> tuple[Axes, bool]:
    """Make axes for an image of an extent; a map is to scale unless it is far too long.

    Parameters
    ----------
    width, height
        Its extent.
    stretch
        How much longer a unit of height is to be drawn than a unit of width; None:
        they measure different things.

    Returns
    -------
    tuple
        The axes, and whether they are wide (so that a colour bar goes below).
    """
    from matplotlib.figure import Figure

    ratio = width / (height * (1.0 if stretch is None else stretch))
    if not 1 / _TOO_LONG <= ratio <= _TOO_LONG:
        ratio, stretch = (2.2 if ratio > 1 else 0.6), None
    wide = ratio > 1.25  # noqa: PLR2004 - where a bar below looks better than beside
    room = 2.1 if wide else 1.3
    tall = min(max((_WIDTH - 1.0) / ratio + room, _LEAST), _TALLEST)
    across = _WIDTH if wide else max((tall - room) * ratio + 2.0, 5.0)
    figure = Figure(figsize=(min(across, 11.0), tall), layout="compressed")
    axes = figure.add_subplot()
    if stretch is not None:
        axes.set_aspect(stretch)
    return axes, wide


def draw_image(pair: tuple[Axis, Axis], values: Masked, answer: Answer) -> Axes:
    """Draw values over two axes, each cell as large as it is."""
    y, x = (axis.thinned(_MOST_CELLS) for axis in pair)
    values = values[np.ix_(y.order, x.order)]
    if _rank(y) < _rank(x):
        x, y, values = y, x, values.T
    x_edges, y_edges = x.edges, y.edges
    width, height = abs(x_edges[-1] - x_edges[0]), abs(y_edges[-1] - y_edges[0])
    if _is_map(x, y):
        middle = np.radians((y_edges[0] + y_edges[-1]) / 2)
        regional = y.is_latitude and height < 90  # noqa: PLR2004 - degrees
        stretch = min(1 / np.cos(middle), 2.5) if regional else 1.0
        axes, wide = figure_for(width, height, float(stretch))
    else:
        axes, wide = figure_for(_LANDSCAPE, 1.0, None)
    drawn = axes.pcolormesh(
        x_edges, y_edges, values, rasterized=True, **colouring(answer, values)
    )
    axes.set_xlim(*sorted((x_edges[0], x_edges[-1])))
    axes.set_ylim(*sorted((y_edges[0], y_edges[-1])))
    x.mark(axes.xaxis, *axes.get_xlim())
    y.mark(axes.yaxis, *axes.get_ylim())
    if y.grows_down:
        axes.invert_yaxis()
    colour_bar(axes, drawn, answer, wide=wide)
    return axes
