"""What goes wrong in a filesystem while metadata is read, in our own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    SourceNotFound,
    UnsupportedFormat,
)

if TYPE_CHECKING:
    import fsspec

__all__ = ["filesystem_errors", "is_directory", "is_local"]


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Tell whether a filesystem is this machine's: nothing in it is a round trip."""
    return bool(getattr(fs, "local_file", False))


def is_directory(
    fs: fsspec.AbstractFileSystem, path: str, info: Mapping[str, Any]
) -> bool:
    """Tell whether what ``info`` was said of is a directory or a prefix.

    Not ``isdir`` alone, which lists what lies below on an object store, and reads the
    whole file to look for links over HTTP. Some tools mark a prefix by an empty object
    of its name.
    """
    if info["type"] == "directory":
        return True
    return info.get("size") == 0 and not is_local(fs) and bool(fs.isdir(path))


@contextmanager
def filesystem_errors(path: str) -> Iterator[None]:
    """Turn a filesystem's errors about the file at ``path`` into our own.

    Raises
    ------
    SourceNotFound, UnsupportedFormat, AuthenticationError, BackendError
        There is nothing; it is a directory; it may not be read; it cannot be.
    """
    try:
        yield
    except ActiveCoreError:
        raise
    except FileNotFoundError as error:
        raise SourceNotFound(f"there is nothing at {path}") from error
    except IsADirectoryError as error:
        raise UnsupportedFormat(f"{path} is a directory, not a file") from error
    except PermissionError as error:
        raise AuthenticationError(f"{path} may not be read") from error
    except OSError as error:
        raise BackendError(f"{path} could not be read: {error}") from error
