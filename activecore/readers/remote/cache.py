"""What was read of objects, kept on disk from one process to the next.

One file for each object. It says of which object and which version of it the bytes are,
and a checksum covers all of it: whatever else is in its place, or in it, is ignored.
There is nothing in it but bytes and numbers; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.readers.remote.conditional import strong_etag
from activecore.readers.remote.intervals import Intervals

if TYPE_CHECKING:
    import fsspec

__all__ = ["IndexCache", "Key"]

logger = logging.getLogger(__name__)

_FORMAT = "index-1"
"""Name of the directory of entries: another format would be in another one."""
_MAGIC = b"ACINDEX1"
_DIGEST = 32
_SUFFIX = ".bytes"
_NEW = "new-"
_ABANDONED_SECONDS = 3600.0
"""A file that has not been finished for so long belongs to nobody any more."""


@dataclass(frozen=True, slots=True)
class Key:
    """One version of one object."""

    fsid: str
    """The store, as its filesystem names it."""
    path: str
    size: int
    """Length in bytes."""
    etag: str
    """The store's own name for this content."""

    @classmethod
    def of(
        cls, fs: fsspec.AbstractFileSystem, path: str, info: Mapping[str, Any]
    ) -> Key | None:
        """Make the key of what a filesystem says of an object.

        Returns
        -------
        Key or None
            None: another content could have the same one. There is no ETag, or a weak
            one, or no name for the store.
        """
        etag, size = strong_etag(info), info.get("size")
        if etag is None or size is None:
            return None
        # A path may leave out what the filesystem adds: the bucket, for one.
        name = str(info.get("name") or path)
        try:
            return cls(str(fs.fsid), name, int(size), etag)
        except NotImplementedError:
            return None

    @property
    def name(self) -> str:
        """Name of the entry's file: the same for all versions of one object."""
        return _file_name(self.fsid, self.path)


def _file_name(fsid: str, path: str) -> str:
    text = json.dumps([fsid, path]).encode()
    return hashlib.sha256(text).hexdigest() + _SUFFIX


class IndexCache:
    """A directory of entries, for one user, used by any number of processes.

    Nothing that goes wrong here is an error: the object is asked again instead.

    Parameters
    ----------
    folder
        Where the entries' directory is made, with mode 0700.
    most_bytes
        How large all entries may be together. Those that were not used for the
        longest time go first.
    """

    def __init__(self, folder: str | os.PathLike[str], most_bytes: int) -> None:
        self._folder = Path(folder) / _FORMAT
        self._most = most_bytes

    def has_any(self, fs: fsspec.AbstractFileSystem, name: str) -> bool:
        """Tell whether there is an entry of some version of an object, whole or not.

        Parameters
        ----------
        fs, name
            The filesystem, and what it calls the object.
        """
        try:
            entry = self._folder / _file_name(str(fs.fsid), name)
        except NotImplementedError:
            return False
        # Not the method, which raises where the folder may not be entered.
        return os.path.isfile(entry)  # noqa: PTH113

    def load(self, key: Key) -> Intervals | None:
        """Give what is kept of one version of an object; None: nothing."""
        path = self._folder / key.name
        try:
            if not self._is_ours():
                return None
            raw = _read(path, self._most)
            held = _decoded(raw, key)
            # The time of the last use, by which the oldest are found.
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("%s in the index cache is ignored: %s", path, error)
            return None
        return held

    def store(self, key: Key, held: Intervals) -> None:
        """Keep what is known of one version of an object, in place of others."""
        entry = _encoded(key, held)
        if sum(map(len, entry)) > self._most:
            logger.debug("%s: too much to be kept in the index cache", key.path)
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours():
                return
            self._write(self._folder / key.name, entry)
            self._drop_oldest()
        except OSError as error:
            logger.warning("%s is not kept in the index cache: %s", key.path, error)

    def _is_ours(self) -> bool:
        """Tell whether nobody else can have put something into the directory."""
        found = self._folder.lstat()
        if not hasattr(os, "geteuid"):  # folders of a user are the user's on Windows
            return stat.S_ISDIR(found.st_mode)
        is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not is_private or found.st_uid != os.geteuid():
            logger.warning(
                "the index cache is not used: %s is not a directory of this user's "
                "alone (mode 0700)",
                self._folder,
            )
            return False
        return True

    def _write(self, path: Path, entry: list[bytes | memoryview]) -> None:
        number, new = tempfile.mkstemp(prefix=_NEW, dir=self._folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.writelines(entry)
            # Others see the old entry or all of the new one.
            Path(new).replace(path)
        except BaseException:
            Path(new).unlink(missing_ok=True)
            raise

    def _drop_oldest(self) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry[0], reverse=True)
        total = 0
        for used, size, path in entries:
            abandoned = path.name.startswith(_NEW)
            if abandoned and time.time() - used < _ABANDONED_SECONDS:
                continue
            total += size
            if abandoned or total > self._most:
                path.unlink(missing_ok=True)

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Give time of last use, size and path of every file there."""
        with os.scandir(self._folder) as found:
            for entry in found:
                if not entry.name.endswith(_SUFFIX) and not entry.name.startswith(_NEW):
                    continue
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # another process dropped it
                    continue
                yield about.st_mtime, about.st_size, Path(entry.path)


def _read(path: Path, most: int) -> bytes:
    follow = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, os.O_RDONLY | follow), "rb") as file:
        if os.fstat(file.fileno()).st_size > most:
            raise ValueError("it is larger than the whole cache may be")
        return file.read(most)


def _encoded(key: Key, held: Intervals) -> list[bytes | memoryview]:
    pieces = list(held)
    head = json.dumps({**asdict(key), "pieces": len(pieces)}).encode()
    places = np.array([(start, len(piece)) for start, piece in pieces], dtype="<i8")
    entry: list[bytes | memoryview] = [
        _MAGIC,
        len(head).to_bytes(4, "little"),
        head,
        places.tobytes(),
        *(piece for _, piece in pieces),
    ]
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in entry:
        digest.update(part)
    return [*entry, digest.digest()]


def _decoded(raw: bytes, key: Key) -> Intervals | None:
    """Take an entry apart; None: it is of another version.

    Raises
    ------
    ValueError
        It is damaged.
    """
    body, checksum = memoryview(raw)[:-_DIGEST], raw[-_DIGEST:]
    if raw[: len(_MAGIC)] != _MAGIC or len(raw) < len(_MAGIC) + 4 + _DIGEST:
        raise ValueError("it is no entry")
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != checksum:
        raise ValueError("its checksum is wrong")
    place = len(_MAGIC) + 4
    end = place + int.from_bytes(raw[len(_MAGIC) : place], "little")
    head = json.loads(raw[place:end])
    count = head.pop("pieces")
    if head != asdict(key):
        return None
    places = np.frombuffer(body[end:], "<i8", 2 * count).reshape(count, 2)
    held = Intervals()
    at = end + places.nbytes
    for start, length in places.tolist():
        held.put(start, body[at : at + length])
        at += length
    return held
