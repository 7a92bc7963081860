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
from activecore_s3numpy.replies import Ask, Reply

__all__ = ["Merging", "Wanted", "read_wanted"]

_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Merging:
    """How neighbouring ranges are read together."""

    gap: int
    """Bytes between two of them that are read along."""
    most: int
    """Bytes that are read in one go at most."""


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


def read_wanted(
    client: Client, wanted: Wanted, merging: Merging
) -> tuple[EncodedChunks, Cost]:
    """Read ranges.

    Returns
    -------
    chunks
        The bytes of each range.
    cost
        What it cost.

    Raises
    ------
    ChunkReadError
        An object ends before a range that is wanted of it.
    SourceChanged
        It is not the object of that version any more.
    """
    runs = list(_runs(client, wanted, merging))
    answers = client.read_all([ask for ask, _ in runs])
    chunks = EncodedChunks(len(wanted.sources))
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
    return chunks, cost


def _runs(
    client: Client, wanted: Wanted, merging: Merging
) -> Iterator[tuple[Ask, RangeRun]]:
    """Give what to ask for, and the ranges that lie in each reply."""
    # A version that is no ETag cannot be enforced: the core asks again at the end.
    version = wanted.version
    if_match = version if version is not None and version.startswith('"') else None
    for source, positions in group_by_source(wanted.sources):
        address = Address.parse(source, bucket=client.options.bucket)
        offsets, sizes = wanted.offsets[positions], wanted.sizes[positions]
        is_whole = sizes == -1
        for position in positions[is_whole]:
            column = np.full(1, position)
            run = RangeRun(0, -1, np.zeros_like(column), np.full(1, -1), column)
            yield Ask(address, if_match=if_match, most=wanted.most), run
        part = ~is_whole
        _check_plausible(wanted, offsets[part], sizes[part], positions[part])
        for run in join_ranges(
            offsets[part],
            sizes[part],
            positions[part],
            gap=merging.gap,
            most=merging.most,
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
