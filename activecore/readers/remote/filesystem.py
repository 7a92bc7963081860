"""A filesystem as readers see it while one source is opened.

Everybody who has a say in opening a source asks for the same: what it is, how large it
is, which version, what it begins with. Far away each question is a round trip, so here
each is asked once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

from activecore.errors import ActiveCoreError
from activecore.readers.filesystem import is_directory, is_local
from activecore.readers.remote.cache import IndexCache, Key
from activecore.readers.remote.source import RemoteBytes

if TYPE_CHECKING:
    import fsspec

__all__ = ["RememberingFileSystem", "keep", "lasting", "remembering"]


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
        info = fs.info(path)
    except OSError:
        return fs  # whoever opens it says what is wrong
    if is_directory(fs, path, info):
        info = {**info, "type": "directory"}
    return RememberingFileSystem(fs, path, info, cache)


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
        if info["type"] != "directory" and info.get("size") is not None:
            held = None
            if cache is not None and self._key is not None:
                held = cache.load(self._key)
            # Were it another object for a moment, and then this one again, its bytes
            # would pass for this one's, in the cache for good.
            takes = getattr(inner, "takes_if_match", False)
            version = info.get("ETag") if takes else None
            self.bytes = RemoteBytes(inner, path, int(info["size"]), held, version)
            self._kept = self.bytes.held.nbytes

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _itself, (self.inner,)

    @property
    def fsid(self) -> str:
        """The inner filesystem's."""
        return str(self.inner.fsid)

    def keep(self) -> None:
        """Keep on disk what was read since the last time, if anything was.

        The file's version is asked for once more: only of an object that is still the
        one it was can it be said which version was read.
        """
        held = None if self.bytes is None else self.bytes.held
        if self._cache is None or self._key is None or held is None:
            return
        if held.nbytes == self._kept:
            return
        self._kept = held.nbytes
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
