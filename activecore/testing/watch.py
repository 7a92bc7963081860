"""Noticing I/O that should not be there."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["watch_io"]

_EVENTS = frozenset(
    {
        "open",
        "os.listdir",
        "os.scandir",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendto",
        "sqlite3.connect",
        "subprocess.Popen",
        "urllib.Request",
    }
)
"""Audit events of Python's own I/O; what a compiled client does is not seen."""

_watched = threading.local()


@contextmanager
def watch_io() -> Iterator[list[str]]:
    """Collect the I/O that this thread does within the block, one text for each.

    Importing a module is I/O too: let the code run once before it is watched.
    """
    _install()
    seen: list[str] = []
    _watched.seen = seen
    try:
        yield seen
    finally:
        _watched.seen = None


@functools.cache
def _install() -> None:
    # An audit hook cannot be removed, hence once, and idle outside the block.
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        seen: list[str] | None = getattr(_watched, "seen", None)
        if seen is not None:
            what = arguments[0] if arguments else ""
            seen.append(f"{event} {what!r}")
