"""The bytes of a batch's chunks, file by file."""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack, suppress
from typing import TypeAlias

from activecore import (
    ChunkBatch,
    ChunkDecodeError,
    ChunkError,
    ChunkNotFound,
    ChunkReadError,
    Cost,
    RangeRun,
    SourceChanged,
    check_cancelled,
    join_ranges,
)
from activecore_posix.files import SourceFile, read_error
from activecore_posix.memory import scratch

__all__ = ["Buffers", "batch_buffers", "range_bytes"]

Buffers: TypeAlias = list[memoryview | None]

Range: TypeAlias = tuple[int, int, int]
"""Offset, size, and the position in the batch of the chunk that lies there."""

_PIECE = 16 << 20
"""Bytes that one system call reads at most: between calls a run can be stopped."""

_GAP = 16 << 10
"""Bytes between two ranges that are read along rather than skipped.

A second read costs about a microsecond, as much as copying this many bytes.
"""

_MAP_FROM = 256 << 10
"""Bytes wanted of a file from which mapping it costs less than reading it."""


def batch_buffers(
    batch: ChunkBatch, *, mapped: bool, until_reduced: ExitStack
) -> tuple[Buffers, Cost]:
    """Get the bytes of every chunk of a batch.

    Parameters
    ----------
    batch
        What is asked.
    mapped
        Whether to map files into memory, where that pays, instead of reading them.
    until_reduced
        What must stay open while the buffers are used. Closing it takes them back,
        and checks that no mapped file changed meanwhile.

    Returns
    -------
    buffers
        One for each chunk, None where there is no such object. They are lent: this
        thread's next call writes over them.
    cost
        What it cost to get them.

    Raises
    ------
    ChunkError
        ``position`` tells which chunk.
    SourceChanged
        A file is not the one that was opened.
    """
    scratch.reset()
    buffers: Buffers = [None] * len(batch)
    by_source: dict[str, list[int]] = {}
    for position, source in enumerate(batch.sources.tolist()):
        by_source.setdefault(source, []).append(position)
    requests = received = 0
    for source, positions in by_source.items():
        check_cancelled()
        with ExitStack() as until_read:
            try:
                file = until_read.enter_context(SourceFile(source, batch.version))
            except ChunkNotFound as error:
                if batch.version is not None:
                    msg = f"{source} was removed after it was opened"
                    raise SourceChanged(msg) from error
                requests += 1
                continue
            except ChunkError as error:
                error.position = positions[0]
                raise
            runs = join_ranges(_ranges(batch, positions, file), gap=_GAP)
            size = sum(run.size for run in runs)
            if mapped and size >= _MAP_FROM:
                until_reduced.push(until_read.pop_all())
                _map(file, runs, buffers, until_reduced)
            else:
                _read(file, runs, buffers)
        requests += len(runs)
        received += size
    return buffers, Cost(requests, bytes_read=received, bytes_received=received)


def range_bytes(source: str, offset: int, size: int) -> bytes:
    """Read one range of a file into memory of its own; size -1: all of it.

    Raises
    ------
    ChunkNotFound
        There is no such file.
    ChunkReadError, SourceChanged
        The range does not lie within it; it cannot be read; it changed meanwhile.
    """
    scratch.reset()
    buffers: Buffers = [None]
    with SourceFile(source) as file:
        _read(file, join_ranges([_within(file, offset, size, 0)], gap=_GAP), buffers)
    return b"".join(buffer for buffer in buffers if buffer is not None)


def _ranges(batch: ChunkBatch, positions: list[int], file: SourceFile) -> list[Range]:
    """Give the chunks' ranges in a file.

    Encoded chunks may be larger than their elements, but not by much: what is wrong by
    far is refused before memory is taken for it.
    """
    most = 16 * batch.layout.nbytes + (1 << 20)
    offsets, sizes = batch.offsets[positions], batch.sizes[positions]
    members = zip(offsets.tolist(), sizes.tolist(), positions, strict=True)
    ordinary = (offsets >= 0) & (sizes >= 0) & (sizes <= most)
    if (ordinary & (sizes <= file.size - offsets)).all():
        return list(members)
    return [_checked(file, member, batch.layout.nbytes, most) for member in members]


def _checked(file: SourceFile, member: Range, nbytes: int, most: int) -> Range:
    member = _within(file, *member)
    if member[1] > most:
        raise ChunkDecodeError(
            f"{member[1]} bytes are stored for a chunk of {nbytes}",
            position=member[2],
        )
    return member


def _within(
    file: SourceFile, offset: int, size: int, position: int
) -> tuple[int, int, int]:
    """Make sure that a range lies within its file."""
    if size == -1:
        return 0, file.size, position
    if offset < 0 or size < 0 or offset + size > file.size:
        raise ChunkReadError(
            f"the file ends at byte {file.size}, before the chunk", position=position
        )
    return offset, size, position


def _read(file: SourceFile, runs: list[RangeRun], buffers: Buffers) -> None:
    """Read runs at their positions into this thread's memory."""
    for run in runs:
        memory = scratch.take(run.size, run.start)
        done = 0
        while done < run.size:
            check_cancelled()
            start = run.start + done
            try:
                came = os.preadv(file.fd, [memory[done : done + _PIECE]], start)
            except OSError as error:
                at = run.position_at(start)
                raise read_error(file.source, error, at) from error
            if came == 0:
                at = run.position_at(start)
                raise ChunkReadError("the file ended before the chunk", position=at)
            done += came
        _lend(memory, run, buffers)


def _map(
    file: SourceFile, runs: list[RangeRun], buffers: Buffers, until_reduced: ExitStack
) -> None:
    """Map a file into memory; the kernel then reads what it touches."""
    try:
        mapping = mmap.mmap(file.fd, file.size, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        position = runs[0].members[0][2]
        raise read_error(file.source, error, position) from error
    memory = memoryview(mapping)

    def take_back() -> None:
        buffers.clear()
        # An error's traceback may hold a view still; then it holds the mapping, too.
        with suppress(BufferError):
            memory.release()
            mapping.close()

    until_reduced.callback(take_back)
    for run in runs:
        _lend(memory[run.start : run.stop], run, buffers)


def _lend(memory: memoryview, run: RangeRun, buffers: Buffers) -> None:
    for offset, size, position in run.members:
        start = offset - run.start
        buffers[position] = memory[start : start + size]
