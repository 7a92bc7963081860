"""Where an answer goes: checked before any data is read, written when it is there."""

from __future__ import annotations

from pathlib import Path

from activecore.errors import ConfigError
from activecore.output import check_suffix, write
from activecore.output.answer import Answer
from activecore.output.files import check_target

__all__ = ["check_early", "check_shape", "write_all"]


def check_early(
    url: str, *, out: Path | None, plot: Path | None, components: bool
) -> None:
    """Refuse what could not be written, before the source is opened.

    Raises
    ------
    ConfigError
        In one line.
    """
    if out is not None:
        check_suffix(out)
        check_target(out, source=url, what="--out")
    if plot is not None:
        check_target(plot, source=url, what="--plot")
        if components:
            raise ConfigError("--plot draws one result, and --components gives several")


def check_shape(plot: Path | None, shape: tuple[int, ...]) -> None:
    """Refuse a picture that could not be drawn, before any data is read.

    Raises
    ------
    ConfigError, UnsupportedReduction
        In one line.
    """
    if plot is not None:
        from activecore.plot import check_plot

        check_plot(plot, shape)


def write_all(answer: Answer, *, out: Path | None, plot: Path | None) -> list[Path]:
    """Write the files that are wanted, and name them."""
    written = []
    if out is not None:
        write(answer, out)
        written.append(out)
    if plot is not None:
        from activecore.plot import draw

        draw(answer, plot)
        written.append(plot)
    return written
