"""Pictures of answers: a line for one axis, a map or an image for two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from activecore.errors import ConfigError, UnsupportedReduction

if TYPE_CHECKING:
    from activecore.output.answer import Answer

__all__ = ["SUFFIXES", "check_plot", "draw"]

SUFFIXES = (".png", ".pdf", ".svg")
"""What a picture can be written as."""

_DRAWABLE = (1, 2)


def check_plot(path: Path, shape: tuple[int, ...]) -> None:
    """Make sure, before any data is read, that a picture can be drawn.

    Parameters
    ----------
    path
        Where it is wanted.
    shape
        Shape that the answer will have.

    Raises
    ------
    ConfigError
        The suffix is none of ``SUFFIXES``, or matplotlib is not installed.
    UnsupportedReduction
        The answer has no axis left, more than two, or an empty one.
    """
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ConfigError(f"--plot {path}: the suffix must be one of {known}")
    _refuse_shape(shape)
    try:
        import matplotlib as mpl  # noqa: F401 - the import is the check
    except ImportError as error:
        raise ConfigError(
            "--plot needs matplotlib: pip install 'activecore[plot]'"
        ) from error


def _refuse_shape(shape: tuple[int, ...]) -> None:
    # An axis of length one, kept or left over, is nothing to draw along.
    axes = sum(length != 1 for length in shape)
    if axes not in _DRAWABLE:
        left = "nothing" if axes == 0 else f"{axes} axes"
        more = "fewer" if axes == 0 else "more"
        raise UnsupportedReduction(
            f"a plot needs one axis or two, and this leaves {left} "
            f"(shape {shape}): reduce over {more} dimensions"
        )
    if 0 in shape:
        raise UnsupportedReduction(f"there is nothing to plot: the shape is {shape}")


def draw(answer: Answer, path: Path) -> None:
    """Draw the first field of an answer and write the picture.

    One axis gives a line, two give a map where the answer has latitudes and longitudes
    for them, otherwise an image with labelled axes.

    Raises
    ------
    ConfigError, UnsupportedReduction
        As ``check_plot`` does.
    OSError
        The file cannot be written; what was there before is still there.
    """
    check_plot(path, answer.shape)
    from activecore.output.files import whole_file
    from activecore.plot.figure import figure_of, plain_text

    with plain_text():
        figure = figure_of(answer)
        with whole_file(path) as beside:
            figure.savefig(beside, dpi=150, bbox_inches="tight", pad_inches=0.15)
