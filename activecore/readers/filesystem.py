"""What goes wrong in a filesystem while metadata is read, in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    SourceNotFound,
    UnsupportedFormat,
)

__all__ = ["filesystem_errors"]


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
