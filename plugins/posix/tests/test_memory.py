"""The memory that reads are put into."""

import threading

import numpy as np
import pytest

from activecore_posix import memory
from activecore_posix.memory import _Scratch


def address(view):
    return np.frombuffer(view, dtype=np.uint8).ctypes.data


@pytest.fixture
def scratch():
    return _Scratch()


def test_a_second_batch_gets_the_memory_of_the_first(scratch):
    scratch.take(100_000, 0)
    scratch.reset()
    first = address(scratch.take(100_000, 0))
    scratch.reset()
    assert address(scratch.take(100_000, 0)) == first


def test_what_is_lent_together_does_not_overlap(scratch):
    for _ in range(2):
        scratch.reset()
        views = [scratch.take(size, 7 * size) for size in (10, 5000, 1, 100_000, 64)]
        for number, view in enumerate(views):
            view[:] = bytes([number]) * len(view)
        for number, view in enumerate(views):
            assert bytes(view) == bytes([number]) * len(view)


@pytest.mark.parametrize("offset", [0, 1, 2048, 6911, 4095, 123_456_789])
@pytest.mark.parametrize("size", [1, 4096, 1 << 20])
def test_memory_is_aligned_and_not_slightly_ahead_of_its_origin(scratch, offset, size):
    for _ in range(2):
        scratch.reset()
        start = address(scratch.take(size, offset))
        assert start % 64 == 0
        if size >= 4096 and _ == 1:
            assert (start - offset) % 4096 > 64


def test_a_huge_read_is_not_kept(scratch):
    scratch.take(memory._MOST * 2, 0)
    scratch.reset()
    assert len(scratch._block) <= memory._MOST


def test_no_memory_is_shared_by_threads():
    found = []

    def ask():
        memory.scratch.reset()
        memory.scratch.take(1000, 0)
        memory.scratch.reset()
        found.append(memory.scratch._block)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    assert not np.shares_memory(*found)
