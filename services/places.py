"""Where things are kept, and who may change them at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache", "exclusively", "state_directory", "tail"]


def cache() -> Path:
    """Where built servers are kept: ``SERVICES_CACHE``, or below the user's cache."""
    given = os.environ.get("SERVICES_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "activecore-services"


def state_directory() -> Path:
    """Where running servers keep state: ``SERVICES_STATE``, or ``.services`` here."""
    given = os.environ.get("SERVICES_STATE")
    return Path(given) if given else Path(__file__).resolve().parents[1] / ".services"


@contextmanager
def exclusively(lock: Path) -> Iterator[None]:
    """Wait until no other process holds this lock file, and hold it.

    The operating system lets go of it when its holder ends, however it ends.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(log: Path, lines: int = 15) -> str:
    """Give the last lines of a log, indented, or say that it is empty."""
    text = log.read_text(errors="replace") if log.exists() else ""
    last = text.strip().splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in last) or "  (the log is empty)"
