"""Arrays cut into chunks in memory: the core without readers, files or plugins."""

from __future__ import annotations

import itertools
import math

import numpy as np

from activecore.array import ActiveArray
from activecore.backend import ByteRangeBackend
from activecore.errors import ChunkNotFound
from activecore.model import ABSENT, INLINE, ArrayInfo, ChunkLayout, Located, Missing
from activecore.session import Session


class MemoryBackend(ByteRangeBackend):
    """Objects in a dict; batches of a chosen size."""

    name = "memory"

    def __init__(
        self, options=None, *, objects=None, batch_chunks=7, batch_bytes=1 << 20
    ):
        super().__init__(options)
        self.objects = {} if objects is None else objects
        self.batch_chunks = batch_chunks
        self.batch_bytes = batch_bytes

    def filesystem(self, url):
        raise NotImplementedError

    def read_range(self, source, offset, size):
        if source not in self.objects:
            raise ChunkNotFound(f"no object {source}")
        data = self.objects[source]
        return data[offset:] if size == -1 else data[offset : offset + size]


class MemoryIndex:
    def __init__(self, chunk_shape, states):
        self.chunk_shape = chunk_shape
        self.states = states

    def locate(self, coords):
        n = len(coords)
        sources = np.array(
            ["/".join(map(str, c)) for c in coords.tolist()], dtype=object
        )
        layouts = np.zeros(n, dtype=np.int64)
        inline = {}
        for row, c in enumerate(map(tuple, coords.tolist())):
            state = self.states.get(c)
            if isinstance(state, np.ndarray):
                layouts[row] = INLINE
                inline[row] = state
            elif state == "absent":
                layouts[row] = ABSENT
        return Located(sources, np.zeros(n, np.int64), np.full(n, -1), layouts, inline)


def array_of(
    values,
    chunks,
    *,
    missing=None,
    fill=None,
    states=None,
    packing=None,
    order="C",
    dtype=None,
    threads=2,
    batch_chunks=7,
    backend=None,
    dims=None,
):
    """Cut an array into chunks; ``states`` says which are absent, gone or inline."""
    values = np.asarray(values)
    stored = values.dtype if dtype is None else np.dtype(dtype)
    layout = ChunkLayout(
        stored, chunks, order, (), missing or Missing(), fill, absent_is_fill=True
    )
    objects, index_states = {}, {}
    grid = [range(math.ceil(n / c)) for n, c in zip(values.shape, chunks, strict=True)]
    for coords in itertools.product(*grid):
        block = np.zeros(chunks, dtype=stored)
        where = tuple(
            slice(c * n, (c + 1) * n) for c, n in zip(coords, chunks, strict=True)
        )
        part = values[where]
        block[tuple(slice(n) for n in part.shape)] = part
        state = (states or {}).get(coords)
        if state == "inline":
            index_states[coords] = block.copy()
        elif state == "absent":
            index_states[coords] = "absent"
        elif state != "gone":
            objects["/".join(map(str, coords))] = block.transpose(
                layout.order
            ).tobytes()
    if backend is None:
        backend = MemoryBackend(objects=objects, batch_chunks=batch_chunks)
    else:
        backend.objects = objects
    info = ArrayInfo(
        name="x",
        shape=values.shape,
        dims=dims or tuple("abcd"[: values.ndim]),
        dtype=stored.newbyteorder("="),
        chunks=tuple(chunks),
        attrs={},
        layouts=(layout,),
        index=MemoryIndex(tuple(chunks), index_states),
        packing=packing,
        source="memory",
    )
    return ActiveArray(info, Session([backend], None, threads=threads))
