"""Failures as users of the command line meet them: one line, and an exit status."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback

from activecore.errors import (
    ActiveCoreError,
    BackendError,
    Cancelled,
    ChunkError,
    ConfigError,
    SelectionError,
    SourceError,
    UnsupportedCodec,
    UnsupportedReduction,
)
from activecore.output.clean import clean

__all__ = [
    "STATUS",
    "STOPPED",
    "UNHEALTHY",
    "ReaderGone",
    "report",
    "say",
]

UNEXPECTED = 1
USAGE = 2
FILES = 8
UNHEALTHY = 7
STOPPED = 130
"""As shells report a command that Ctrl-C ended."""
BROKEN_PIPE = 141
"""As shells report a command whose reader went away."""

STATUS: tuple[tuple[type[ActiveCoreError], int], ...] = (
    (Cancelled, STOPPED),
    (ConfigError, 3),
    (SourceError, 4),
    (SelectionError, 5),
    (UnsupportedReduction, 5),
    (UnsupportedCodec, 6),
    (ChunkError, 6),
    (BackendError, UNHEALTHY),
)
"""Exit status by what would have to be done about it; docs/cli.md explains them."""


class ReaderGone(Exception):
    """Nobody reads standard output any more. Typer has a way of its own with EPIPE."""


def say(text: object) -> None:
    """Write one line to standard error."""
    with contextlib.suppress(OSError):  # nobody is left to read it
        sys.stderr.write(f"activecore: {clean(text).strip()}\n")


def _is_verbose() -> bool:
    return logging.getLogger("activecore").isEnabledFor(logging.INFO)


def report(error: BaseException) -> int:
    """Say what went wrong and give the exit status.

    Everything that activecore raises on purpose, and every failure to read or write a
    file, is one line. Anything else is a fault of ours: it says so, and shows its
    traceback where ``-v`` was given.
    """
    if isinstance(error, KeyboardInterrupt):
        say("stopped")
        return STOPPED
    if isinstance(error, (BrokenPipeError, ReaderGone)):
        # What is still buffered must not fail once more when Python exits.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if _is_verbose():
        sys.stderr.write("".join(traceback.format_exception(error)))
    for kind, status in STATUS:
        if isinstance(error, kind):
            say(error)
            return status
    if isinstance(error, ActiveCoreError):
        say(error)
        return UNEXPECTED
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        say(f"{where}{error.strerror or error}")
        return FILES
    hint = "" if _is_verbose() else "; run it again with -v for the traceback"
    say(f"unexpected {type(error).__name__}: {error}{hint}")
    return UNEXPECTED
