"""A filesystem as readers see it while one source is opened.

Everybody who has a say in opening a source asks for the same: what it is, how large it
is, which version, what it begins with. Far away each question is a round trip, so here
each is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

from activecore.errors import ActiveCoreError
from activecore.readers.filesystem import is_directory, is_local
from activecore.readers.remote.cache import IndexCache, Key
from activecore.readers.remote.conditional import (
    ConditionalFileSystem,
    Document,
    Info,
    Pieces,
    strong_etag,
)
from activecore.readers.remote.source import HEAD_BYTES, TAIL_BYTES, RemoteBytes

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
) -> tuple[Info, Pieces]:
    """Say what is at a path, and give its ends if they are not kept already."""
    if not isinstance(fs, ConditionalFileSystem):
        return fs.info(path), []
    if cache is not None and cache.has_any(fs, fs.full_name(path)):
        return fs.info(path), []
    return fs.info_and_ends(path, HEAD_BYTES, TAIL_BYTES)


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
        self._documents: dict[str, Document] = {}
        if info["type"] != "directory" and info.get("size") is not None:
            held = None
            if cache is not None and self._key is not None:
                held = cache.load(self._key)
            self.bytes = RemoteBytes(
                inner, path, int(info["size"]), held, self._version
            )
            self._kept = self.bytes.held.nbytes

    def take(self, pieces: Pieces) -> None:
        """Hold what was read of the file already.

        Not an argument of ``__init__``: fsspec makes a text of all of those.
        """
        if self.bytes is not None:
            for start, data in pieces:
                self.bytes.held.put(start, data)

    @property
    def _version(self) -> str | None:
        """The ETag that all reads are held to; None: the filesystem cannot do that."""
        if not isinstance(self.inner, ConditionalFileSystem):
            return None
        return strong_etag(self._info)

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

    @property
    def remembers_documents(self) -> bool:
        """Whether ``documents`` may be called: of a directory, if versions are told."""
        return self.bytes is None and isinstance(self.inner, ConditionalFileSystem)

    def documents(self, paths: Sequence[str]) -> list[Any]:
        """Read whole objects that describe others, and remember what each of them is.

        Bytes and version of each came together, so that both may be given out later:
        a change in between is noticed by whoever compares versions in the end. What
        came without an ETag is not remembered: its version has to be asked for, and
        its bytes be read after that.

        Returns
        -------
        list
            Their bytes, or why they could not be read.
        """
        new = [path for path in paths if path not in self._documents]
        try:
            found = self.inner.read_with_info(new) if new else []
        except Exception as error:  # noqa: BLE001 - as ``cat_ranges`` gives it
            return [error] * len(paths)
        known = {**self._documents, **dict(zip(new, found, strict=True))}
        for path in new:
            document = known[path]
            if isinstance(document, Exception) or strong_etag(document[0]) is not None:
                self._documents[path] = document
        answers = [known[path] for path in paths]
        return [one if isinstance(one, Exception) else one[1] for one in answers]

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        """List what the inner filesystem does."""
        return self.inner.ls(path, detail=detail, **kwargs)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget what the inner filesystem remembers; the file was just asked for."""
        self.inner.invalidate_cache(path)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode == "rb" and self.bytes is not None and self._is_known(path):
            return self.bytes.as_file()
        return self.inner.open(path, mode, **kwargs)

    def _is_known(self, path: str) -> bool:
        return path == self.path


def _itself(fs: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    return fs
