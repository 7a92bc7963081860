"""One figure: what is drawn, titled with what it is and how it was made."""

from __future__ import annotations

import textwrap
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from activecore.errors import UnsupportedReduction
from activecore.output.answer import Answer, Masked
from activecore.output.words import (
    over_words,
    quantity_words,
    units_words,
    where_words,
)
from activecore.plot.axes import axis_of
from activecore.plot.images import draw_image
from activecore.plot.lines import draw_line
from activecore.plot.maps import curvilinear, draw_curvilinear

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_of", "plain_text"]

_TITLE, _SUBTITLE, _FOOT = 12.0, 9.0, 7.0


def plain_text() -> AbstractContextManager[None]:
    """Take names and units as they are while a picture is made: ``$`` is no formula."""
    import matplotlib as mpl

    return mpl.rc_context({"text.parse_math": False, "text.usetex": False})


def figure_of(answer: Answer) -> Figure:
    """Draw the first field of an answer.

    Raises
    ------
    UnsupportedReduction
        Every value is missing.
    """
    values = _shown(answer)
    dims = [d for d, n in zip(answer.dims, answer.shape, strict=True) if n != 1]
    values = values.reshape([n for n in answer.shape if n != 1])
    if len(dims) == 1:
        axes = draw_line(axis_of(answer, dims[0]), values, _label(answer))
    else:
        grid = curvilinear(answer, (dims[0], dims[1]))
        if grid is not None:
            axes = draw_curvilinear(grid, values, answer)
        else:
            pair = axis_of(answer, dims[0]), axis_of(answer, dims[1])
            axes = draw_image(pair, values, answer)
    figure: Figure = axes.figure  # type: ignore[assignment]  # made with it
    _title(figure, axes, answer)
    return figure


def _shown(answer: Answer) -> Masked:
    """Give the values as they are drawn: what is no finite number is missing."""
    values = answer.field.values
    if values.dtype.kind == "f":
        values = np.ma.masked_invalid(values)
    if values.count() == 0:
        raise UnsupportedReduction("there is nothing to plot: every value is missing")
    return values


def _label(answer: Answer) -> str:
    field = answer.field
    words = quantity_words(field.attrs, field.name)
    units = units_words(field.units)
    return words if units is None else f"{words} ({units})"


def _title(figure: Figure, axes: Axes, answer: Answer) -> None:
    """Say what it is, and below that what was reduced and where; nothing is clipped."""
    figure.draw_without_rendering()  # places the axes, whose width the title may fill
    width = max(axes.get_window_extent().width / figure.dpi * 72, 200.0)
    title = _label(answer)
    title = f"{title[:1].upper()}{title[1:]}"
    below = over_words(answer)
    if where := where_words(answer):
        below = f"{below}, at {where}"
    below = textwrap.fill(below, int(width / (_SUBTITLE * 0.52)))
    height = _SUBTITLE * 1.25 * (below.count("\n") + 1)
    axes.annotate(
        below,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=_SUBTITLE,
        color="0.25",
        va="bottom",
    )
    axes.set_title(
        textwrap.fill(title, int(width / (_TITLE * 0.58))),
        loc="left",
        fontsize=_TITLE,
        fontweight="bold",
        pad=height + 9,
    )
    figure.supxlabel(
        PurePosixPath(answer.source).name,
        x=0.995,
        ha="right",
        fontsize=_FOOT,
        color="0.5",
    )
