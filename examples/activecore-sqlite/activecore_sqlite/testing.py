"""How the conformance suite puts bytes into a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from activecore.testing import Rig
from activecore_sqlite.backend import SqliteBackend
from activecore_sqlite.database import SCHEMA, split

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = ["SqliteRig"]


class SqliteRig(Rig):
    """Writes rows of one database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "objects.sqlite"

    def backend(self) -> StorageBackend:
        """Make a backend; databases are wherever sources say."""
        return SqliteBackend()

    def put(self, name: str, data: bytes) -> str:
        """Write a row."""
        self._execute("INSERT OR REPLACE INTO objects VALUES (?, ?)", (name, data))
        return f"{self.path}!/{name}"

    def put_file(self, name: str, data: bytes) -> str:
        """Write a row, and give its URL."""
        return f"sqlite://{self.put(name, data)}"

    def delete(self, source: str) -> None:
        """Remove a row."""
        self._execute("DELETE FROM objects WHERE name = ?", (split(source)[1],))

    def unreadable(self) -> Mapping[str, str]:
        """Give what is there and cannot be read."""
        (self.folder / "text.sqlite").write_text("no database at all\n" * 99)
        self._execute("INSERT OR REPLACE INTO objects VALUES (?, ?)", ("number", 7))
        return {
            "no database": f"{self.folder}/text.sqlite!/x",
            "a folder": f"{self.folder}!/x",
            "a number": f"{self.path}!/number",
        }

    def _execute(self, query: str, values: tuple[object, ...]) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executescript(SCHEMA)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(query, values)
