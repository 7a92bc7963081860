"""The reader ``sqlite``: databases that ``activecore-sqlite ingest`` wrote."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from activecore import (
    ArrayInfo,
    ChunkLayout,
    Codec,
    Located,
    Missing,
    Reader,
    SourceNotFound,
    UnsupportedFormat,
    VariableInfo,
    VariableNotFound,
    source_version,
)

if TYPE_CHECKING:
    import fsspec

__all__ = ["SqliteReader"]

MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Rows:
    """Where a chunk lies: in the row that has its coordinates in its name."""

    path: str
    name: str
    chunk_shape: tuple[int, ...]

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Name rows; nothing is read."""
        sources = np.empty(len(coords), dtype=object)
        sources[:] = [
            f"{self.path}!/{self.name}/{'.'.join(map(str, row))}"
            for row in coords.tolist()
        ]
        nothing = np.zeros(len(coords), dtype=np.int64)
        return Located(sources, nothing, nothing - 1, nothing)


class SqliteReader(Reader):
    """Reads the table ``variables``."""

    name = "sqlite"
    contract: ClassVar[tuple[int, int]] = (1, 0)

    @classmethod
    def recognises(cls, fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> bool:  # noqa: ARG003
        """Tell by the first bytes."""
        return head.startswith(MAGIC)

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        if group != "/":
            raise VariableNotFound(f"{path} has no group {group!r}")
        if not Path(path).is_file():
            raise SourceNotFound(f"there is no database {path} on this machine")
        url = f"file:{quote(os.path.abspath(path))}?mode=ro"  # noqa: PTH100
        try:
            with closing(sqlite3.connect(url, uri=True)) as connection:
                rows = connection.execute("SELECT name, description FROM variables")
                self._found = {name: json.loads(text) for name, text in rows}
        except (sqlite3.Error, ValueError) as error:
            raise UnsupportedFormat(
                f"{path} is no database of arrays: {error}"
            ) from error
        self._path = path
        self._version = source_version(fs.info(path))

    def variables(self) -> Mapping[str, VariableInfo]:
        """List what was ingested."""
        return {
            name: VariableInfo(
                name,
                tuple(found["shape"]),
                tuple(found["dims"]),
                np.dtype(found["dtype"]),
                found["attrs"],
            )
            for name, found in self._found.items()
        }

    def array(self, name: str) -> ArrayInfo:
        """Describe one variable."""
        found: dict[str, Any] | None = self._found.get(name)
        if found is None:
            known = ", ".join(sorted(self._found))
            raise VariableNotFound(f"{self._path} has no {name!r}, but {known}")
        dtype = np.dtype(found["dtype"])
        fill = None if found["fill"] is None else dtype.type(found["fill"])
        layout = ChunkLayout(
            dtype,
            found["chunks"],
            codecs=[Codec.of("zlib")],
            missing=Missing() if fill is None else Missing((fill,)),
            fill_value=fill,
        )
        return ArrayInfo(
            name=name,
            shape=tuple(found["shape"]),
            dims=tuple(found["dims"]),
            dtype=dtype.newbyteorder("="),
            chunks=tuple(found["chunks"]),
            attrs=found["attrs"],
            layouts=(layout,),
            index=Rows(self._path, name, tuple(found["chunks"])),
            version=self._version,
            version_source=self._path,
            source=self._path,
        )

    def close(self) -> None:
        """Close nothing: all was read at once."""
