"""Databases: the tables, and connections that threads do not share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from activecore import (
    AuthenticationError,
    BackendError,
    ChunkReadError,
)
from activecore_sqlite.functions import register

__all__ = ["SCHEMA", "Connections", "split"]

Held: TypeAlias = tuple[sqlite3.Connection, threading.Lock]
"""A connection, and what a thread holds while it queries."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (name TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS variables (name TEXT PRIMARY KEY, description TEXT NOT NULL);
"""


def split(source: str) -> tuple[str, str]:
    """Take ``/path/file.sqlite!/object`` apart."""
    path, _, name = source.partition("!/")
    return path, name


class Connections:
    """A connection for each thread and database, opened on first use, read-only."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[Held] = []
        self._closed = False

    @contextmanager
    def to(self, path: str) -> Iterator[sqlite3.Connection]:
        """Lend this thread's connection; raises ``FileNotFoundError`` for no file."""
        if not Path(path).exists():
            raise FileNotFoundError(path)
        connection, in_use = self._connection(path)
        try:
            # SQLite crashes when a connection is closed under a query.
            with in_use:
                if self._closed:
                    raise BackendError("backend 'sqlite' is closed")
                yield connection
        except PermissionError as error:
            raise AuthenticationError(f"{path} may not be read") from error
        except sqlite3.Error as error:
            raise ChunkReadError(f"{path}: {error}") from error

    def _connection(self, path: str) -> Held:
        # A connection must not be used by a forked child.
        if getattr(self._local, "process", None) != os.getpid():
            self._local.process, self._local.held = os.getpid(), {}
        known: dict[str, Held] = self._local.held
        if path not in known:
            with self._lock:
                if self._closed:
                    raise BackendError("backend 'sqlite' is closed")
                known[path] = (self._connect(path), threading.Lock())
                self._open.append(known[path])
        return known[path]

    def _connect(self, path: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"file:{quote(os.path.abspath(path))}?mode=ro",  # noqa: PTH100
                uri=True,
                timeout=self._timeout,
                check_same_thread=False,  # close() closes those of all threads
            )
        except sqlite3.Error as error:
            raise ChunkReadError(f"{path}: {error}") from error
        register(connection)
        return connection

    def close(self) -> None:
        """Stop what runs, wait for its end, and close every thread's connection."""
        with self._lock:
            self._closed = True
            opened, self._open = self._open, []
        for connection, in_use in opened:
            connection.interrupt()
            with in_use:
                connection.close()
