"""What a user sees while a command runs, and where its output goes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from activecore.cli.failures import ReaderGone
from activecore.output.clean import clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from activecore.recording import Run

__all__ = ["Progress", "print_json", "progress_of", "set_up_logging", "show"]

Progress = Callable[["Run"], object]

_PIPE_WIDTH = 160
"""Columns where nobody has a terminal: programs cut lines themselves."""


class _StandardError(logging.Handler):
    """Writes to the standard error of the moment, which a progress bar replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        sys.stderr.write(f"activecore: {level}: {clean(record.getMessage())}\n")


def set_up_logging(verbosity: int) -> None:
    """Show warnings; with ``-v`` what is done, with ``-vv`` every detail."""
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    level = levels[min(verbosity, 2)]
    _show_log("activecore", level)
    if verbosity > 0:
        _show_log("py.warnings", logging.WARNING)


def _show_log(name: str, level: int) -> None:
    logger = logging.getLogger(name)
    logger.setLevel(level)
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        logger.addHandler(_StandardError())


def _console() -> Console:
    from rich.console import Console

    class Quiet(Console):
        """A console that leaves a broken pipe to the caller."""

        def on_broken_pipe(self) -> NoReturn:
            raise ReaderGone

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Quiet(markup=False, highlight=False, emoji=False, width=width)


def show(*things: RenderableType) -> None:
    """Print for people: coloured on a terminal, plain text in a pipe."""
    console = _console()
    try:
        for thing in things:
            console.print(thing)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def print_json(document: Any) -> None:
    """Print one JSON document for programs."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


@contextmanager
def progress_of(what: str, *, wanted: bool) -> Iterator[Progress | None]:
    """Show how far a reduction is, on a terminal; gone when it is done.

    Gives what ``activecore.record`` calls, or None where there is nobody to see it:
    standard output or standard error is no terminal.
    """
    if not (wanted and sys.stdout.isatty() and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    from activecore.sizes import bytes_words

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("chunks  {task.fields[read]}", markup=False),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, emoji=False)
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(clean(what), total=None, read="")

        def update(run: Run) -> None:
            bar.update(
                task,
                completed=run.chunks,
                total=run.chunks_planned,
                read=bytes_words(run.bytes_read),
            )

        yield update
