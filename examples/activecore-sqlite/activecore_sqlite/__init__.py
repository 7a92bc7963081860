"""activecore's backend and reader ``sqlite``: chunks that are reduced inside SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_sqlite.backend import SqliteBackend, SqliteOptions
from activecore_sqlite.reader import SqliteReader

if TYPE_CHECKING:
    from activecore import Reader, StorageBackend

__all__ = [
    "SqliteBackend",
    "SqliteOptions",
    "SqliteReader",
    "activecore_backend",
    "activecore_reader",
]


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return SqliteBackend


@hookimpl
def activecore_reader() -> type[Reader]:
    """Give the reader class to activecore."""
    return SqliteReader
