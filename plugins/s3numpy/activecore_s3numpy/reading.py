"""The bytes of a batch's chunks: neighbours together, everything in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore import (
    ChunkDecodeError,
    ChunkReadError,
    Cost,
    EncodedChunks,
    RangeRun,
    SourceChanged,
    group_by_source,
    join_ranges,
)
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.client import Client
from activecore_s3numpy.failures import Failure
from activecore_s3numpy.replies import Ask, Reply, is_strong

__all__ = ["Found", "Wanted", "read_wanted"]

_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns of ranges, as a batch has them."""

    sources: NDArray[Any]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    """-1: the whole object."""
    version: str | None = None
    """The version that the sources must still have; None: cannot be told."""
    most: int | None = None
    """Bytes that one of them may have at most; None: any number."""

    @property
    def etag(self) -> str | None:
        """The version, if it is one that the store can be held to; else None."""
        return self.version if is_strong(self.version) else None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was read."""

    chunks: EncodedChunks
    """The bytes of each range."""
    cost: Cost
    """What it cost."""
    is_confirmed: bool
    """Whether the store made sure that all of it is of the version that is wanted."""


def read_wanted(client: Client, wanted: Wanted) -> Found:
    """Read ranges, those left out that came along with the index.

    Raises
    ------
    ChunkReadError
        An object ends before a range that is wanted of it.
    SourceChanged
        It is not the object of that version any more.
    """
    chunks = EncodedChunks(len(wanted.sources))
    client.require_open()  # also where nothing is left to be asked for
    runs = list(_runs(client, wanted, chunks))
    answers = client.read_all([ask for ask, _ in runs]) if runs else []
    received = retries = 0
    for (ask, run), answer in zip(runs, answers, strict=True):
        if isinstance(answer, Failure):
            _refuse(answer, ask, run, wanted)
            continue
        received += len(answer.data)
        retries += answer.retries
        _lend(answer, run, chunks)
    cost = Cost(
        len(runs), bytes_read=received, bytes_received=received, retries=retries
    )
    return Found(chunks, cost, is_confirmed=wanted.etag is not None)


def _runs(
    client: Client, wanted: Wanted, chunks: EncodedChunks
) -> Iterator[tuple[Ask, RangeRun]]:
    """Give what to ask for, and the ranges that lie in each reply.

    Of what is held already ``chunks`` is told.
    """
    if_match = wanted.etag
    for source, positions in group_by_source(wanted.sources):
        address = Address.parse(source, bucket=client.options.bucket)
        offsets, sizes = wanted.offsets[positions], wanted.sizes[positions]
        is_whole = sizes == -1
        for position in positions[is_whole]:
            column = np.full(1, position)
            run = RangeRun(0, -1, np.zeros_like(column), np.full(1, -1), column)
            yield Ask(address, if_match=if_match, most=wanted.most), run
        part = ~is_whole
        columns = offsets[part], sizes[part], positions[part]
        _check_plausible(wanted, *columns)
        left = client.read_cache.lend(address, if_match, *columns, chunks)
        for run in join_ranges(
            *(column[left] for column in columns),
            gap=client.merging.gap,
            most=client.merging.most,
        ):
            # No bytes cannot be asked for, but whether the object is there must be.
            stop = max(run.stop, run.start + 1)
            yield Ask(address, run.start, stop, if_match), run


def _check_plausible(
    wanted: Wanted,
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> None:
    """Refuse what is wrong by far, before memory is taken for it."""
    is_nowhere = (offsets < 0) | (sizes < 0) | (offsets > _LAST - sizes)
    if is_nowhere.any():
        at = int(np.argmax(is_nowhere))
        raise ChunkReadError(
            f"there are no bytes {offsets[at]}+{sizes[at]}", position=int(positions[at])
        )
    if wanted.most is not None and (sizes > wanted.most).any():
        at = int(np.argmax(sizes > wanted.most))
        raise ChunkDecodeError(
            f"{sizes[at]} bytes are stored for a chunk that should have at most "
            f"{wanted.most}",
            position=int(positions[at]),
        )


def _refuse(answer: Failure, ask: Ask, run: RangeRun, wanted: Wanted) -> None:
    if answer.kind == "too large":
        raise ChunkDecodeError(answer.reason, position=int(run.positions[0]))
    if answer.kind == "outside":
        raise ChunkReadError(
            "the object ends before the chunk", position=int(run.positions[0])
        )
    if wanted.version is not None:
        raise SourceChanged(f"{ask.address.url} was removed after it was opened")


def _lend(answer: Reply, run: RangeRun, chunks: EncodedChunks) -> None:
    memory = memoryview(answer.data)
    if run.stop == -1:
        chunks.put(memory, run.positions, 0, len(memory))
        return
    is_outside = run.offsets - run.start + run.sizes > len(memory)
    if is_outside.any():
        raise ChunkReadError(
            f"the object ends at byte {answer.meta.size}, before the chunk",
            position=int(run.positions[np.argmax(is_outside)]),
        )
    run.lend(memory, chunks)
