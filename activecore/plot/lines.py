"""A line along the one axis that is left."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from activecore.output.answer import Masked
from activecore.plot.axes import NUMBERS, Axis
from activecore.plot.colours import GREY, say_missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_line"]

_LINE = "#1f5fa8"
_FEW = 60
"""As many points or fewer are marked one by one."""


def draw_line(axis: Axis, values: Masked, label: str) -> Axes:
    """Draw values along an axis; a vertical axis stands upright (a profile).

    Missing values leave a gap, with grey behind it.
    """
    from matplotlib.figure import Figure

    upright = axis.is_vertical
    size = (5.6, 6.6) if upright else (9.0, 4.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    values = np.ma.asarray(values[axis.order], dtype="f8")
    missing = np.ma.getmaskarray(values)
    marker = "o" if len(values) <= _FEW or _has_lone_points(missing) else None
    numbers = values.filled(np.nan)
    pair = (numbers, axis.points) if upright else (axis.points, numbers)
    axes.plot(*pair, color=_LINE, linewidth=1.5, marker=marker, markersize=3.5)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    along, across = (axes.yaxis, axes.xaxis) if upright else (axes.xaxis, axes.yaxis)
    across.set_label_text(textwrap.fill(label, 42))
    across.set_major_formatter(NUMBERS)
    if missing.any():
        _shade(axes, axis, missing, upright=upright)
    limits = axes.get_ylim() if upright else axes.get_xlim()
    if not upright and not missing.any():
        axes.margins(x=0.02)
        limits = axes.get_xlim()
    axis.mark(along, *limits)
    if upright and axis.grows_down:
        axes.invert_yaxis()
    return axes


def _has_lone_points(missing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> bool:
    """Tell whether a line would not show some point: both neighbours are missing."""
    around = np.concatenate([[True], missing, [True]])
    return bool((~missing & around[:-2] & around[2:]).any())


def _shade(
    axes: Axes,
    axis: Axis,
    missing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    *,
    upright: bool,
) -> None:
    """Put grey behind the cells whose value is missing."""
    edges = axis.edges
    turns = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]])))
    span = axes.axhspan if upright else axes.axvspan
    for start, stop in zip(turns[::2], turns[1::2], strict=True):
        span(edges[start], edges[stop], color=GREY, linewidth=0, zorder=0)
    say_missing(axes)
