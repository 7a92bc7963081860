"""What cannot be beaten: decompressors, memory, and reading with one addition alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contenders import cores

Call = Callable[[], object]


def _in_threads(work: Sequence[Any], do: Callable[[Any], object]) -> None:
    """Share work among as many threads as there are cores, as each gets done."""
    left = iter(work)
    lock = threading.Lock()

    def take() -> None:
        while True:
            with lock:
                item = next(left, None)
            if item is None:
                return
            do(item)

    threads = [threading.Thread(target=take) for _ in range(cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def libdeflate(path: str) -> Call:
    """Inflate every chunk of ``tas`` from memory, and do nothing with it."""
    import deflate
    import h5py

    with h5py.File(path) as file:
        dataset = file["tas"]
        size = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize
        chunks = [
            dataset.id.read_direct_chunk(dataset.id.get_chunk_info(n).chunk_offset)[1]
            for n in range(dataset.id.get_num_chunks())
        ]

    def call() -> object:
        _in_threads(chunks, lambda chunk: deflate.zlib_decompress(chunk, size))
        return 0.0

    return call


def memory(nbytes: int) -> Call:
    """Read that many bytes from memory with the fastest loop that NumPy has."""
    step = 1 << 18
    numbers = np.ones(nbytes // 8)
    pieces = [numbers[start : start + step] for start in range(0, len(numbers), step)]

    def call() -> object:
        # A dot product of a piece with itself loads each number once, 64 bytes at a
        # time, and stores nothing.
        _in_threads(pieces, lambda piece: np.dot(piece, piece))
        return 0.0

    return call


def zstd(path: str) -> Call:
    """Decode every chunk of the Zarr array ``tas`` from memory, and do no more."""
    from numcodecs.zstd import decompress

    files = Path(path, "tas", "c").rglob("*")
    chunks = [file.read_bytes() for file in files if file.is_file()]

    def call() -> object:
        _in_threads(chunks, decompress)
        return 0.0

    return call


def read_and_add(path: str) -> Call:
    """Read a file in pieces of 1 MiB, and add all it holds as float32 in one pass.

    As little as anything can do that reads: no index, no missing values, one array.
    """
    import numba

    step = 1 << 20

    lanes = 64

    @numba.njit(nogil=True)
    def add(totals: Any, numbers: Any) -> None:
        for start in range(0, len(numbers), lanes):
            line = numbers[start : start + lanes]
            for lane in range(lanes):
                totals[lane] += line[lane]

    size = Path(path).stat().st_size // step * step
    add(np.zeros(lanes), np.zeros(lanes, np.float32))

    def call() -> object:
        file = os.open(path, os.O_RDONLY)

        def part(begin: int) -> None:
            memory, totals = np.empty(step, np.uint8), np.zeros(lanes)
            numbers = memory.view(np.float32)
            for start in range(begin, size, cores() * step):
                os.preadv(file, [memory], start)
                add(totals, numbers)

        try:
            _in_threads([step * core for core in range(cores())], part)
        finally:
            os.close(file)
        return 0.0

    return call
