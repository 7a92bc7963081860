"""The reader of Zarr v2 and v3 stores: directories, prefixes and zip files.

Names are ``var`` and ``group/var``, relative to the group that is opened. A store that
is itself an array holds one variable, named like the store without its suffix
(``tas.zarr`` holds ``tas``); ``""`` names it too.

What missing values and packing are is said in ``cf``. ``valid_min``, ``valid_max``
and ``valid_range`` are not applied to Zarr arrays, as xarray does not apply them.

The version of an array is that of its metadata object: ``zarr.json``, ``.zarray``, or
what holds the consolidated metadata. Its chunks are other objects; only in a zip file
are they of the same source.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from activecore.errors import (
    BackendError,
    SourceError,
    SourceNotFound,
    UnsupportedCodec,
    UnsupportedDtype,
    UnsupportedFormat,
    VariableNotFound,
    did_you_mean,
)
from activecore.model import ArrayInfo, GroupInfo, VariableInfo, is_reducible
from activecore.readers.base import Reader
from activecore.readers.filesystem import filesystem_errors, is_local
from activecore.readers.remote.filesystem import lasting
from activecore.readers.zarr.array import array_info, encoding_of
from activecore.readers.zarr.documents import (
    DirectoryDocuments,
    Documents,
    checked_path,
    is_store,
)
from activecore.readers.zarr.hierarchy import Hierarchy, NoMetadata
from activecore.readers.zarr.metadata import ArrayDocument
from activecore.readers.zarr.nodes import Group
from activecore.readers.zarr.text import read_array
from activecore.readers.zarr.zip import ZIP_MAGIC, ZipDocuments, is_zipped_store

if TYPE_CHECKING:
    import fsspec
    from numpy.typing import NDArray

__all__ = ["ZarrReader"]

logger = logging.getLogger(__name__)


class ZarrReader(Reader):
    """Turns a Zarr store and the name of a variable into an ``ArrayInfo``."""

    name: ClassVar[str] = "zarr"

    @classmethod
    def recognises(cls, fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> bool:
        """Tell whether there is Zarr metadata at the root of a directory or zip."""
        with filesystem_errors(path):
            if head.startswith(ZIP_MAGIC):
                return is_zipped_store(fs, path)
            # To some filesystems, such as HTTP, every directory is a file.
            return (head == b"" or not is_local(fs)) and is_store(fs, path)

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        self._fs = fs
        self._path = path
        self._closed = False
        with self._naming():
            self._documents, self._hierarchy = _open(fs, path)
        try:
            with self._naming():
                self._group = self._checked_group(group)
        except BaseException:
            self._documents.close()
            raise

    def variables(self) -> Mapping[str, VariableInfo]:
        """List every array, those in groups under ``group/name``.

        Arrays whose metadata is broken are left out, with a log line: ``array`` says
        what is wrong with them.
        """
        self._check_open()
        infos = {}
        with self._naming():
            arrays = self._hierarchy.arrays(self._group)
        for path, document in arrays.items():
            name = self._name(path)
            try:
                infos[name] = VariableInfo(
                    name=name,
                    shape=document.shape,
                    dims=document.dims,
                    dtype=document.dtype.newbyteorder("="),
                    attrs=document.attrs,
                    encoding=encoding_of(document),
                )
            except UnsupportedFormat as error:
                logger.warning("%s: %s is left out: %s", self._path, name, error)
        return infos

    def array(self, name: str) -> ArrayInfo:
        """Describe one array, its chunk index included.

        One that holds no numbers has no layouts.
        """
        self._check_open()
        with self._naming():
            path = self._array_path(name)
            version, version_source = self._hierarchy.version(path)
            document = self._hierarchy.node(path)
            if not isinstance(document, ArrayDocument):
                raise self._not_found(name, document)
            return array_info(
                document,
                self._documents,
                lasting(self._fs),
                name=self._name(path),
                source=self._path,
                version=version,
                version_source=version_source,
            )

    def group_info(self, group: str = "/") -> GroupInfo:
        """Give a group's attributes. No dimension is unlimited: all may grow."""
        self._check_open()
        with self._naming():
            path = f"{self._group}/{checked_path(group)}".strip("/")
            node = self._hierarchy.node(path)
        if isinstance(node, Group):
            return GroupInfo(node.attrs)
        if path == "":  # the store is an array, or its consolidated root says nothing
            return GroupInfo()
        msg = f"there is no group {group!r} in {self._path}"
        raise VariableNotFound(msg)

    def read(self, name: str) -> NDArray[Any]:
        """Read the whole of an array that holds no numbers, by zarr-python."""
        self._check_open()
        with self._naming():
            document = self._hierarchy.node(self._array_path(name))
            if not isinstance(document, ArrayDocument):
                raise self._not_found(name, document)
            if is_reducible(document.dtype):
                msg = f"{name!r} holds numbers: a backend reads them"
                raise UnsupportedDtype(msg)
            return read_array(document, self._documents)

    def close(self) -> None:
        """Close the source. Idempotent. Arrays already made stay usable."""
        self._closed = True
        self._documents.close()

    @property
    def _root_name(self) -> str:
        """Name of the one array of a store that is itself an array."""
        name, _ = posixpath.splitext(posixpath.basename(self._path.rstrip("/")))
        return name or "array"

    def _name(self, path: str) -> str:
        if path == "":
            return self._root_name
        return path.removeprefix(f"{self._group}/") if self._group else path

    def _array_path(self, name: str) -> str:
        path = checked_path(name)
        if self._hierarchy.is_array:
            return "" if path in ("", self._root_name) else path
        return f"{self._group}/{path}".strip("/")

    def _checked_group(self, group: str) -> str:
        path = checked_path(group)
        if path == "" or isinstance(self._hierarchy.node(path), Group):
            return path
        msg = f"there is no group {group!r} in {self._path}"
        raise VariableNotFound(msg)

    def _not_found(self, name: str, node: Group | None) -> VariableNotFound:
        if node is not None:
            msg = f"{name!r} is a group of {self._path}, not a variable"
            return VariableNotFound(msg)
        try:
            hint = did_you_mean(name, self.variables())
        except (SourceError, BackendError) as error:
            # Some stores cannot be listed; the name is wrong all the same.
            logger.debug("no hint: %s", error)
            hint = ""
        return VariableNotFound(f"there is no variable {name!r} in {self._path}{hint}")

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self._path} was closed"
            raise SourceError(msg)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Begin the message of what is refused with the path of the store."""
        try:
            yield
        except (UnsupportedFormat, UnsupportedCodec) as error:
            raise type(error)(f"{self._path}: {error}") from error


def _open(fs: fsspec.AbstractFileSystem, path: str) -> tuple[Documents, Hierarchy]:
    """Open a directory or, only when that has no metadata, look what it is instead."""
    documents: Documents = DirectoryDocuments(fs, path)
    try:
        return documents, Hierarchy(documents)
    except NoMetadata as error:
        with filesystem_errors(path):
            is_file, exists = fs.isfile(path), fs.exists(path)
        if not exists:
            msg = f"there is nothing at {path}"
            raise SourceNotFound(msg) from error
        if not is_file:
            raise
    with filesystem_errors(path):
        documents = ZipDocuments(fs, path)
    try:
        return documents, Hierarchy(documents)
    except BaseException:
        documents.close()
        raise
