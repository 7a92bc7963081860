"""The bytes of a batch's chunks: neighbours together, everything in parallel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from activecore import (
    ChunkDecodeError,
    ChunkReadError,
    Cost,
    RangeRun,
    SourceChanged,
    join_ranges,
)
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.client import Client
from activecore_s3numpy.failures import Failure
from activecore_s3numpy.replies import Ask, Reply

__all__ = ["Buffers", "Merging", "Wanted", "read_wanted"]

Buffers: TypeAlias = list[memoryview | None]


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

    sources: Sequence[str]
    offsets: Sequence[int]
    sizes: Sequence[int]
    """-1: the whole object."""
    version: str | None = None
    """The version that the sources must still have; None: cannot be told."""
    most: int | None = None
    """Bytes that one of them may have at most; None: any number."""


def read_wanted(
    client: Client, wanted: Wanted, merging: Merging
) -> tuple[Buffers, Cost]:
    """Read ranges.

    Returns
    -------
    buffers
        One for each range; None where there is no such object.
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
    buffers: Buffers = [None] * len(wanted.sources)
    received = retries = 0
    for (ask, run), answer in zip(runs, answers, strict=True):
        if isinstance(answer, Failure):
            _refuse(answer, ask, run, wanted)
            continue
        received += len(answer.data)
        retries += answer.retries
        _lend(answer, ask, run, buffers)
    cost = Cost(
        len(runs), bytes_read=received, bytes_received=received, retries=retries
    )
    return buffers, cost


def _runs(
    client: Client, wanted: Wanted, merging: Merging
) -> Iterator[tuple[Ask, RangeRun]]:
    """Give what to ask for, and the ranges that lie in each reply."""
    # A version that is no ETag cannot be enforced: the core asks again at the end.
    version = wanted.version
    if_match = version if version is not None and version.startswith('"') else None
    by_source: dict[str, list[int]] = {}
    for position, source in enumerate(wanted.sources):
        by_source.setdefault(source, []).append(position)
    for source, positions in by_source.items():
        address = Address.parse(source, bucket=client.options.bucket)
        ranges = []
        for position in positions:
            offset, size = wanted.offsets[position], wanted.sizes[position]
            if size == -1:
                yield (
                    Ask(address, if_match=if_match, most=wanted.most),
                    RangeRun(0, -1, [(0, -1, position)]),
                )
            else:
                ranges.append(_plausible(wanted, offset, size, position))
        for run in join_ranges(ranges, gap=merging.gap, most=merging.most):
            yield Ask(address, run.start, run.stop, if_match), run


def _plausible(
    wanted: Wanted, offset: int, size: int, position: int
) -> tuple[int, int, int]:
    """Refuse what is wrong by far, before memory is taken for it."""
    if offset < 0 or size < 0:
        raise ChunkReadError(f"there are no bytes {offset}+{size}", position=position)
    if wanted.most is not None and size > wanted.most:
        raise ChunkDecodeError(
            f"{size} bytes are stored for a chunk that should have at most "
            f"{wanted.most}",
            position=position,
        )
    return offset, size, position


def _refuse(answer: Failure, ask: Ask, run: RangeRun, wanted: Wanted) -> None:
    if answer.kind == "too large":
        raise ChunkDecodeError(answer.reason, position=run.members[0][2])
    if answer.kind == "outside":
        raise ChunkReadError(
            "the object ends before the chunk", position=run.members[0][2]
        )
    if wanted.version is not None:
        raise SourceChanged(f"{ask.address.url} was removed after it was opened")


def _lend(answer: Reply, ask: Ask, run: RangeRun, buffers: Buffers) -> None:
    memory = memoryview(answer.data)
    if ask.is_whole:
        buffers[run.members[0][2]] = memory
        return
    for offset, size, position in run.members:
        start = offset - run.start
        if start + size > len(memory):
            raise ChunkReadError(
                f"the object ends at byte {answer.meta.size}, before the chunk",
                position=position,
            )
        buffers[position] = memory[start : start + size]
