"""A backend that leaves traces on disk: workers of other processes tell through it."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import numpy as np
from memory import MemoryBackend, array_of

from activecore.array import ActiveArray
from activecore.errors import ChunkDecodeError
from activecore.session import Session

FIELD = np.random.default_rng(1).normal(280, 15, (140, 9, 8)).astype("f4")
MONTHS = np.arange(140) // 5 % 12
QUESTIONS = [
    (reduction, axis)
    for reduction in ("mean", "std", "max", "count")
    for axis in (None, 0, (1, 2), 2)
]


def answers_of(array):
    """Give the bits of many answers of an array with the shape of ``FIELD``."""
    answers = [array.reduce(*question) for question in QUESTIONS]
    answers += [array[::3].read(), array.groupby(0, MONTHS).mean()]
    return [np.ma.getdata(answer).tobytes() for answer in answers]


class Traced(MemoryBackend):
    """Notes each batch, each making and each closing as a file in a folder."""

    name = "traced"

    def __init__(self, folder, **options):
        super().__init__(**options)
        self.folder = Path(folder)
        self.pause = 0.0
        self.fails = self.dies = None

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.trace("made")

    def trace(self, what):
        (self.folder / f"{what}-{os.getpid()}-{uuid.uuid4().hex}").touch()

    def reduce_chunks(self, batch):
        self.trace("batch")
        time.sleep(self.pause)
        if self.fails is not None and self.fails in batch.sources:
            position = batch.sources.tolist().index(self.fails)
            raise ChunkDecodeError("the checksum is wrong", position=position)
        if self.dies is not None and self.dies in batch.sources:
            tombstone = self.folder / "died"
            if not tombstone.exists():
                tombstone.touch()
                os._exit(1)
        return super().reduce_chunks(batch)

    def close(self):
        self.trace("closed")
        super().close()


def traces(folder, what):
    return sorted(path.name for path in Path(folder).glob(f"{what}-*"))


def processes(folder, what):
    return [name.split("-")[1] for name in traces(folder, what)]


def traced(folder, values, chunks, executor=None, *, batch_chunks=3, **session):
    """An array whose backend leaves traces, and works where it is told to."""
    backend = Traced(folder, batch_chunks=batch_chunks)
    array = array_of(values, chunks, backend=backend)
    return ActiveArray(
        array.info, Session([backend], None, executor=executor, **session)
    )
