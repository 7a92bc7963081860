"""A filesystem as readers see it while one source is opened.

Everybody who has a say in opening a source asks for the same: what it is, how large it
is, which version, what it begins with. Far away each question is a round trip, so here
each is asked once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from fsspec.spec import AbstractFileSystem

from activecore.errors import ActiveCoreError
from activecore.readers.filesystem import is_directory, is_local
from activecore.readers.remote.cache import IndexCache, Key
from activecore.readers.remote.source import HEAD_BYTES, TAIL_BYTES, RemoteBytes

if TYPE_CHECKING:
    import fsspec

__all__ = [
    "LookingFileSystem",
    "RememberingFileSystem",
    "keep",
    "lasting",
    "remembering",
]

_Info: TypeAlias = dict[str, Any]
_Pieces: TypeAlias = list[tuple[int, bytes]]
_Document: TypeAlias = tuple[_Info, bytes] | FileNotFoundError


@runtime_checkable
class LookingFileSystem(Protocol):
    """A filesystem of a store that can be held to one version of an object.

    ``cat_ranges`` takes ``if_match``, an ETag, and gives no bytes of another version.
    """

    def look(self, path: str, first: int, last: int) -> tuple[_Info, _Pieces]:
        """Say what is at a path, and read both its ends: one round trip.

        Parameters
        ----------
        first, last
            How many bytes of its beginning and of its end.

        Returns
        -------
        info
            What ``info`` says.
        pieces
            Where some bytes begin, and those bytes, all of the version that ``info``
            names. None where it names none, and of a directory.
        """
        ...

    def read_whole(self, paths: Sequence[str]) -> list[_Document]:
        """Read objects, all together, each with what ``info`` says of it then."""
        ...

    def full_name(self, path: str) -> str:
        """Give the name that ``info`` gives a path; no I/O."""
        ...


def remembering(
    fs: fsspec.AbstractFileSystem, path: str, cache: IndexCache | None = None
) -> fsspec.AbstractFileSystem:
    """Give the filesystem through which a reader is to open one source.

    Parameters
    ----------
    fs, path
        The filesystem, and the source in it.
    cache
        Where metadata is kept on disk; None: nowhere.

    Returns
    -------
    fsspec.AbstractFileSystem
        ``fs`` itself for a local file, and where there is nothing.
    """
    if is_local(fs):
        return fs
    # What s3fs remembers of a listing may be older than the object.
    fs.invalidate_cache(path)
    try:
        info, pieces = _look(fs, path, cache)
    except OSError:
        return fs  # whoever opens it says what is wrong
    if is_directory(fs, path, info):
        info = {**info, "type": "directory"}
    near = RememberingFileSystem(fs, path, info, cache)
    near.take(pieces)
    return near


def _look(
    fs: fsspec.AbstractFileSystem, path: str, cache: IndexCache | None
) -> tuple[_Info, _Pieces]:
    """Say what is at a path, and give its ends if they are not kept already."""
    can_look = isinstance(fs, LookingFileSystem)
    if not can_look:
        return fs.info(path), []
    if cache is not None and cache.has_any(str(fs.fsid), fs.full_name(path)):
        return fs.info(path), []
    info, pieces = fs.look(path, HEAD_BYTES, TAIL_BYTES)
    return info, pieces


def keep(fs: fsspec.AbstractFileSystem) -> None:
    """Keep on disk what was read through ``remembering``'s filesystem, if it may be."""
    if isinstance(fs, RememberingFileSystem):
        fs.keep()


def lasting(fs: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    """Give the filesystem for what goes on after opening, which remembers nothing."""
    return fs.inner if isinstance(fs, RememberingFileSystem) else fs


class RememberingFileSystem(AbstractFileSystem):  # type: ignore[misc] # untyped
    """A filesystem that knows what one path is, and holds what was read of that file.

    All other paths are the inner filesystem's business. It is for opening: what stays
    in use afterwards takes ``lasting`` of it, which is also what arrives when it is
    pickled.

    Parameters
    ----------
    inner
        The filesystem.
    path, info
        The file or directory, and what ``inner`` says of it.
    cache
        Where what is read is kept on disk; None: nowhere.
    """

    cachable = False

    def __init__(
        self,
        inner: fsspec.AbstractFileSystem,
        path: str,
        info: dict[str, Any],
        cache: IndexCache | None = None,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.path = path
        self._info = info
        self._cache = cache
        self._key = None if cache is None else Key.of(inner, path, info)
        self.bytes: RemoteBytes | None = None
        """The file's bytes; None: it is a directory, or of a length unknown."""
        self._kept = 0
        self._documents: dict[str, _Document] = {}
        if info["type"] != "directory" and info.get("size") is not None:
            held = None
            if cache is not None and self._key is not None:
                held = cache.load(self._key)
            self.bytes = RemoteBytes(
                inner, path, int(info["size"]), held, self._version
            )
            self._kept = self.bytes.held.nbytes

    def take(self, pieces: _Pieces) -> None:
        """Hold what was read of the file already.

        Not an argument of ``__init__``: fsspec makes a text of all of those.
        """
        if self.bytes is not None:
            for start, data in pieces:
                self.bytes.held.put(start, data)

    @property
    def _version(self) -> str | None:
        """The ETag that all reads are held to; None: the filesystem cannot do that."""
        if not isinstance(self.inner, LookingFileSystem):
            return None
        etag: str | None = self._info.get("ETag")
        return etag

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _itself, (self.inner,)

    @property
    def fsid(self) -> str:
        """The inner filesystem's."""
        return str(self.inner.fsid)

    def keep(self) -> None:
        """Keep on disk what was read since the last time, if anything was.

        Unless reads were held to the file's version it is asked for once more: only of
        an object that is still the one it was can it be said which version was read.
        Were it another one for a moment, its bytes would pass for this one's.
        """
        held = None if self.bytes is None else self.bytes.held
        if self._cache is None or self._key is None or held is None:
            return
        if held.nbytes == self._kept:
            return
        self._kept = held.nbytes
        if self._version is not None:
            self._cache.store(self._key, held)
            return
        try:
            self.inner.invalidate_cache(self.path)
            now = Key.of(self.inner, self.path, self.inner.info(self.path))
        except (OSError, ActiveCoreError):
            return
        if now == self._key:
            self._cache.store(self._key, held)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Say of the file what is known, of others what the inner filesystem says."""
        if self._is_known(path):
            return dict(self._info)
        document = self._documents.get(path)
        if isinstance(document, FileNotFoundError):
            raise document
        if document is not None:
            return dict(document[0])
        info: dict[str, Any] = self.inner.info(path, **kwargs)
        return info

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        """Give a range of bytes."""
        if self.bytes is not None and self._is_known(path):
            return self.bytes.read(*slice(start, end).indices(self.bytes.size)[:2])
        data: bytes = self.inner.cat_file(path, start=start, end=end, **kwargs)
        return data

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Sequence[int],
        ends: Sequence[int | None],
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Give several ranges, all together."""
        if self._are_documents(paths, starts, ends):
            return self._read_documents(paths, on_error)
        if self.bytes is None or not all(map(self._is_known, paths)):
            answers: list[Any] = self.inner.cat_ranges(
                paths, starts, ends, max_gap=max_gap, on_error=on_error, **kwargs
            )
            return answers
        ranges = [
            slice(start, end).indices(self.bytes.size)[:2]
            for start, end in zip(starts, ends, strict=True)
        ]
        try:
            self.bytes.fetch(ranges)
        except Exception as error:
            if on_error != "return":
                raise
            return [error] * len(ranges)
        return [self.bytes.read(start, end) for start, end in ranges]

    def _are_documents(
        self, paths: Sequence[str], starts: Sequence[int], ends: Sequence[int | None]
    ) -> bool:
        """Tell whether whole objects of a directory are wanted: not its data."""
        return (
            self.bytes is None
            and isinstance(self.inner, LookingFileSystem)
            and all(path.startswith(f"{self.path}/") for path in paths)
            and set(starts) == {0}
            and set(ends) == {None}
        )

    def _read_documents(self, paths: Sequence[str], on_error: str) -> list[Any]:
        """Read objects that describe others, and remember what each of them is.

        Bytes and version of each came together, so that both may be given out later:
        a change in between is noticed by whoever compares versions in the end.
        """
        new = [path for path in paths if path not in self._documents]
        try:
            found = self.inner.read_whole(new) if new else []
        except ActiveCoreError as error:
            if on_error != "return":
                raise
            return [error] * len(paths)
        self._documents.update(zip(new, found, strict=True))
        answers = [self._documents[path] for path in paths]
        if on_error != "return":
            for answer in answers:
                if isinstance(answer, FileNotFoundError):
                    raise answer
        return [a if isinstance(a, FileNotFoundError) else a[1] for a in answers]

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        """List what the inner filesystem does."""
        return self.inner.ls(path, detail=detail, **kwargs)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget what the inner filesystem remembers; the file was just asked for."""
        self.inner.invalidate_cache(path)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode == "rb" and self.bytes is not None and self._is_known(path):
            return _File(self.bytes)
        return self.inner.open(path, mode, **kwargs)

    def _is_known(self, path: str) -> bool:
        return path == self.path


def _itself(fs: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    return fs


class _File(io.RawIOBase):
    """The bytes of a file, as a file."""

    def __init__(self, inner: RemoteBytes) -> None:
        super().__init__()
        self._inner = inner
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origins = (0, self._place, self._inner.size)
        self._place = max(0, origins[whence] + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        data = self._inner.read(self._place, self._place + len(room))
        room[: len(data)] = data
        self._place += len(data)
        return len(data)
