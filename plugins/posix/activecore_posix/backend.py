"""The backend ``posix``: files on disks of this machine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from activecore import (
    BackendError,
    BackendOptions,
    ByteRangeBackend,
    ChunkBatch,
    ChunkError,
    ConfigError,
    Partial,
    reduce_buffers,
)
from activecore_posix.reading import batch_bytes, range_bytes

if TYPE_CHECKING:
    import fsspec

__all__ = ["PosixBackend", "PosixOptions"]


_READ_BYTES = 4 << 20
"""Bytes of chunks without codecs that are read and reduced at a time: then they are
still in the cache."""


class PosixOptions(BackendOptions):
    """What can be configured about ``posix``."""

    access: Literal["read", "mmap"] = Field(
        default="read",
        description=(
            "How files are read: 'read', at positions into memory that is used again; "
            "'mmap', mapped into memory, faster for data that is not compressed, but a "
            "file that somebody shortens meanwhile kills this process (SIGBUS)."
        ),
    )


class PosixBackend(ByteRangeBackend):
    """Reads local files and reduces them here.

    A file that is written to while it is read is ``SourceChanged``: its inode, size
    and modification time are compared, on the descriptor that is read, with those of
    the time when its index was read, and again when all of a batch has been read.
    """

    name = "posix"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[BackendOptions]] = PosixOptions
    options: PosixOptions

    def __init__(self, options: PosixOptions | None = None) -> None:
        super().__init__(options)
        self._is_closed = False

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Read the chunks' bytes, neighbours in one go, and reduce them here."""
        self._check_open()
        is_mapped = self.options.access == "mmap"
        step = max(1, _READ_BYTES // max(1, batch.layout.nbytes))
        if is_mapped or len(batch) <= step or batch.layout.is_encoded:
            return self._reduced(batch, is_mapped=is_mapped)
        partials = []
        for start in range(0, len(batch), step):
            part = batch.part(start, start + step)
            try:
                partials.append(self._reduced(part, is_mapped=is_mapped))
            except ChunkError as error:
                if error.position is not None:
                    error.position += start
                raise
        return Partial.joined(partials)

    def _reduced(self, batch: ChunkBatch, *, is_mapped: bool) -> Partial:
        with ExitStack() as until_reduced:
            chunks, cost = batch_bytes(
                batch, mapped=is_mapped, until_reduced=until_reduced
            )
            return reduce_buffers(batch, chunks, cost=cost, limit=self.max_chunk_bytes)

    def read_range(self, source: str, offset: int, size: int) -> bytes:
        """Read ``size`` bytes at ``offset`` of a file; size -1: all of it."""
        self._check_open()
        return range_bytes(source, offset, size)

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:
        """Give fsspec's local filesystem.

        Raises
        ------
        ConfigError
            The URL is neither a path nor a ``file://`` URL.
        """
        import fsspec

        self._check_open()
        scheme = urlsplit(url).scheme if "://" in url else "file"
        if scheme not in ("file", "local"):
            raise ConfigError(
                f"backend 'posix' reads paths and file:// URLs, not {scheme}:// URLs"
            )
        return fsspec.filesystem("file")

    def check(self) -> str:
        """Say how files are read."""
        self._check_open()
        how = "mapped into memory" if self.options.access == "mmap" else "read"
        return f"ready; local files are {how}"

    def close(self) -> None:
        """Refuse later calls. Those in flight hold their own files, and end."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise BackendError("backend 'posix' was closed")
