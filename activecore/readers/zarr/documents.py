"""The metadata documents of a Zarr store, read through an fsspec filesystem.

Documents are read here and not through a ``zarr.storage`` store, because
``FsspecStore`` makes a new filesystem from the given one's JSON, credentials included,
and runs it in an event loop of its own. Nothing is ever read but what is named.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    UnsupportedFormat,
)
from activecore.model import ChunkIndex, source_version
from activecore.readers.filesystem import filesystem_errors
from activecore.readers.remote.filesystem import RememberingFileSystem
from activecore.readers.zarr.index import ZarrIndex

if TYPE_CHECKING:
    import fsspec

__all__ = [
    "METADATA_NAMES",
    "DirectoryDocuments",
    "Documents",
    "checked_path",
    "is_store",
    "read_all",
]

METADATA_NAMES = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")
"""What metadata objects are called, in both formats."""


class Documents(Protocol):
    """Where a store's metadata documents come from."""

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read documents, all together; None for each that is not there.

        Raises
        ------
        AuthenticationError, BackendError
            One could not be read. That is never absence: a lost document of
            attributes would make missing data look valid.
        """
        ...

    def children(self, group: str) -> list[str]:
        """Name what lies directly below a group and may be a node, sorted."""
        ...

    def version(self, key: str) -> tuple[str | None, str]:
        """Give a document's present version, and the path to ask again for it."""
        ...

    def index(
        self, array: str, template: str, chunk_shape: tuple[int, ...]
    ) -> ChunkIndex:
        """Make the index of an array's objects.

        Parameters
        ----------
        array
            Path of the array in the store, ``""`` for the root.
        template
            Keys of objects below the array: a ``%`` format, a ``%d`` a dimension.
        chunk_shape
            Shape of what an object holds.

        Raises
        ------
        UnsupportedFormat
            The objects are not stored as they are.
        """
        ...

    def close(self) -> None:
        """Release what is open. Idempotent."""
        ...


def checked_path(name: str) -> str:
    """Give the path of a node below the root, without slashes at its ends.

    Raises
    ------
    UnsupportedFormat
        It leaves the store.
    """
    path = name.strip("/")
    if path and not {".", ".."}.isdisjoint(path.split("/")):
        msg = f"the name {name!r} leaves the store"
        raise UnsupportedFormat(msg)
    return path


def read_all(
    fs: fsspec.AbstractFileSystem,
    paths: Sequence[str],
    starts: Sequence[int],
    ends: Sequence[int | None],
) -> list[Any]:
    """Read ranges of several objects, all together.

    Returns
    -------
    list
        Bytes or, for each range that could not be read, the exception.
    """
    answers: list[Any] = fs.cat_ranges(
        list(paths), list(starts), list(ends), on_error="return"
    )
    return answers


def _read_documents(
    fs: fsspec.AbstractFileSystem, paths: Sequence[str], at_least: int | None = None
) -> list[Any]:
    """Read documents, all together, as ``read_all`` gives them.

    Parameters
    ----------
    at_least
        How many bytes of each must come; None: all.
    """
    if isinstance(fs, RememberingFileSystem) and fs.remembers_documents:
        return fs.documents(paths)
    # From 0 and not None: for a whole object s3fs first asks for its size.
    return read_all(fs, paths, [0] * len(paths), [at_least] * len(paths))


def is_store(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Tell whether there is a metadata document at the root of a store.

    Raises
    ------
    OSError
        That could not be found out.
    """
    paths = [f"{path.rstrip('/')}/{name}" for name in METADATA_NAMES]
    answers = _read_documents(fs, paths, at_least=1)
    if not all(isinstance(answer, BaseException) for answer in answers):
        return True
    for answer in answers:
        if not isinstance(answer, (FileNotFoundError, NotADirectoryError)):
            raise answer
    return False


class DirectoryDocuments:
    """The documents of a store whose objects lie below a directory or prefix."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read documents, all together; None for each that is not there."""
        paths = [self._path(key) for key in keys]
        answers = _read_documents(self._fs, paths)
        return [
            self._document(path, answer)
            for path, answer in zip(paths, answers, strict=True)
        ]

    def children(self, group: str) -> list[str]:
        """Name the directories directly below a group."""
        path = self._path(group) if group else self._root
        with filesystem_errors(path):
            try:
                entries = self._fs.ls(path, detail=True)
            except FileNotFoundError:
                return []
            except NotImplementedError as error:
                msg = f"{path} cannot be listed: its filesystem has no listings"
                raise UnsupportedFormat(msg) from error
        names = {
            posixpath.basename(str(entry["name"]).rstrip("/"))
            for entry in entries
            if entry.get("type") != "file"
        }
        return sorted(names)

    def version(self, key: str) -> tuple[str | None, str]:
        """Give a document's present version, and the path to ask again for it."""
        path = self._path(key)
        # A listing that s3fs remembers would answer with an old ETag.
        self._fs.invalidate_cache(path)
        with filesystem_errors(path):
            try:
                return source_version(self._fs.info(path)), path
            except (FileNotFoundError, NotADirectoryError):
                return None, path

    def index(
        self, array: str, template: str, chunk_shape: tuple[int, ...]
    ) -> ChunkIndex:
        """Make the index of an array's objects: each is named by its path."""
        folder = self._path(array) if array else self._root
        return ZarrIndex(chunk_shape, f"{folder.replace('%', '%%')}/{template}")

    def close(self) -> None:
        """Do nothing: the filesystem is the backend's."""

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _document(self, path: str, answer: Any) -> bytes | None:
        if not isinstance(answer, BaseException):
            return bytes(answer)
        # A file where the store would have a directory holds no document.
        if isinstance(answer, (FileNotFoundError, NotADirectoryError)):
            return None
        if isinstance(answer, ActiveCoreError):
            raise answer
        if isinstance(answer, PermissionError):
            msg = f"{path} may not be read"
            raise AuthenticationError(msg) from answer
        msg = f"{path} could not be read: {answer}"
        raise BackendError(msg) from answer
