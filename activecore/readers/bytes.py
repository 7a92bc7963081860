"""The bytes of one file, near or far, as readers of binary formats need them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from activecore.errors import UnsupportedFormat
from activecore.readers.filesystem import is_local
from activecore.readers.remote.filesystem import RememberingFileSystem
from activecore.readers.remote.source import RemoteBytes

if TYPE_CHECKING:
    from typing import BinaryIO

    import fsspec

__all__ = ["Bytes", "open_bytes"]


class Bytes(Protocol):
    """The bytes of one file. Used by one thread at a time."""

    size: int
    """Length in bytes."""
    is_far: bool
    """Whether reading takes a round trip."""

    def read(self, start: int, stop: int) -> bytes:
        """Read a range; fewer bytes where the file ends within it."""
        ...

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Get ready ranges that will be read, all together."""
        ...

    def close(self) -> None:
        """Release the file. Idempotent."""
        ...


def open_bytes(fs: fsspec.AbstractFileSystem, path: str) -> Bytes:
    """Open a file for reading metadata.

    A local file is read where and when it is asked; of an object that is far away
    more is read than is asked, in fewer round trips.

    Raises
    ------
    UnsupportedFormat
        How large it is cannot be told.
    OSError
        As the filesystem raises it.
    """
    if is_local(fs):
        return _LocalBytes(fs.open(path, "rb"))
    if (
        isinstance(fs, RememberingFileSystem)
        and fs.bytes is not None
        and path == fs.path
    ):
        return fs.bytes
    size = fs.info(path).get("size")
    if size is None:
        raise UnsupportedFormat(f"how large {path} is cannot be told")
    return RemoteBytes(fs, path, int(size))


class _LocalBytes:
    """The bytes of a local file, kept open: it stays the same file if it is replaced.

    See ``Bytes``.
    """

    is_far = False

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.size = inner.seek(0, io.SEEK_END)

    def read(self, start: int, stop: int) -> bytes:
        # A damaged file asks for places that no file has.
        stop = min(stop, self.size)
        if stop <= start:
            return b""
        self._inner.seek(start)
        return self._inner.read(stop - start)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Do nothing: a local file has no round trips."""

    def close(self) -> None:
        self._inner.close()
