"""A backend that computes, as contract 1.0 had it. Frozen: never edit."""

from typing import ClassVar

import fsspec
import numpy as np

import activecore as ac


class YesterdaySums(ac.StorageBackend):
    name = "yesterdaysums"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    operations: ClassVar[frozenset[str]] = frozenset({"select", "sum", "count"})
    batch_chunks = 8

    def why_not(self, batch):
        if batch.codecs:
            return f"it decodes no {batch.codecs[0]}"
        if batch.dtype.kind != "f":
            return f"it adds up floats, and no {batch.dtype}"
        if len(batch.missing.values) > 1 or batch.missing.valid_min is not None:
            return "it knows one missing value"
        return None

    def filesystem(self, url):
        return fsspec.filesystem("file")

    def reduce_chunk(self, request):
        ac.check_cancelled()
        try:
            with open(request.source, "rb") as file:
                file.seek(request.offset)
                data = file.read(request.size)
        except FileNotFoundError as error:
            raise ac.ChunkNotFound(f"there is no file {request.source}") from error
        if len(data) != request.layout.nbytes:
            raise ac.ChunkReadError("it ends too early")
        stored = np.frombuffer(data, request.dtype).reshape(request.layout.stored_shape)
        chunk = stored.transpose(np.argsort(request.order)).astype("=f8")
        picks = [
            np.arange(s.start, s.stop, s.step) if isinstance(s, slice) else list(s)
            for s in request.chunk_selection
        ]
        chunk = chunk[np.ix_(*picks)]
        present = np.ones(chunk.shape, dtype=bool)
        for value in request.missing.values:
            present &= chunk != value
        cost = ac.Cost(requests=1, bytes_read=len(data), bytes_received=len(data))
        if request.operation == "select":
            native = chunk.astype(request.dtype.newbyteorder("="))
            return ac.Partial((native,), present, cost=cost)
        count = present.sum(axis=request.axis, keepdims=True, dtype=np.int64)
        if request.operation == "count":
            return ac.Partial((), count, cost=cost)
        total = np.where(present, chunk, 0.0).sum(axis=request.axis, keepdims=True)
        return ac.Partial((total,), count, cost=cost)


@ac.hookimpl
def activecore_backend():
    return YesterdaySums
