"""The backend ``reductionist``: chunks are reduced by a server beside their store."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from activecore import (
    BackendOptions,
    BackendRefused,
    ChunkBatch,
    ChunkRequest,
    ConfigError,
    Partial,
    StorageBackend,
)
from activecore_reductionist.answering import Conversation
from activecore_reductionist.arriving import of_one_chunk
from activecore_reductionist.asking import Asked, asked_of
from activecore_reductionist.attempts import Attempts
from activecore_reductionist.client import TEMPORARY, Client
from activecore_reductionist.connection import PooledSession
from activecore_reductionist.health import health_of
from activecore_reductionist.options import ReductionistOptions
from activecore_reductionist.question import SourceObject
from activecore_reductionist.wire import object_url
from activecore_s3numpy import Address, ObjectFileSystem
from activecore_s3numpy import Client as S3Client

if TYPE_CHECKING:
    import fsspec

__all__ = ["ReductionistBackend"]

_AT_ONCE = 32
"""Batches at work at once: what takes time happens at the server."""

_CHUNKS = 4
"""Chunks of a batch, which are asked about one after another."""


@dataclass(frozen=True, slots=True)
class _Open:
    """What is open in one process."""

    pid: int
    pool: PooledSession
    client: Client
    s3: S3Client


class ReductionistBackend(StorageBackend):
    """Asks a Reductionist server to reduce chunks beside their store.

    What the server would answer wrongly is not asked of it: ``why_not`` says so in one
    sentence, and the next backend or the next operation is asked, ``select`` at the
    last, whose elements are reduced here. Metadata is read from the store directly.

    The server cannot be told which version of an object is meant: the core asks the
    store at the end of a run whether the object is still the one whose index was read,
    and the server is told not to answer from its own cache of chunks.
    """

    name = "reductionist"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[BackendOptions]] = ReductionistOptions
    options: ReductionistOptions
    operations: ClassVar[frozenset[str]] = frozenset(
        {"count", "sum", "min", "max", "select"}
    )
    batch_chunks = _CHUNKS

    def __init__(self, options: ReductionistOptions | None = None) -> None:
        super().__init__(options)
        if self.options.concurrency is None:
            self.concurrency = _AT_ONCE
        self._has_token = self.options.token is not None
        self._opened: _Open | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # Connections are opened where the copy is used.
        return {**self.__dict__, "_opened": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def why_not(self, batch: ChunkBatch) -> str | None:
        """Say why the server would not answer a batch rightly, or None."""
        try:
            self._asked(batch)
        except BackendRefused as error:
            return str(error)
        return None

    def reduce_chunk(self, request: ChunkRequest) -> Partial:
        """Have one chunk reduced."""
        return of_one_chunk(self.reduce_chunks(ChunkBatch.of(request)), request.source)

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Have a batch's chunks reduced, one request for each."""
        opened, asked = self._open(), self._asked(batch)
        with opened.pool.in_use():
            return Conversation(
                opened.client, self._target, batch, asked, self.max_chunk_bytes
            ).partial()

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:
        """Give the filesystem of ``activecore-s3numpy`` for ``s3://`` URLs.

        Raises
        ------
        ConfigError
            The URL is of another kind, or names no bucket.
        """
        place = Address.parse(url, bucket=self.options.bucket).place
        if not place.is_s3:
            raise ConfigError(
                f"backend 'reductionist' reads s3:// URLs, not {place.scheme}:// URLs"
            )
        keys = self.client.credentials()
        self._has_token = keys is not None and keys.token is not None
        return ObjectFileSystem(self)

    def check(self) -> str:
        """Say what the server speaks, and whether it reaches the store with our keys.

        Raises
        ------
        BackendError
            The server or the store does not answer, or refuses the credentials.
        """
        self._open()
        return health_of(self.options, self.client)

    def close(self) -> None:
        """Refuse later calls; wait for those in flight, at most ``timeout`` seconds."""
        super().close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.pool.close(self.options.timeout)
            opened.s3.close()

    @property
    def client(self) -> S3Client:
        """The client of the object store, for metadata; opened on first use."""
        return self._open().s3

    def _open(self) -> _Open:
        """Open what is not open in this process: a forked child begins anew."""
        self._require_open()
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened
        with self._lock:
            # Again: it may have been closed while this call waited.
            self._require_open()
            opened = self._opened
            if opened is None or opened.pid != os.getpid():
                self._opened = opened = _opened(self.options, self.name)
            return opened

    def _asked(self, batch: ChunkBatch) -> Asked:
        """Translate a batch, or refuse it."""
        if self.options.url is None:
            raise BackendRefused("no server is configured: set the option url")
        if self._has_token:
            raise BackendRefused(TEMPORARY)
        if len(batch) > 0:
            object_url(self._target(str(batch.sources[0])))
        return asked_of(batch, self.options.float32_sum_bound)

    def _target(self, source: str) -> SourceObject:
        """Say how the server finds a source.

        Raises
        ------
        BackendRefused
            It is no object of an S3 store.
        """
        try:
            address = Address.parse(source, bucket=self.options.bucket)
        except ConfigError as error:
            raise BackendRefused(str(error)) from error
        if not address.place.is_s3:
            raise BackendRefused("the server is asked about objects of S3 stores only")
        endpoint = self.options.server_endpoint_url
        if endpoint is None:
            endpoint = self.client.endpoints.of_s3()
        return SourceObject(endpoint, address.place.name, address.key)


def _opened(options: ReductionistOptions, name: str) -> _Open:
    s3 = S3Client(options, name=name, max_requests=_AT_ONCE)
    # Without a URL no question gets so far; metadata is read all the same.
    url = options.url or ""
    pool = PooledSession(url, s3.endpoints.tls)
    attempts = Attempts(pool, options.timeout, options.connect_timeout, options.retries)
    client = Client(
        url,
        attempts,
        s3.credentials,
        api_version=options.api_version,
        may_use_cache=options.chunk_cache,
    )
    return _Open(os.getpid(), pool, client, s3)
