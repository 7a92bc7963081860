"""Colours for values: which map, which range, and grey for what is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.output.answer import Answer, Masked
from activecore.output.words import quantity_words, units_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

__all__ = ["GREY", "colour_bar", "colouring", "say_missing"]

GREY = "0.82"
_BALANCED = 0.2
"""The smaller side of zero must be this share of the larger one to deserve a colour."""
_SCALES = re.compile(r"(deg(ree)?s?[ _]?|°)(c|f)|celsius|fahrenheit", re.IGNORECASE)
_DEPARTURE = re.compile(r"anomal|departure|differ|change|trend|tendency", re.IGNORECASE)


def _is_diverging(answer: Answer, low: float, high: float) -> bool:
    """Tell whether zero is the middle that people look for."""
    if not low < 0 < high:
        return False
    field = answer.field
    words = " ".join(
        str(field.attrs.get(k, "")) for k in ("long_name", "standard_name")
    )
    if _SCALES.match(field.units or "") and not _DEPARTURE.search(words):
        return False  # zero degrees Celsius is a place on a scale, not its middle
    return min(-low, high) >= _BALANCED * max(-low, high)


def colouring(answer: Answer, values: Masked) -> dict[str, Any]:
    """Choose colours: keywords for ``pcolormesh``."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    if values.dtype.kind == "b":
        two = ListedColormap(["#e8e2cf", "#1f5fa8"])
        return {
            "cmap": two.with_extremes(bad=GREY),
            "norm": BoundaryNorm([-0.5, 0.5, 1.5], 2),
        }
    low, high = float(values.min()), float(values.max())
    diverging = _is_diverging(answer, low, high)
    cmap = colormaps["RdBu_r" if diverging else "viridis"].with_extremes(bad=GREY)
    if diverging:
        high = max(-low, high)
        low = -high
    elif low == high:
        room = abs(low) * 0.01 or 1.0
        low, high = low - room, high + room
    return {"cmap": cmap, "vmin": low, "vmax": high}


def colour_bar(
    axes: Axes, drawn: ScalarMappable, answer: Answer, *, wide: bool
) -> None:
    """Put a colour bar with units below a wide picture or beside another."""
    field = answer.field
    bar = axes.figure.colorbar(
        drawn,
        ax=axes,
        orientation="horizontal" if wide else "vertical",
        shrink=0.8 if wide else 1.0,
        aspect=40 if wide else 25,
        pad=0.03,
    )
    if field.values.dtype.kind == "b":
        bar.set_ticks([0, 1], labels=["false", "true"])
    else:
        bar.formatter.set_useOffset(False)  # type: ignore[attr-defined] # a ScalarFormatter, here
        label = quantity_words(field.attrs, field.name)
        bar.set_label(units_words(field.units) or label)
    bar.outline.set_linewidth(0.5)
    if np.ma.is_masked(drawn.get_array()):
        say_missing(axes)


def say_missing(axes: Axes) -> None:
    """Say in a legend what grey means."""
    from matplotlib.patches import Patch

    axes.legend(
        handles=[
            Patch(facecolor=GREY, edgecolor="0.5", linewidth=0.5, label="missing")
        ],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize=8,
        borderaxespad=0.2,
        handlelength=1.2,
    )
