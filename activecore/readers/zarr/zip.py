"""Zarr stores in a zip file: chunks that are stored as they are are ranges of the zip.

A member that the zip compresses is not a range of anything, so an array that has one
is refused. The zip's own CRC-32 of a member is not verified: it covers bytes as a whole
that backends read in part.
"""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.errors import ChunkDecodeError, ChunkReadError, UnsupportedFormat
from activecore.model import ABSENT, Located, source_version
from activecore.readers.filesystem import filesystem_errors
from activecore.readers.remote.filesystem import lasting
from activecore.readers.zarr.documents import METADATA_NAMES, read_all
from activecore.readers.zarr.index import chunk_keys

if TYPE_CHECKING:
    import fsspec

__all__ = ["ZIP_MAGIC", "ZipDocuments", "ZipIndex", "is_zipped_store"]

ZIP_MAGIC = b"PK\x03\x04"
"""How a zip file that has members begins."""

_LOCAL_HEADER = struct.Struct("<4s22sHH")
_ENCRYPTED = 0x1
_NOT_A_ZIP = (zipfile.BadZipFile, struct.error, ValueError, EOFError)
"""What zipfile raises of a damaged file, depending on where it is damaged."""
_MAX_DOCUMENT = 256 << 20


def is_zipped_store(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Tell whether a file that begins like a zip has Zarr metadata at its root."""
    try:
        with fs.open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return not set(METADATA_NAMES).isdisjoint(archive.namelist())
    except _NOT_A_ZIP:
        return False


class ZipDocuments:
    """The documents of a store in a zip file, and its table of members."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        self._fs = fs
        self._source = path
        # Asked before anything is read, so that a later change is noticed.
        fs.invalidate_cache(path)
        info = fs.info(path)
        self._version = source_version(info)
        self._length = int(info["size"])
        with ExitStack() as opened:
            file = opened.enter_context(fs.open(path, "rb"))
            try:
                self._archive = opened.enter_context(zipfile.ZipFile(file))
            except _NOT_A_ZIP as error:
                msg = f"{path} is not a whole zip file: {error}"
                raise UnsupportedFormat(msg) from error
            self._opened = opened.pop_all()
        self._names = frozenset(self._archive.namelist())

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read documents; None for each that is not there."""
        return [self._read(key) if key in self._names else None for key in keys]

    def children(self, group: str) -> list[str]:
        """Name what has members below it directly below a group."""
        prefix = f"{group}/" if group else ""
        below = (
            name.removeprefix(prefix) for name in self._names if name.startswith(prefix)
        )
        return sorted({rest.split("/", 1)[0] for rest in below if "/" in rest})

    def version(self, key: str) -> tuple[str | None, str]:  # noqa: ARG002 - one for all
        """Give the version of the zip file when it was opened, and its path."""
        return self._version, self._source

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._opened.close()

    def index(
        self, array: str, template: str, chunk_shape: tuple[int, ...]
    ) -> ZipIndex:
        """Make the index of an array's objects: each is a member of the zip."""
        prefix = f"{array}/" if array else ""
        members = {}
        for member in self._archive.infolist():
            name = member.filename
            if not name.startswith(prefix) or name.endswith("/"):
                continue
            if posixpath.basename(name) in METADATA_NAMES:
                continue
            encrypted = member.flag_bits & _ENCRYPTED
            if member.compress_type != zipfile.ZIP_STORED or encrypted:
                how = "encrypted" if encrypted else "compressed"
                msg = (
                    f"{self._source}: the member {name!r} is {how} by the zip; "
                    "only stored members can be read by range"
                )
                raise UnsupportedFormat(msg)
            # Of two members with one name the later is the valid one.
            members[name] = (member.header_offset, member.compress_size)
        keys = prefix.replace("%", "%%") + template
        return ZipIndex(
            lasting(self._fs), self._source, self._length, chunk_shape, keys, members
        )

    def _read(self, key: str) -> bytes:
        member = self._archive.getinfo(key)
        if member.file_size > _MAX_DOCUMENT:
            msg = f"{self._source}: {key} is said to be {member.file_size} bytes long"
            raise UnsupportedFormat(msg)
        try:
            with filesystem_errors(self._source):
                return self._archive.read(member)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            msg = f"{self._source}: {key} cannot be taken from the zip: {error}"
            raise UnsupportedFormat(msg) from error


class ZipIndex:
    """Where an array's objects lie in a zip file.

    The table of members says where a member's header begins; its bytes begin after
    that header, whose length only the header knows. ``locate`` reads the headers of
    the members asked for, all together, and remembers what they said.
    """

    def __init__(
        self,
        fs: fsspec.AbstractFileSystem,
        path: str,
        length: int,
        chunk_shape: tuple[int, ...],
        template: str,
        members: Mapping[str, tuple[int, int]],
    ) -> None:
        self._fs = fs
        self._path = path
        self._length = length
        self._chunk_shape = chunk_shape
        self._template = template
        self._members = members
        self._begins: dict[int, int] = {}

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of the grid's cells."""
        return self._chunk_shape

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Say where these chunks' members lie; reads their headers."""
        found = [self._members.get(key) for key in chunk_keys(self._template, coords)]
        self._read_headers(
            sorted({member[0] for member in found if member is not None})
        )
        here = np.array([member is not None for member in found], dtype=np.bool_)
        offsets = [0 if item is None else self._begins[item[0]] for item in found]
        sizes = [0 if item is None else item[1] for item in found]
        for offset, size in zip(offsets, sizes, strict=True):
            if offset + size > self._length:
                msg = f"{self._path} has a member that reaches beyond its end"
                raise ChunkDecodeError(msg)
        return Located(
            sources=np.full(len(found), self._path, dtype=object),
            offsets=np.array(offsets, dtype=np.int64),
            sizes=np.array(sizes, dtype=np.int64),
            layouts=np.where(here, 0, ABSENT),
        )

    def _read_headers(self, headers: Sequence[int]) -> None:
        unknown = [header for header in headers if header not in self._begins]
        size = _LOCAL_HEADER.size
        answers = read_all(
            self._fs,
            [self._path] * len(unknown),
            unknown,
            [header + size for header in unknown],
        )
        for header, answer in zip(unknown, answers, strict=True):
            if isinstance(answer, BaseException):
                msg = f"a header in {self._path} cannot be read: {answer}"
                raise ChunkReadError(msg) from answer
            self._begins[header] = header + self._header_length(answer)

    def _header_length(self, answer: Any) -> int:
        header = bytes(answer)
        if len(header) == _LOCAL_HEADER.size:
            magic, _, name, extra = _LOCAL_HEADER.unpack(header)
            if magic == ZIP_MAGIC:
                return _LOCAL_HEADER.size + int(name) + int(extra)
        msg = f"{self._path} has no member where its table says"
        raise ChunkDecodeError(msg)
