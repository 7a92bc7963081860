"""An fsspec filesystem for metadata, over the same client as the chunks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import fsspec
from fsspec.spec import AbstractBufferedFile

from activecore import (
    ActiveCoreError,
    AuthenticationError,
    BackendRefused,
    SourceNotFound,
)
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.client import Client
from activecore_s3numpy.failures import Failure
from activecore_s3numpy.pieces import read_pieces
from activecore_s3numpy.replies import Ask, Listing, Meta, Reply

if TYPE_CHECKING:
    from activecore import ConditionalFileSystem

__all__ = ["ObjectFileSystem", "Owner"]

_ZARR_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
"""What shows that a prefix is a Zarr store; a web server lists nothing."""


class Owner(Protocol):
    """Who has the client: a backend. What is pickled of it is its own affair."""

    @property
    def client(self) -> Client:
        """The client of this process."""
        ...


class ObjectFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc] # untyped
    """Reads objects of S3 buckets and files of web servers.

    Paths are URLs: ``s3://bucket/key``, ``https://host/path``. Nothing is written.
    ``cat_ranges`` asks for all ranges at once. Everything raises the errors of
    ``activecore.errors``; ``SourceNotFound`` is a ``FileNotFoundError`` too.

    Parameters
    ----------
    owner
        Has the client, which is opened on first use.
    url
        Some URL of the server, to name it; paths may be of others.
    """

    protocol = ("s3", "s3a", "https", "http")
    # fsspec would keep instances, and with them their owners' secrets, for good.
    cachable: ClassVar[bool] = False

    def __init__(self, owner: Owner, url: str = "s3://any", **_: Any) -> None:
        super().__init__()
        self._owner = owner
        self._url = url
        # fsspec's repr and hash would otherwise show what the owner shows.
        self.storage_args = ()
        self.storage_options: dict[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._owner, self._url)

    def __repr__(self) -> str:
        return f"<ObjectFileSystem {self._url}>"

    @property
    def fsid(self) -> str:
        """Name the server, without secrets: ``s3:https://minio.example``."""
        place = self._address(self._url).place
        if place.is_s3:
            return f"s3:{self._owner.client.endpoints.of_s3()}"
        return str(place)

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return path.rstrip("/") if "://" in path else path.strip("/")

    def full_name(self, path: str) -> str:
        """Give the URL of an object, its bucket included."""
        return self._address(path).url

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Say what is there: name, size, type, ``ETag`` and when it was written."""
        address = self._address(path)
        meta = self._client.head(address) if address.key else None
        return self._info(address, meta)

    def info_and_ends(
        self, path: str, head_bytes: int, tail_bytes: int
    ) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
        """Say what is there, and read both its ends in the same round trip.

        See ``activecore.ConditionalFileSystem``, as for the two below.
        """
        address = self._address(path)
        if not address.key:
            return self.info(path), []
        head, tail = self._client.try_all(
            [Ask(address, 0, head_bytes), Ask(address, -tail_bytes)]
        )
        if isinstance(head, Failure) and head.kind == "absent":
            return self._info(address, None), []
        if isinstance(head, (Failure, BackendRefused)):
            # It is empty, or a server gives no parts of it.
            return self.info(path), []
        if isinstance(head, ActiveCoreError):
            raise head
        if head.meta.strong_etag is None:
            # What is asked for in the end is asked for now: a server may say more of an
            # object where it is not asked for its bytes.
            return self.info(path), []
        info = self._info(address, head.meta)
        if info["type"] == "directory":  # a page stood where it is
            return info, []
        pieces = [(0, bytes(head.data))]
        if isinstance(tail, Reply) and tail.meta.etag == head.meta.etag:
            pieces.append((tail.meta.size - len(tail.data), bytes(tail.data)))
        return info, pieces

    def read_with_info(
        self, paths: Sequence[str]
    ) -> list[tuple[dict[str, Any], bytes] | FileNotFoundError]:
        """Read objects, all at once, each with what ``info`` says of it."""
        addresses = [self._address(path) for path in paths]
        answers = self._client.read_all([Ask(address) for address in addresses])
        return [
            (_file(address, answer.meta), bytes(answer.data))
            if isinstance(answer, Reply)
            else SourceNotFound(f"there is nothing at {address.url}")
            for address, answer in zip(addresses, answers, strict=True)
        ]

    def _info(self, address: Address, meta: Meta | None) -> dict[str, Any]:
        if meta is not None and not _is_page(address, meta):
            return _file(address, meta)
        if self._is_folder(address):
            return {"name": address.url, "size": 0, "type": "directory"}
        if meta is not None:
            return _file(address, meta)
        raise SourceNotFound(f"there is nothing at {address.url}")

    def isdir(self, path: str) -> bool:
        """Tell whether objects lie below a path, and none at it."""
        try:
            return bool(self.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Tell whether there is anything at a path; a failure is not absence."""
        try:
            self.info(path, **kwargs)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Tell whether there is an object at a path; a failure is not absence."""
        try:
            return bool(self.info(path)["type"] == "file")
        except FileNotFoundError:
            return False

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List what lies directly below a path."""
        address = self._address(path)
        listing = self._list(address, deep=False)
        entries = [_file(one, meta) for one, meta in _objects(address, listing)]
        entries += [
            {"name": Address(address.place, key).url, "size": 0, "type": "directory"}
            for key in listing.prefixes
        ]
        if not entries:
            entries = [self.info(path)]
        return entries if detail else [entry["name"] for entry in entries]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """List every object at or below a path."""
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth, withdirs, detail, **kwargs)
        address = self._address(path)
        if not address.place.is_s3:
            found = [self.info(path)]
        else:
            listing = self._list(address, deep=True)
            found = [_file(one, meta) for one, meta in _objects(address, listing)]
            if not found and self.isfile(path):
                found = [self.info(path)]
        files = {entry["name"]: entry for entry in found if entry["type"] == "file"}
        return files if detail else sorted(files)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Read bytes of an object, as a slice of it: ends behind it are cut."""
        address = self._address(path)
        return _bytes(address, self._client.read(self._ask(address, start, end)))

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,  # noqa: ARG002 - fsspec's; a hint that need not be taken
        on_error: str = "return",
        if_match: str | None = None,
        **_: Any,
    ) -> list[Any]:
        """Read many ranges of many objects, all at once.

        Where ``if_match`` is given they are pieces of the index of one object, whose
        ETag it is: of another one it is ``SourceChanged``.

        Returns
        -------
        list
            Bytes; with ``on_error="return"`` the exception of each that failed.
        """
        if if_match is not None:
            return self._pieces(paths, starts, ends, on_error, if_match)
        addresses = [self._address(path) for path in paths]
        asks = [
            self._ask(address, start, end)
            for address, start, end in zip(
                addresses,
                _column(starts, len(paths)),
                _column(ends, len(paths)),
                strict=True,
            )
        ]
        answers: Sequence[Reply | Failure | ActiveCoreError] = (
            self._client.try_all(asks)
            if on_error == "return"
            else self._client.read_all(asks)
        )
        found: list[Any] = []
        for address, answer in zip(addresses, answers, strict=True):
            if isinstance(answer, ActiveCoreError):
                found.append(answer)
                continue
            try:
                found.append(_bytes(address, answer))
            except SourceNotFound as error:
                if on_error != "return":
                    raise
                found.append(error)
        return found

    def _pieces(
        self, paths: list[str], starts: Any, ends: Any, on_error: str, etag: str
    ) -> list[Any]:
        """Read ranges of one version of one object."""
        (path,) = set(paths)
        try:
            return read_pieces(
                self._client,
                self._address(path),
                list(zip(starts, ends, strict=True)),
                etag,
            )
        except ActiveCoreError as error:
            if on_error != "return":
                raise
            return [error] * len(paths)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,  # noqa: ARG002 - fsspec's; nothing is written
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ObjectFile:
        if mode != "rb":
            raise io.UnsupportedOperation(f"{path}: objects are only read here")
        size = "default" if block_size is None else block_size
        return ObjectFile(
            self, path, mode, block_size=size, cache_options=cache_options, **kwargs
        )

    @property
    def _client(self) -> Client:
        return self._owner.client

    def _address(self, path: str) -> Address:
        return Address.parse(path, bucket=self._client.options.bucket)

    def _ask(self, address: Address, start: int | None, end: int | None) -> Ask:
        first = 0 if start is None else start
        if end is not None and (first < 0 or end < 0):
            size = int(self.info(address.url)["size"])
            first = max(0, first + size) if first < 0 else first
            end = None if end is None else end + size if end < 0 else end
        return Ask(address, first, end)

    def _is_folder(self, address: Address) -> bool:
        # Before a listing, which takes longer and costs more.
        asks = [Ask(_below(address, name), 0, 1) for name in _ZARR_DOCUMENTS]
        answers = self._client.try_all(asks)
        # Of what a server gives no parts there is something to give.
        if any(isinstance(answer, (Reply, BackendRefused)) for answer in answers):
            return True
        if address.place.is_s3:
            return self._client.has_any(address)
        for answer in answers:
            # Some servers deny whatever begins with a dot, be it there or not.
            denied = isinstance(answer, AuthenticationError)
            if isinstance(answer, ActiveCoreError) and not denied:
                raise answer
        return False

    def _list(self, address: Address, *, deep: bool) -> Listing:
        if not address.place.is_s3:
            raise NotImplementedError(f"{address.place} lists nothing")
        listed = self._client.list_all if deep else self._client.list_one_level
        return listed(address)


if TYPE_CHECKING:
    _: type[ConditionalFileSystem] = ObjectFileSystem


class ObjectFile(AbstractBufferedFile):  # type: ignore[misc] # untyped
    """A file to read; fsspec keeps what it has read ahead."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.cat_file(self.path, start=start, end=end))


def _objects(address: Address, listing: Listing) -> list[tuple[Address, Meta]]:
    return [(Address(address.place, key), meta) for key, meta in listing.objects]


def _below(address: Address, name: str) -> Address:
    return Address(address.place, f"{address.key}/{name}" if address.key else name)


def _file(address: Address, meta: Meta) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": address.url, "size": meta.size, "type": "file"}
    if meta.modified is not None:
        entry["LastModified"] = meta.modified
        entry["mtime"] = meta.modified.timestamp()
    if meta.strong_etag is not None:
        entry["ETag"] = meta.strong_etag
    return entry


def _is_page(address: Address, meta: Meta) -> bool:
    """Tell whether a web server showed a page where a Zarr store may lie."""
    return not address.place.is_s3 and meta.content_type.startswith("text/html")


def _bytes(address: Address, answer: Reply | Failure) -> bytes:
    if isinstance(answer, Reply):
        return bytes(answer.data)
    if answer.kind == "outside":
        return b""
    raise SourceNotFound(f"there is nothing at {address.url}")


def _column(given: Any, length: int) -> list[int | None]:
    return list(given) if isinstance(given, (list, tuple)) else [given] * length
