"""The backend ``s3numpy``: objects of S3 stores and web servers, reduced here."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from activecore import (
    ByteRangeBackend,
    ChunkBatch,
    ChunkNotFound,
    EncodedChunks,
    Partial,
    reduce_buffers,
)
from activecore_s3numpy.client import Client
from activecore_s3numpy.filesystem import ObjectFileSystem
from activecore_s3numpy.merging import Merging
from activecore_s3numpy.options import S3NumpyOptions
from activecore_s3numpy.reading import Wanted, read_wanted

if TYPE_CHECKING:
    import fsspec

    from activecore import BackendOptions

__all__ = ["S3NumpyBackend"]

_AT_ONCE = 16
"""Batches at work at once: while some are decoded, others are on their way."""


class S3NumpyBackend(ByteRangeBackend):
    """Reads byte ranges of objects and reduces them here.

    An object that changes while it is read is ``SourceChanged``: every read of the
    object whose index was read carries its ETag. Where there is none, and where all
    that was asked for had come along with the index, the core asks at the end of the
    run.
    """

    name = "s3numpy"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[BackendOptions]] = S3NumpyOptions
    options: S3NumpyOptions

    def __init__(self, options: S3NumpyOptions | None = None) -> None:
        super().__init__(options)
        if self.options.concurrency is None:
            self.concurrency = max(_AT_ONCE, 2 * (os.cpu_count() or 1))
        self._opened: Client | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # A copy opens a client of its own, where it is.
        return {**self.__dict__, "_opened": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def client(self) -> Client:
        """The client of this process, opened on first use.

        Raises
        ------
        BackendError
            The backend is closed.
        """
        with self._lock:
            self._require_open()
            if self._opened is None:
                options = self.options
                self._opened = Client(
                    options,
                    name=self.name,
                    max_requests=options.max_requests,
                    merging=Merging(
                        options.merge_gap,
                        options.merge_bytes,
                        options.read_cache_bytes,
                    ),
                )
            return self._opened

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Read the chunks' bytes, neighbours in one go, and reduce them here."""
        wanted = Wanted(
            batch.sources,
            batch.offsets,
            batch.sizes,
            version=batch.version,
            # Encoded chunks may be larger than their elements, but not by much.
            most=16 * batch.layout.nbytes + (1 << 20),
        )
        found = read_wanted(self.client, wanted)
        partial = reduce_buffers(
            batch, found.chunks, cost=found.cost, limit=self.max_chunk_bytes
        )
        return replace(partial, is_confirmed=found.is_confirmed)

    def read_range(self, source: str, offset: int, size: int) -> memoryview:
        """Read ``size`` bytes at ``offset`` of an object; size -1: all of it."""
        (buffer,) = self.read_ranges([source], [offset], [size])
        if buffer is None:
            raise ChunkNotFound(f"there is no object {source}")
        return buffer

    def read_ranges(
        self, sources: Sequence[str], offsets: Sequence[int], sizes: Sequence[int]
    ) -> EncodedChunks:
        """Read many ranges, all at once; None for each object that is not there."""
        wanted = Wanted(
            np.array(sources, dtype=object),
            np.array(offsets, dtype=np.int64),
            np.array(sizes, dtype=np.int64),
        )
        return read_wanted(self.client, wanted).chunks

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:
        """Give the filesystem for ``s3://``, ``https://`` and ``http://`` URLs.

        Other URLs, and keys without a bucket, are refused when they are asked for.
        """
        self._require_open()
        return ObjectFileSystem(self, url)

    def check(self) -> str:
        """Ask the object store one thing that costs nothing, and say who asks.

        Raises
        ------
        BackendError
            It does not answer, or there are no credentials.
        """
        client = self.client
        server = client.endpoints.of_s3()
        who = client.credentials()
        asks = "anonymously" if who is None else "with credentials"
        bucket = self.options.bucket
        client.ping(bucket)
        if bucket is None:
            return f"{server} answers; it is asked {asks}"
        return f"{server} answers; bucket {bucket!r} can be listed {asks}"

    def close(self) -> None:
        """Refuse later calls; wait for those in flight, at most their time limit."""
        super().close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
