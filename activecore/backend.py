"""Where partials are computed: the contract that every backend signs."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from activecore.cancel import check_cancelled
from activecore.contract import CONTRACT
from activecore.encoded import Buffer
from activecore.errors import (
    BackendError,
    ChunkError,
    ChunkNotFound,
)
from activecore.kernel import MAX_CHUNK_BYTES, reduce_buffers, undecodable
from activecore.model import OPERATIONS, ChunkBatch, ChunkRequest, Cost, Partial
from activecore.options import BackendOptions

if TYPE_CHECKING:
    import fsspec
    from numpy.typing import NDArray

__all__ = ["BackendOptions", "ByteRangeBackend", "StorageBackend"]


class StorageBackend(ABC):
    """Where partials of chunks are computed.

    A complete backend, for a store that serves byte ranges, is about ten lines:

        class MemoryBackend(ByteRangeBackend):
            name = "memory"

            def filesystem(self, url: str) -> fsspec.AbstractFileSystem:
                return fsspec.filesystem("memory")

            def read_range(self, source: str, offset: int, size: int) -> bytes:
                end = None if size == -1 else offset + size
                return fsspec.filesystem("memory").cat_file(
                    source, start=offset, end=end
                )

    registered in ``pyproject.toml`` under the entry-point group ``activecore`` and
    by a module-level function:

        @activecore.hookimpl
        def activecore_backend() -> type[StorageBackend]:
            return MemoryBackend

    Making an instance does no I/O: connections open on first use, once per process.
    Instances are shared by threads.
    """

    name: ClassVar[str]
    """The entry-point name, by which users and config files know the backend."""
    options_type: ClassVar[type[BackendOptions]] = BackendOptions
    """What can be configured about it."""
    contract: ClassVar[tuple[int, int]] = CONTRACT
    """The (major, minor) contract it was written for; write the numbers out."""
    operations: ClassVar[frozenset[str]] = frozenset({"select"})
    """What it can compute of a chunk; what is not listed is never sent to it."""

    batch_bytes: int = 4 << 20
    """Decoded bytes that a batch should hold, about; four times as many of chunks
    that are not encoded, with which so little is done that what a batch costs shows."""
    batch_chunks: int = 4096
    """Chunks that a batch may hold at most; a server wants few."""
    _closed: bool = False

    def __init__(self, options: BackendOptions | None = None) -> None:
        self.options = self.options_type() if options is None else options
        """As they were given, or the defaults."""
        most = self.options.concurrency
        self.concurrency: int = min(32, os.cpu_count() or 1) if most is None else most
        """Batches that are at work at once."""
        limit = self.options.max_chunk_bytes
        self.max_chunk_bytes: int = MAX_CHUNK_BYTES if limit is None else limit
        """Decoded size above which a chunk is refused."""

    @abstractmethod
    def reduce_chunk(self, request: ChunkRequest) -> Partial:
        """Reduce one chunk where it lives.

        Called concurrently from several threads: share no file position and no
        buffer. Read only the bytes the request names. Decode all ``codecs``,
        verify checksums, take the selection, apply every missing rule, then reduce
        ``axis``, keeping reduced axes at length one. ``count`` is the number of
        non-missing elements behind each value; it may be zero, and then the value
        is not read by anyone. Sums accumulate in 64 bits whatever the dtype.

        Returns
        -------
        Partial
            Arrays that nobody else holds, native-endian, no leading chunk axis.
            ``is_confirmed`` only where the store refuses other versions than the
            request's.

        Raises
        ------
        ChunkNotFound
            There is no such object. "Forbidden" is not absence.
        ChunkError, BackendError
            Anything else that went wrong. Never return a guess.
        """

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Reduce every chunk of a batch; the default asks ``reduce_chunk`` for each.

        The obligations of ``reduce_chunk`` hold for each chunk. Override it where
        many chunks together are cheaper than one by one. If any chunk fails, fail
        the whole batch with an error whose ``position`` is the chunk's.

        Returns
        -------
        Partial
            One leading axis more than a chunk's partial: the chunk, in batch order.
            ``absent`` lists the positions of objects that are not there; their
            values are not read by anyone.
        """
        self._require_open()
        partials: list[Partial | None] = []
        for position in range(len(batch)):
            check_cancelled()
            try:
                partial = self.reduce_chunk(batch[position])
                partials.append(partial if len(partial.absent) == 0 else None)
            except ChunkNotFound:
                partials.append(None)
            except ChunkError as error:
                error.position = position
                raise
        return self._stacked(batch, partials)

    def _stacked(
        self, batch: ChunkBatch, partials: Sequence[Partial | None]
    ) -> Partial:
        """Make one partial of a batch's chunks; None: there is no such object."""
        shape = batch.reduced_shape
        present = [partial for partial in partials if partial is not None]
        if not present:
            # Nothing to decode: this gives the operation's identities.
            return reduce_buffers(batch, [None] * len(batch))
        for partial in present:
            self._require_chunk_shape(batch, partial, len(present[0].values))

        def column(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
            rows = iter(arrays)
            blank = np.zeros(shape, dtype=arrays[0].dtype)
            return np.stack(
                [
                    blank if p is None else np.broadcast_to(next(rows), shape)
                    for p in partials
                ]
            )

        width = len(present[0].values)
        return Partial(
            values=tuple(
                column([np.asarray(partial.values[k]) for partial in present])
                for k in range(width)
            ),
            count=column([np.asarray(partial.count) for partial in present]),
            absent=np.array(
                [i for i, partial in enumerate(partials) if partial is None],
                dtype=np.int64,
            ),
            cost=sum((partial.cost for partial in present), Cost()),
            is_confirmed=all(partial.is_confirmed for partial in present),
        )

    def _require_chunk_shape(
        self, batch: ChunkBatch, partial: Partial, width: int
    ) -> None:
        """Refuse a partial that only broadcasting would make fit: it is another one."""
        shape = batch.reduced_shape
        if len(partial.values) != width:
            raise BackendError(
                f"{self.name} answered {batch.operation!r} with {len(partial.values)} "
                f"values for one chunk and {width} for another"
            )
        for array in (*partial.values, partial.count):
            given = np.shape(array)
            if len(given) != len(shape) or any(
                have not in (1, want) for have, want in zip(given, shape, strict=True)
            ):
                raise BackendError(
                    f"{self.name} answered with an array of shape {given} for a "
                    f"partial of shape {shape}; reduced axes stay at length one"
                )

    def why_not(self, batch: ChunkBatch) -> str | None:  # noqa: ARG002 - for subclasses
        """Say why this backend would not answer a batch rightly, or None.

        Asked once per batch, before anything is sent, and by ``explain``; must do no
        I/O. Name a dtype or codec it lacks, or an accumulator that may wrap, in one
        sentence for a user. A batch of length zero asks about its layout in general.
        """
        return None

    @abstractmethod
    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:
        """Give the filesystem through which metadata behind ``url`` is read.

        It must offer ``info``, ``exists``, ``isdir``, ``find``, ``open`` and
        ``cat_file`` with ``start`` and ``end``, with the backend's credentials and
        time limits. The paths that readers see in it are the ``source`` of requests.
        """

    def check(self) -> str:
        """Say in one sentence that the backend works, or raise a ``BackendError``.

        Called by ``activecore backends --check``. May do I/O, must end within the
        time limit, must not need a source.
        """
        return "ready"

    def close(self) -> None:
        """Release connections; later calls raise.

        Idempotent. Waits for calls in flight, at most for their time limit. Override
        it to release what you hold, and call this one, which refuses later batches.
        """
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise BackendError(f"{self.name} is closed")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class ByteRangeBackend(StorageBackend):
    """A backend for a store that only serves bytes: the kernel reduces them here.

    Implement ``read_range``, or ``read_ranges`` where many ranges together are
    cheaper; the rest is inherited, with every operation.
    """

    operations: ClassVar[frozenset[str]] = OPERATIONS

    def read_range(self, source: str, offset: int, size: int) -> Buffer:  # noqa: ARG002 - for subclasses
        """Read ``size`` bytes at ``offset`` of ``source``; size -1: the whole object.

        Called concurrently from several threads. Return exactly the bytes asked
        for: fewer is an error, not an answer.

        Raises
        ------
        ChunkNotFound
            There is no such object. "Forbidden" is not absence.
        ChunkReadError, BackendError
            Anything else that went wrong.
        """
        name = type(self).__name__
        raise TypeError(f"{name} must implement read_range or read_ranges")

    def read_ranges(
        self,
        sources: Sequence[str],
        offsets: Sequence[int],
        sizes: Sequence[int],
    ) -> Sequence[Buffer | None]:
        """Read many ranges; None for each object that is not there.

        The obligations of ``read_range`` hold for each.
        """
        buffers: list[Buffer | None] = []
        ranges = zip(sources, offsets, sizes, strict=True)
        for position, (source, offset, size) in enumerate(ranges):
            check_cancelled()
            try:
                buffers.append(self.read_range(source, offset, size))
            except ChunkNotFound:
                buffers.append(None)
            except ChunkError as error:
                error.position = position
                raise
        return buffers

    def reduce_chunk(self, request: ChunkRequest) -> Partial:
        """Read the chunk's bytes and reduce them here."""
        partial = self.reduce_chunks(ChunkBatch.of(request))
        if len(partial.absent) > 0:
            msg = f"there is no object {request.source!r}"
            raise ChunkNotFound(msg)
        return Partial(
            # [0, ...] and not [0], which of a 1-D array is no array.
            values=tuple(values[0, ...] for values in partial.values),
            count=partial.count[0, ...],
            cost=partial.cost,
            is_confirmed=partial.is_confirmed,
        )

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Read the chunks' bytes and reduce them here, all together."""
        self._require_open()
        buffers = self.read_ranges(
            batch.sources.tolist(), batch.offsets.tolist(), batch.sizes.tolist()
        )
        return reduce_buffers(batch, buffers, limit=self.max_chunk_bytes)

    def why_not(self, batch: ChunkBatch) -> str | None:
        """Name a codec that the kernel cannot decode, or None."""
        return undecodable(batch.layout)
