"""Which reader understands a source: told by its content, never by its name."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    SourceNotFound,
    UnsupportedFormat,
)
from activecore.readers.filesystem import is_directory, is_local

if TYPE_CHECKING:
    import fsspec

    from activecore.readers.base import Reader

__all__ = ["HEAD_BYTES", "builtin_readers", "find_reader", "head_of"]

HEAD_BYTES = 4096
"""How much of a file readers get to see before one of them is chosen."""


def builtin_readers() -> Iterator[type[Reader]]:
    """Give the readers of the core, in the order in which they are asked.

    The classic reader comes first, since the head is all that it needs to see; the
    netCDF4 reader looks further on in every file whose head says nothing to it.
    """
    from activecore.readers.classic import ClassicReader

    yield ClassicReader
    from activecore.readers.netcdf4 import NetCDF4Reader

    yield NetCDF4Reader
    from activecore.readers.zarr.reader import ZarrReader

    yield ZarrReader


def head_of(fs: fsspec.AbstractFileSystem, path: str) -> bytes:
    """Read a file's first bytes; ``b""`` for a directory or prefix.

    Raises
    ------
    SourceNotFound, AuthenticationError, UnsupportedFormat, BackendError
        There is nothing, it may not be read, it is empty, or it cannot be read.
    """
    try:
        info = fs.info(path)
        if is_directory(fs, path, info):
            return b""
        # A pipe or a device would be waited for, or never end.
        if is_local(fs) and info["type"] == "other":
            raise UnsupportedFormat(f"{path} is neither a file nor a directory")
        head = bytes(fs.cat_file(path, start=0, end=HEAD_BYTES))
    except ActiveCoreError:
        raise  # it knows more: that there is no such bucket, for example
    except (FileNotFoundError, NotADirectoryError) as error:
        # Where nothing is listed, a prefix is nothing by itself, whatever it holds.
        if not is_local(fs) and _is_store(fs, path):
            return b""
        raise SourceNotFound(f"there is nothing at {path}") from error
    except PermissionError as error:
        raise AuthenticationError(f"{path} may not be read") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SourceNotFound(f"{path} is a link that leads to itself") from error
        raise BackendError(f"{path} could not be read: {error}") from error
    if not head:
        raise UnsupportedFormat(f"{path} is empty")
    return head


def _is_store(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    from activecore.readers.zarr.reader import ZarrReader

    return ZarrReader.recognises(fs, path, b"")


def find_reader(
    fs: fsspec.AbstractFileSystem,
    path: str,
    head: bytes,
    readers: Iterator[type[Reader]],
) -> type[Reader]:
    """Give the first reader that recognises the source.

    Raises
    ------
    UnsupportedFormat
        None does.
    """
    asked = []
    for reader in readers:
        if reader.recognises(fs, path, head):
            return reader
        asked.append(reader.name)
    what = "a directory" if head == b"" else "a file"
    raise UnsupportedFormat(
        f"{path} is {what} that no reader recognises (asked: {', '.join(asked)})"
    )
