"""Archives: what is in them, and where its bytes lie."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TypeAlias

from activecore import (
    AuthenticationError,
    ChunkNotFound,
    ChunkReadError,
    SourceChanged,
)

__all__ = [
    "member_info",
    "members_of",
    "open_member",
    "read_stored",
    "reading",
    "split",
    "state_of",
]

Members: TypeAlias = dict[str, zipfile.ZipInfo]
State: TypeAlias = tuple[int, int, int]

_HEADER = struct.Struct("<4s22xHH")
"""A member's local header: signature, length of the name, length of the extra field."""


def split(source: str) -> tuple[str, str]:
    """Take ``archive.zip!/member`` apart; the member may be empty, for the root."""
    archive, _, member = source.partition("!")
    return archive, member.strip("/")


def state_of(archive: str) -> State:
    """Give what changes when an archive is replaced: inode, size, time."""
    status = os.stat(archive)  # noqa: PTH116 - one call, of a path that is text
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=32)
def members_of(archive: str, state: State) -> Members:  # noqa: ARG001 - the cache's key
    """Read an archive's directory, once as long as it is the same file."""
    with zipfile.ZipFile(archive) as file:
        return {info.filename.strip("/"): info for info in file.infolist()}


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Make activecore's errors of what goes wrong with an archive."""
    try:
        yield
    except FileNotFoundError as error:
        raise ChunkNotFound(f"there is no archive for {source}") from error
    except PermissionError as error:
        raise AuthenticationError(f"{source} may not be read") from error
    except (OSError, ValueError, zipfile.BadZipFile, RuntimeError) as error:
        # RuntimeError: what zipfile raises of an encrypted member.
        raise ChunkReadError(f"{source}: {error}") from error


def member_info(source: str) -> tuple[str, zipfile.ZipInfo, State]:
    """Give a source's archive, its entry in the directory, and the archive's state."""
    archive, name = split(source)
    state = state_of(archive)
    members = members_of(archive, state)
    info = members.get(name)
    if info is None and any(other.startswith(f"{name}/") for other in members):
        raise ChunkReadError(f"{source} is a folder")
    if info is None:
        raise ChunkNotFound(f"there is no member {name!r} in {archive}")
    if info.is_dir():
        raise ChunkReadError(f"{source} is a folder")
    if info.flag_bits & 0x1:
        raise ChunkReadError(f"{source} is encrypted")
    return archive, info, state


def read_stored(
    archive: str, info: zipfile.ZipInfo, state: State, ranges: list[tuple[int, int]]
) -> list[bytes]:
    """Read ranges of a member that is stored as it is, straight from the archive."""
    with Path(archive).open("rb", buffering=0) as file:
        _same(archive, file, state)
        fd = file.fileno()
        head = os.pread(fd, _HEADER.size, info.header_offset)
        signature, name_length, extra_length = _HEADER.unpack(head)
        if signature != b"PK\x03\x04":
            raise ChunkReadError(f"{archive} is damaged: no header of {info.filename}")
        begin = info.header_offset + _HEADER.size + name_length + extra_length
        return [os.pread(fd, size, begin + offset) for offset, size in ranges]


@contextmanager
def open_member(
    archive: str, info: zipfile.ZipInfo, state: State
) -> Iterator[IO[bytes]]:
    """Open a member for reading from its beginning; nobody else shares the file."""
    with Path(archive).open("rb") as file:
        _same(archive, file, state)
        with zipfile.ZipFile(file) as opened, opened.open(info) as member:
            yield member


def _same(archive: str, file: IO[bytes], state: State) -> None:
    status = os.fstat(file.fileno())
    if (status.st_ino, status.st_size, status.st_mtime_ns) != state:
        raise SourceChanged(f"{archive} was replaced while it was read")
