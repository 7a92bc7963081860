"""One HDF5 file, opened through fsspec, with its errors put into words.

The file is always read through fsspec, a local one too (``readers.bytes``): h5py by
path was no faster (a million chunks: 1.23 s by path, 1.34 s through fsspec), takes
HDF5's file lock, and shares what HDF5 has cached of the file with every other handle of
the process, even after another process has written to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from activecore.errors import (
    ActiveCoreError,
    SourceError,
    UnsupportedCodec,
    UnsupportedFormat,
)
from activecore.model import source_version
from activecore.readers.bytes import Bytes, open_bytes
from activecore.readers.filesystem import filesystem_errors

if TYPE_CHECKING:
    import fsspec
    import h5py

__all__ = ["SIGNATURE", "HDF5File", "find_signature"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""What an HDF5 superblock begins with."""
_LENGTH = len(SIGNATURE)
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
        None: it is no HDF5 file. That takes one more round trip, for as many ranges
        of eight bytes as the file has doublings beyond ``head``.
    """
    known = [place for place in _places(len(head)) if head.startswith(SIGNATURE, place)]
    if known:
        return known[0]
    with filesystem_errors(path):
        size = int(fs.info(path)["size"])
        beyond = [place for place in _places(size) if place + _LENGTH > len(head)]
        ends = [place + _LENGTH for place in beyond]
        found = fs.cat_ranges([path] * len(ends), beyond, ends, on_error="raise")
    for place, signature in zip(beyond, found, strict=True):
        if signature == SIGNATURE:
            return place
    return None


def _places(size: int) -> list[int]:
    """Give where a superblock may lie in so many bytes: at 0, 512 and its doubles."""
    places = [0]
    while max(_FIRST, 2 * places[-1]) + _LENGTH <= size:
        places.append(max(_FIRST, 2 * places[-1]))
    return places


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
            self._bytes = open_bytes(fs, path)
            base = find_signature(fs, path, self._bytes.read(0, _FIRST))
        if base is None:
            self._bytes.close()
            raise UnsupportedFormat(f"{path} is not an HDF5 file")
        self._raw = _View(self._bytes, base)
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
        return self._bytes.size - self.base

    @property
    def is_far(self) -> bool:
        """Whether reading takes a round trip."""
        return self._bytes.is_far

    def read(self, address: int, size: int) -> bytes:
        """Read bytes at an address as HDF5 counts it; fewer at the file's end."""
        start = address + self.base
        with filesystem_errors(self.path):
            return self._bytes.read(start, start + size)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Get ready what will be read, from address to address, all together."""
        base = self.base
        with filesystem_errors(self.path):
            self._bytes.fetch([(start + base, stop + base) for start, stop in ranges])

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

    def __init__(self, inner: Bytes, base: int) -> None:
        super().__init__()
        self._inner = inner
        self._base = base
        self._place = 0
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origins = (0, self._place, self._inner.size - self._base)
        self._place = origins[whence] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        # h5py takes a read for complete, whatever it returns.
        room = memoryview(buffer)
        start = self._base + self._place
        try:
            data = self._inner.read(start, start + len(room))
        except Exception as error:
            self.failure = error
            raise
        room[: len(data)] = data
        self._place += len(data)
        return len(data)

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
