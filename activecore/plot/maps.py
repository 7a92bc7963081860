"""Maps of grids whose latitudes and longitudes are two-dimensional."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.output.answer import Answer, Coordinate, Masked
from activecore.output.longitudes import CIRCLE, Floats
from activecore.output.words import is_latitude, is_longitude
from activecore.plot.axes import Axis
from activecore.plot.colours import colour_bar, colouring
from activecore.plot.images import figure_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

__all__ = ["Grid", "curvilinear", "draw_curvilinear"]

_MOST_CELLS = 400_000
_GAP = 20.0
"""A band of longitudes this wide without any point means that the grid is regional."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where the cells of a grid lie."""

    latitude: Floats
    """Latitude of each cell's middle, in degrees."""
    longitude: Floats
    """Longitude of each cell's middle, in degrees."""
    nowhere: NDArray[np.bool_]
    """Cells that have no place: their coordinates are missing."""
    axes: tuple[Axis, Axis]
    """Latitude and longitude as axes to be marked."""


def curvilinear(answer: Answer, dims: tuple[str, str]) -> Grid | None:
    """Find two-dimensional latitudes and longitudes of the dimensions left."""
    latitude = _find(answer, dims, latitude=True)
    longitude = _find(answer, dims, latitude=False)
    if latitude is None or longitude is None:
        return None
    shape = tuple(answer.shape[answer.dims.index(dim)] for dim in dims)
    places = [
        np.ma.masked_invalid(c.values.reshape(shape).astype("f8"))
        for c in (latitude, longitude)
    ]
    nowhere = np.ma.getmaskarray(places[0]) | np.ma.getmaskarray(places[1])
    if nowhere.all():
        return None
    nothing = np.empty(0)
    order = np.arange(0)
    return Grid(
        latitude=np.ma.filled(places[0], 0.0),
        longitude=np.ma.filled(places[1], 0.0),
        nowhere=nowhere,
        axes=(
            Axis(latitude.name, nothing, order, latitude.attrs),
            Axis(longitude.name, nothing, order, longitude.attrs),
        ),
    )


def _find(
    answer: Answer, dims: tuple[str, str], *, latitude: bool
) -> Coordinate | None:
    is_it = is_latitude if latitude else is_longitude
    for coordinate in answer.coordinates:
        own = tuple(
            dim for dim in coordinate.dims if answer.shape[answer.dims.index(dim)] != 1
        )
        if own == dims and is_it(coordinate.name, coordinate.attrs):
            return coordinate
    return None


def _corners(grid: Grid) -> tuple[Floats, Floats]:
    """Put a corner amid every four neighbours, on the sphere, at poles too."""
    lat, lon = np.radians(grid.latitude), np.radians(grid.longitude)
    points = np.stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
    for axis in (1, 2):
        first, last = points.take([0], axis), points.take([-1], axis)
        if points.shape[axis] > 1:  # as far out as the neighbour is in
            first = 2 * first - points.take([1], axis)
            last = 2 * last - points.take([-2], axis)
        wide = np.concatenate([first, points, last], axis=axis)
        ahead = wide.take(range(1, wide.shape[axis]), axis)
        points = (wide.take(range(wide.shape[axis] - 1), axis) + ahead) / 2
    x, y, z = points
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def _west(longitude: Floats) -> float:
    """Give the western edge of a map: the dateline, or amid the widest gap."""
    around = np.unique(longitude % CIRCLE)
    gaps = np.diff(np.append(around, around[0] + CIRCLE))
    widest = int(gaps.argmax())
    if gaps[widest] < _GAP:
        return -CIRCLE / 2
    west = float((around[widest] + gaps[widest] / 2) % CIRCLE)
    return west - CIRCLE if west > CIRCLE / 2 else west


def _outlines(grid: Grid, west: float) -> Floats:
    """Give the four corners of every cell, around its middle: (cells, 4, 2)."""
    latitude, longitude = _corners(grid)
    middle = ((grid.longitude - west) % CIRCLE + west)[..., np.newaxis]

    def four(corners: Floats) -> Floats:
        return np.stack(
            [corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], -1
        )

    around = four(longitude)
    around -= CIRCLE * np.round((around - middle) / CIRCLE)
    return np.stack([around, four(latitude)], -1).reshape(-1, 4, 2)


def draw_curvilinear(grid: Grid, values: Masked, answer: Answer) -> Axes:
    """Draw every cell where it is; those that the map's edge cuts, at both edges."""
    grid, values = _coarser(grid, values)
    placed = ~grid.nowhere.ravel()
    west = _west(grid.longitude.ravel()[placed])
    cells = _outlines(grid, west)[placed]
    values = values.ravel()[placed]
    bottom, top = cells[..., 1].min(), cells[..., 1].max()
    left, right = cells[..., 0].min(), cells[..., 0].max()
    stretch = 1.0
    if right - left >= CIRCLE:
        left, right = west, west + CIRCLE
        cells, order = _at_both_edges(cells, left, right)
        values = values[order]
    else:
        middle = np.radians((bottom + top) / 2)
        stretch = float(min(1 / max(np.cos(middle), 0.1), 2.5))
    axes, wide = figure_for(right - left, top - bottom, stretch)
    drawn = _draw_cells(axes, cells, values, colouring(answer, values))
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    grid.axes[1].mark(axes.xaxis, left, right)
    grid.axes[0].mark(axes.yaxis, bottom, top)
    colour_bar(axes, drawn, answer, wide=wide)
    return axes


def _at_both_edges(
    cells: Floats, left: float, right: float
) -> tuple[Floats, NDArray[np.intp]]:
    """Repeat the cells that lie across an edge of the map at the other one.

    Returns
    -------
    tuple
        The cells, and the number of the cell that each one was.
    """
    numbers = [np.arange(len(cells))]
    shown = [cells]
    for across, by in (
        (cells[..., 0].min(axis=1) < left, CIRCLE),
        (cells[..., 0].max(axis=1) > right, -CIRCLE),
    ):
        numbers.append(np.flatnonzero(across))
        shown.append(cells[across] + np.array([by, 0.0]))
    return np.concatenate(shown), np.concatenate(numbers)


def _draw_cells(
    axes: Axes, cells: Floats, values: Masked, colours: dict[str, Any]
) -> PolyCollection:
    from matplotlib.collections import PolyCollection

    limits = colours.pop("vmin", None), colours.pop("vmax", None)
    drawn = PolyCollection(
        cells,  # type: ignore[arg-type]  # one array is the fastest
        array=values,
        antialiased=False,
        edgecolors="none",
        rasterized=True,
        **colours,
    )
    if limits != (None, None):
        drawn.set_clim(*limits)
    axes.add_collection(drawn, autolim=False)
    return drawn


def _coarser(grid: Grid, values: Masked) -> tuple[Grid, Masked]:
    """Take every second cell, or every third, of a grid finer than any picture."""
    step = math.ceil(math.sqrt(values.size / _MOST_CELLS))
    if step <= 1:
        return grid, values
    every = (slice(None, None, step), slice(None, None, step))
    coarse = replace(
        grid,
        latitude=grid.latitude[every],
        longitude=grid.longitude[every],
        nowhere=grid.nowhere[every],
    )
    return coarse, values[every]
