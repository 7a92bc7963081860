"""Local files, with the objects of databases below them."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fsspec

from activecore_sqlite.database import split

__all__ = ["DatabaseFileSystem"]


class DatabaseFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc] # untyped
    """Reads ``/path/file.sqlite`` and ``/path/file.sqlite!/object``."""

    protocol = "sqlite"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(path).removeprefix("sqlite://").rstrip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file, a folder or an object."""
        path = self._strip_protocol(path)
        file, name = split(path)
        status = os.stat(file)  # noqa: PTH116 - one call, of a path that is text
        if name:
            size = len(self.cat_file(path))
            return {"name": path, "size": size, "type": "file"}
        kind = "directory" if Path(file).is_dir() else "file"
        return {
            "name": path,
            "size": status.st_size,
            "type": kind,
            "ino": status.st_ino,
            "mtime": status.st_mtime_ns,
        }

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or what is named itself."""
        path = self._strip_protocol(path)
        if self.info(path)["type"] == "file":
            found = [path]
        else:
            found = [str(item) for item in sorted(Path(path).iterdir())]
        return [self.info(one) for one in found] if detail else found

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Read a file or an object, or a part of it."""
        file, name = split(self._strip_protocol(path))
        if not name:
            with Path(file).open("rb") as opened:
                part = range(Path(file).stat().st_size)[start:end]
                opened.seek(part.start)
                return opened.read(len(part))
        if not Path(file).is_file():
            raise FileNotFoundError(file)
        url = f"file:{quote(os.path.abspath(file))}?mode=ro"  # noqa: PTH100
        with closing(sqlite3.connect(url, uri=True)) as connection:
            query = "SELECT data FROM objects WHERE name = ?"
            row = connection.execute(query, (name,)).fetchone()
        if row is None:
            raise FileNotFoundError(path)
        return bytes(row[0][start:end])

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if mode != "rb":
            raise PermissionError("databases are read-only here")
        return io.BytesIO(self.cat_file(path))
