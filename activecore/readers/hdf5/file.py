"""One HDF5 file, opened through fsspec, with its errors put into words.

The file is always read through fsspec, a local one too: h5py by path was no faster (a
million chunks: 1.23 s by path, 1.34 s through fsspec), takes HDF5's file lock, and
shares what HDF5 has cached of the file with every other handle of the process, even
after another process has written to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from activecore.errors import (
    ActiveCoreError,
    SourceError,
    UnsupportedCodec,
    UnsupportedFormat,
)
from activecore.model import source_version
from activecore.readers.filesystem import filesystem_errors

if TYPE_CHECKING:
    import fsspec
    import h5py

__all__ = ["SIGNATURE", "HDF5File", "find_signature"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""What an HDF5 superblock begins with."""
_FIRST = 512
"""Where the superblock lies after the smallest user block; then at its doubles."""


def find_signature(fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> int | None:
    """Find where the superblock begins: at 0, 512 or one of its doubles.

    Parameters
    ----------
    fs, path
        The file.
    head
        Its first bytes: all of them, or at least 512.

    Returns
    -------
    int or None
        None: it is no HDF5 file. That takes as many reads of eight bytes as the
        file has doublings beyond ``head``.
    """
    length = len(SIGNATURE)
    offset = 0
    with filesystem_errors(path):
        size = None
        while True:
            if offset + length <= len(head):
                found = head[offset : offset + length]
            else:
                if size is None:
                    size = int(fs.info(path)["size"])
                if offset + length > size:
                    return None
                found = bytes(fs.cat_file(path, start=offset, end=offset + length))
            if found == SIGNATURE:
                return offset
            offset = max(_FIRST, 2 * offset)


class HDF5File:
    """An open HDF5 file. Used by one thread at a time.

    Parameters
    ----------
    fs, path
        The file.

    Raises
    ------
    SourceNotFound, UnsupportedFormat, AuthenticationError, BackendError
        In one line that names the path.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        import h5py

        self.path = path
        """Path of the file in its filesystem."""
        with filesystem_errors(path):
            self.version = source_version(fs.info(path))
            head = bytes(fs.cat_file(path, start=0, end=len(SIGNATURE)))
            base = find_signature(fs, path, head)
            if base is None:
                raise UnsupportedFormat(f"{path} is not an HDF5 file")
            self._raw = _View(fs.open(path, "rb"), base)
        # The version is older than all that is read: a file that changes in between
        # is found to have changed.
        self.base = base
        """Length of the user block: addresses in HDF5's answers count from here."""
        try:
            with self.guard():
                self.h5: h5py.File = h5py.File(self._raw, "r")
        except BaseException:
            self._raw.close()
            raise

    @property
    def size(self) -> int:
        """Length of the file behind the user block, in bytes."""
        return self._raw.size

    def read(self, address: int, size: int) -> bytes:
        """Read bytes at an address as HDF5 counts it; fewer at the file's end."""
        self._raw.seek(address)
        return self._raw.read(size)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn whatever h5py or the filesystem raises inside into our own errors.

        Messages of what is refused name the path.

        Raises
        ------
        SourceError
            The file was closed.
        """
        if self._raw.closed:
            raise SourceError(f"{self.path} was closed")
        try:
            yield
        except (UnsupportedFormat, UnsupportedCodec) as error:
            if self.path in str(error):
                raise
            raise type(error)(f"{self.path}: {error}") from error
        except ActiveCoreError:
            raise
        except _FAILURES as error:
            failure, self._raw.failure = self._raw.failure, None
            if failure is not None:
                with filesystem_errors(self.path):
                    raise failure from error
            raise UnsupportedFormat(
                f"{self.path} cannot be read as HDF5: {_reason(error)}"
            ) from error

    def close(self) -> None:
        """Close the file. Idempotent."""
        if not self._raw.closed:
            self.h5.close()
            self._raw.close()


class _View(io.RawIOBase):
    """What lies behind the user block of a file, as a file.

    HDF5 before 1.14.4 leaves the user block out of the addresses of chunks and not
    out of others; without one there is nothing to leave out. A failure of the
    filesystem is kept, since h5py makes it an error of its own.
    """

    def __init__(self, inner: BinaryIO, base: int) -> None:
        super().__init__()
        self._inner = inner
        self._base = base
        self.failure: Exception | None = None
        self.size = inner.seek(0, io.SEEK_END) - base
        inner.seek(base)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset += self._base
        return self._inner.seek(offset, whence) - self._base

    def tell(self) -> int:
        return self._inner.tell() - self._base

    def readinto(self, buffer: Any) -> int:
        # h5py takes a read for complete, whatever it returns.
        room = memoryview(buffer)
        filled = 0
        try:
            while filled < len(room):
                new = self._inner.readinto(room[filled:])  # type: ignore[attr-defined]
                if new == 0:
                    break
                filled += new
        except Exception as error:
            self.failure = error
            raise
        return filled

    def close(self) -> None:
        self._inner.close()
        super().close()


_FAILURES = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    OverflowError,
)
"""What h5py raises of a damaged file, depending on where it is damaged."""


def _reason(error: Exception) -> str:
    """Give what HDF5 says: the part in parentheses, where there is one."""
    text = str(error.args[0]) if error.args else type(error).__name__
    found = re.search(r"\((.*)\)\s*$", text, flags=re.DOTALL)
    return text if found is None else found.group(1)
