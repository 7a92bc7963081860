"""Opening a source so that it cannot change unnoticed while it is read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from activecore import ChunkNotFound, ChunkReadError, SourceChanged, source_version

__all__ = ["SourceFile", "read_error"]

# A FIFO put where a chunk should lie would block ``open`` for good.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def read_error(
    source: str, error: Exception, position: int | None = None
) -> ChunkReadError | SourceChanged:
    """Say what went wrong with a file, as the exception to raise from ``error``."""
    if isinstance(error, OSError) and error.errno == errno.ESTALE:
        return SourceChanged(f"{source} was removed or replaced after it was opened")
    reason = error.strerror if isinstance(error, OSError) else None
    return ChunkReadError(reason or str(error), position=position)


class SourceFile:
    """One open descriptor; a context manager that checks the file when it ends.

    Parameters
    ----------
    source
        Path of a regular file.
    version
        What ``source_version`` said of it when its index was read; None: unknown.

    Raises
    ------
    ChunkNotFound
        There is nothing at this path.
    ChunkReadError
        There is something that cannot be read: permission, a directory, a dangling
        link. Never absence.
    SourceChanged
        It is not the file of that version any more, or (when the block ends) it was
        written to within the block.
    """

    def __init__(self, source: str, version: str | None = None) -> None:
        self.source = source
        self.fd = _open(source)
        try:
            self._before = os.fstat(self.fd)
            if not stat.S_ISREG(self._before.st_mode):
                raise ChunkReadError("it is no regular file")
            if version is not None and version != _version(self._before):
                raise SourceChanged(f"{source} was written to after it was opened")
        except BaseException:
            os.close(self.fd)
            raise

    @property
    def size(self) -> int:
        """Length of the file in bytes when it was opened here."""
        return self._before.st_size

    def check(self) -> None:
        """Make sure that nobody wrote to the file since it was opened here."""
        now, before = os.fstat(self.fd), self._before
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise SourceChanged(f"{self.source} was written to while it was read")

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A change explains any error that it may have caused: it is what to report.
        try:
            if error is None or isinstance(error, Exception):
                self.check()
        finally:
            self.close()


def _open(source: str) -> int:
    try:
        return os.open(source, _FLAGS)
    except FileNotFoundError as error:
        if Path(source).is_symlink():
            raise ChunkReadError("it is a link to nothing") from error
        raise ChunkNotFound("there is no such file") from error
    except (OSError, ValueError) as error:
        raise read_error(source, error) from error


def _version(status: os.stat_result) -> str | None:
    """Name the file's content as fsspec's ``info`` of the same file would."""
    return source_version(
        {"ino": status.st_ino, "size": status.st_size, "mtime": status.st_mtime}
    )
