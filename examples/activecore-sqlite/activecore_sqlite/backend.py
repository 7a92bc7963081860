"""The backend ``sqlite``: one query for a batch, reduced by functions of the query."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from activecore import (
    BackendOptions,
    ChunkBatch,
    ChunkNotFound,
    ChunkReadError,
    ChunkRequest,
    Cost,
    Partial,
    StorageBackend,
    UnsupportedCodec,
    check_cancelled,
)
from activecore_sqlite.database import Connections, split
from activecore_sqlite.functions import read_answer
from activecore_sqlite.question import question_of

if TYPE_CHECKING:
    import fsspec

__all__ = ["SqliteBackend", "SqliteOptions"]

_QUERY = "SELECT active_reduce(data, ?, ?, ?) FROM objects WHERE name = ?"


class SqliteOptions(BackendOptions):
    """What can be configured about ``sqlite``."""

    timeout: float = Field(
        default=30.0, gt=0, description="Seconds to wait for a database that is locked."
    )


class SqliteBackend(StorageBackend):
    """Asks SQLite to reduce blobs; only partials leave the database.

    A source is ``/path/file.sqlite!/object``: a row of the table ``objects``.
    """

    name = "sqlite"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[BackendOptions]] = SqliteOptions
    options: SqliteOptions
    operations: ClassVar[frozenset[str]] = frozenset(
        {"count", "sum", "min", "max", "select"}
    )
    batch_chunks = 64

    def __init__(self, options: SqliteOptions | None = None) -> None:
        super().__init__(options)
        self._connections = Connections(self.options.timeout)

    def why_not(self, batch: ChunkBatch) -> str | None:
        """Name what the functions in the database cannot do, or None."""
        others = [codec.id for codec in batch.codecs if codec.id != "zlib"]
        if others or len(batch.codecs) > 1:
            return (
                f"it inflates zlib alone, and no {' + '.join(map(str, batch.codecs))}"
            )
        if not batch.layout.is_c_order:
            return "its chunks are in C order"
        if batch.operation not in self.operations:
            return f"it has no function for {batch.operation}"
        return None

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:  # noqa: ARG002
        """Give local files, databases among them, and the objects in databases."""
        from activecore_sqlite.filesystem import DatabaseFileSystem

        return DatabaseFileSystem()

    def reduce_chunk(self, request: ChunkRequest) -> Partial:
        """Let the database reduce a part of one object."""
        self._require_supported(ChunkBatch.of(request))
        check_cancelled()
        path, name = split(request.source)
        question = question_of(ChunkBatch.of(request)).write()
        asked = (request.offset, request.size, question, name)
        try:
            with self._connections.to(path) as connection:
                row = connection.execute(_QUERY, asked).fetchone()
        except FileNotFoundError as error:
            raise ChunkNotFound(f"there is no database {path}") from error
        except IsADirectoryError as error:
            raise ChunkReadError(f"{path} is a folder") from error
        if row is None:
            raise ChunkNotFound(f"there is no object {name!r} in {path}")
        return _partial(request, row[0])

    def check(self) -> str:
        """Ask SQLite for its version."""
        self._require_open()
        return f"ready; SQLite {sqlite3.sqlite_version}"

    def close(self) -> None:
        """Close every thread's connections; later calls raise."""
        super().close()
        self._connections.close()

    def _require_supported(self, batch: ChunkBatch) -> None:
        self._require_open()
        reason = self.why_not(batch)
        if reason is not None:
            raise UnsupportedCodec(f"backend 'sqlite': {reason}")

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["options"])  # type: ignore[misc] # connections stay at home


def _partial(request: ChunkRequest, answer: object) -> Partial:
    if isinstance(answer, str):
        raise ChunkReadError(f"{request.source}: {answer}")
    if not isinstance(answer, bytes):
        raise ChunkReadError(f"{request.source}: it holds no bytes")
    values, count, read = read_answer(answer)
    cost = Cost(requests=1, bytes_read=read, bytes_received=len(answer))
    return Partial(values, np.asarray(count), cost=cost)
