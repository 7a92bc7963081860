"""The bytes of a batch's chunks, file by file."""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack, suppress

import numpy as np
from numpy.typing import NDArray

from activecore import (
    ChunkBatch,
    ChunkDecodeError,
    ChunkError,
    ChunkNotFound,
    ChunkReadError,
    Cost,
    EncodedChunks,
    RangeRun,
    SourceChanged,
    check_cancelled,
    group_by_source,
    join_ranges,
)
from activecore_posix.files import SourceFile, read_error
from activecore_posix.memory import scratch

__all__ = ["batch_bytes", "range_bytes"]

_PIECE = 16 << 20
"""Bytes that one system call reads at most: between calls a run can be stopped."""

_GAP = 16 << 10
"""Bytes between two ranges that are read along rather than skipped.

A second read costs about a microsecond, as much as copying this many bytes.
"""

_ENDS = "the file ends at byte {}, before the chunk"

_MAP_FROM = 256 << 10
"""Bytes wanted of a file from which mapping it costs less than reading it."""


def batch_bytes(
    batch: ChunkBatch, *, mapped: bool, until_reduced: ExitStack
) -> tuple[EncodedChunks, Cost]:
    """Get the bytes of every chunk of a batch.

    Parameters
    ----------
    batch
        What is asked.
    mapped
        Whether to map files into memory, where that pays, instead of reading them.
    until_reduced
        What must stay open while the bytes are used. Closing it takes them back,
        and checks that no mapped file changed meanwhile.

    Returns
    -------
    chunks
        Their bytes are lent: this thread's next call writes over them.
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
    chunks = EncodedChunks(len(batch))
    requests = received = 0
    for source, positions in group_by_source(batch.sources):
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
                error.position = int(positions[0])
                raise
            runs = _runs(batch, positions, file)
            size = sum(run.size for run in runs)
            if mapped and size >= _MAP_FROM:
                until_reduced.push(until_read.pop_all())
                _map(file, runs, chunks, until_reduced)
            else:
                _read(file, runs, chunks)
        requests += len(runs)
        received += size
    return chunks, Cost(requests, bytes_read=received, bytes_received=received)


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
    with SourceFile(source) as file:
        if size == -1:
            offset, size = 0, file.size
        if offset < 0 or size < 0 or offset + size > file.size:
            raise ChunkReadError(_ENDS.format(file.size))
        chunks = EncodedChunks(1)
        column = np.zeros(1, np.int64)
        _read(file, join_ranges(column + offset, column + size, column, gap=0), chunks)
    return b"".join(chunk for chunk in chunks if chunk is not None)


def _runs(
    batch: ChunkBatch, positions: NDArray[np.int64], file: SourceFile
) -> list[RangeRun]:
    """Give what to read of a file.

    Encoded chunks may be larger than their elements, but not by much: what is wrong by
    far is refused before memory is taken for it.
    """
    offsets, sizes = batch.offsets[positions], batch.sizes[positions]
    is_whole = sizes == -1
    offsets = np.where(is_whole, 0, offsets)
    sizes = np.where(is_whole, file.size, sizes)
    # Not the sum of both, which may overflow.
    is_outside = (offsets < 0) | (sizes < 0) | (sizes > file.size - offsets)
    if is_outside.any():
        position = int(positions[np.argmax(is_outside)])
        raise ChunkReadError(_ENDS.format(file.size), position=position)
    is_too_long = sizes > 16 * batch.layout.nbytes + (1 << 20)
    if is_too_long.any():
        at = int(np.argmax(is_too_long))
        raise ChunkDecodeError(
            f"{sizes[at]} bytes are stored for a chunk of {batch.layout.nbytes}",
            position=int(positions[at]),
        )
    return join_ranges(offsets, sizes, positions, gap=_GAP)


def _read(file: SourceFile, runs: list[RangeRun], chunks: EncodedChunks) -> None:
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
        run.lend(memory, chunks)


def _map(
    file: SourceFile,
    runs: list[RangeRun],
    chunks: EncodedChunks,
    until_reduced: ExitStack,
) -> None:
    """Map a file into memory; the kernel then reads what it touches."""
    try:
        mapping = mmap.mmap(file.fd, file.size, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        position = int(runs[0].positions[0])
        raise read_error(file.source, error, position) from error
    memory = memoryview(mapping)

    def take_back() -> None:
        chunks.clear()
        # An error's traceback may hold a view still; then it holds the mapping, too.
        with suppress(BufferError):
            memory.release()
            mapping.close()

    until_reduced.callback(take_back)
    for run in runs:
        run.lend(memory[run.start : run.stop], chunks)
