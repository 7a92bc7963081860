"""Backends without a store: objects in memory, a record of every question, faults.

``FakeBackend`` serves byte ranges, ``FakeServer`` computes beside its objects as a
server does. Both are deterministic, can be told to fail, and can share objects::

    near = FakeServer(operations={"count", "max", "select"})
    near.fail(BackendUnavailable("down"), times=None)
    far = FakeBackend(objects=near.objects)
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

from activecore.backend import BackendOptions, ByteRangeBackend, StorageBackend
from activecore.errors import BackendError, ChunkNotFound
from activecore.kernel import reduce_buffers, undecodable
from activecore.model import ChunkBatch, ChunkRequest, Cost, Partial
from activecore.testing.files import ObjectFileSystem

__all__ = ["FakeBackend", "FakeServer", "Read"]


@dataclass(frozen=True, slots=True)
class Read:
    """One range of one object, as it was asked for."""

    source: str
    """The object."""
    offset: int
    """Where the range begins, in bytes."""
    size: int
    """How many bytes; -1: the whole object."""


Delay: TypeAlias = float | Callable[[Read], float]


@dataclass(slots=True)
class _Fault:
    error: Exception
    source: str | None
    after: int
    times: int | None

    def strikes(self, source: str) -> bool:
        """Count one read, and tell whether it fails."""
        if self.source is not None and self.source != source:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class _Fake(StorageBackend):
    """What both fakes have: objects, records, faults."""

    def __init__(
        self,
        options: BackendOptions | None = None,
        *,
        objects: dict[str, bytes] | None = None,
        name: str | None = None,
        operations: Iterable[str] | None = None,
        refuses: Mapping[str, str] | None = None,
        batch_chunks: int | None = None,
        batch_bytes: int | None = None,
    ) -> None:
        super().__init__(options)
        # Ordinary backends say these once for the class; two fakes in one list of
        # backends must differ.
        own: dict[str, Any] = {
            "name": name,
            "operations": None if operations is None else frozenset(operations),
            "batch_chunks": batch_chunks,
            "batch_bytes": batch_bytes,
        }
        vars(self).update({k: v for k, v in own.items() if v is not None})
        self.refuses = {} if refuses is None else dict(refuses)
        self.objects: dict[str, bytes] = {} if objects is None else objects
        self.batches: list[ChunkBatch] = []
        self.reads: list[Read] = []
        self.delay: Delay = 0.0
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def put(self, name: str, data: bytes) -> str:
        """Store an object, and give the source by which it is asked for."""
        self.objects[name] = bytes(data)
        return name

    def delete(self, source: str) -> None:
        """Remove an object: from now on it is absent."""
        del self.objects[source]

    def fail(
        self,
        error: Exception,
        *,
        source: str | None = None,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Make reads raise.

        Parameters
        ----------
        error
            What is raised, a copy each time.
        source
            Only reads of this object count and fail; None: all reads.
        after
            So many reads succeed first.
        times
            So many reads fail then; None: all.
        """
        with self._lock:
            self._faults.append(_Fault(copy.copy(error), source, after, times))

    def why_not(self, batch: ChunkBatch) -> str | None:
        """Refuse what ``refuses`` names, and codecs that the kernel lacks."""
        refusal = self.refuses.get(batch.operation)
        return undecodable(batch.layout) if refusal is None else refusal

    def reduce_chunks(self, batch: ChunkBatch) -> Partial:
        """Record the batch, and answer it."""
        with self._lock:
            self.batches.append(batch)
        return super().reduce_chunks(batch)

    def filesystem(self, url: str) -> ObjectFileSystem:  # noqa: ARG002 - there is one
        """Give the objects as files."""
        return ObjectFileSystem(self.objects)

    def _read(self, source: str, offset: int, size: int) -> bytes:
        read = Read(source, offset, size)
        with self._lock:
            self.reads.append(read)
            struck = [fault for fault in self._faults if fault.strikes(source)]
        pause = self.delay(read) if callable(self.delay) else self.delay
        if pause > 0:
            time.sleep(pause)
        if struck:
            raise copy.copy(struck[0].error)
        if source not in self.objects:
            raise ChunkNotFound(f"there is no object {source!r}")
        data = self.objects[source]
        return data if size == -1 else data[offset : offset + size]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


class FakeBackend(_Fake, ByteRangeBackend):
    """Serves byte ranges of objects in memory; the kernel reduces them.

    Parameters
    ----------
    options
        As for every backend.
    objects
        The objects, by source; not copied, so that backends can share them.
    name
        Instead of ``"fake"``.
    operations
        What it lists, instead of everything.
    refuses
        Operation -> the sentence with which ``why_not`` refuses it.
    batch_chunks, batch_bytes
        How large it wants batches.

    Attributes
    ----------
    batches, reads
        What it was asked so far, in the order in which it was asked.
    delay
        Seconds that each read takes; or a function of the ``Read``, to let answers
        arrive in any order.
    """

    name = "fake"
    contract: ClassVar[tuple[int, int]] = (1, 0)

    def read_range(self, source: str, offset: int, size: int) -> bytes:
        """Record the range, and give its bytes."""
        return self._read(source, offset, size)


class FakeServer(_Fake):
    """Computes partials beside its objects, chunk by chunk, as a server does.

    Its costs say so: it reads a chunk, and what is received is the partial alone.
    Takes the parameters of ``FakeBackend``, and has its attributes.
    """

    name = "fakeserver"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    operations: ClassVar[frozenset[str]] = frozenset(
        {"count", "sum", "min", "max", "select"}
    )
    batch_chunks = 16

    def reduce_chunk(self, request: ChunkRequest) -> Partial:
        """Read the chunk's bytes, and send its partial back."""
        if request.operation not in self.operations:
            raise BackendError(f"{self.name} was asked for {request.operation!r}")
        self._require_open()
        data = self._read(request.source, request.offset, request.size)
        partial = reduce_buffers(ChunkBatch.of(request), [data])
        values = tuple(value[0, ...] for value in partial.values)
        count = partial.count[0, ...]
        received = count.nbytes + sum(value.nbytes for value in values)
        cost = Cost(requests=1, bytes_read=len(data), bytes_received=received)
        return replace(partial, values=values, count=count, cost=cost)
