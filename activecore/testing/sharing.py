"""Checks of an instance that many share: threads, memory, order."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.backend import StorageBackend
from activecore.model import Partial
from activecore.testing.golden import GoldenCase, golden_case
from activecore.testing.harness import Harness, fail, take

__all__ = ["SharingChecks"]

_THREADS = 16
_ROUNDS = 12
_SECONDS = 0.4


def _many(operation: str) -> GoldenCase:
    chunks = [
        np.arange(64, dtype="f8").reshape(8, 8) + 100 * k for k in range(_THREADS)
    ]
    return golden_case(f"many-{operation}", chunks, operation, axis=(1,))


_TINY = golden_case(
    "tiny", [np.array([[3 * k, -k], [k, 7]], dtype="i4") for k in range(500)], "select"
)


class SharingChecks(Harness):
    """One instance, many questions."""

    def test_core_threads_share_an_instance(self, backend: StorageBackend) -> None:
        """Sixteen threads ask for different chunks of the same two objects."""
        case = _many("select")
        batch = self.place(case)
        self.hold(case, backend.reduce_chunks(batch), range(_THREADS))
        questions = [take(batch, [position]) for position in range(_THREADS)]
        start, wrong = threading.Barrier(_THREADS), threading.Event()
        asked = f"{_THREADS} threads, each for many chunks, of one instance"
        cause = "a file position, a buffer or a connection that is shared by threads"

        def ask(thread: int) -> str | None:
            start.wait()
            until = time.monotonic() + _SECONDS
            for step in itertools.count(thread):
                enough = step - thread >= _ROUNDS and time.monotonic() > until
                if enough or wrong.is_set():
                    return None
                position = 3 * step % _THREADS
                try:
                    (got,) = backend.reduce_chunks(questions[position]).values
                except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                    wrong.set()
                    return f"{type(error).__name__}: {error}"
                if not np.array_equal(got[0], case.chunks[position]):
                    wrong.set()
                    return f"for chunk {position}, beginning {got.ravel()[:6]}"
            return None

        with _eager_threads(), ThreadPoolExecutor(_THREADS) as pool:
            findings = [
                text for text in pool.map(ask, range(_THREADS)) if text is not None
            ]
        if findings:
            expected = "what one thread alone got"
            fail(asked=asked, expected=expected, came_back=findings[0], usually=cause)

    def test_core_results_are_their_own_memory(self, backend: StorageBackend) -> None:
        """What was returned is the core's: it may keep it, and write to it."""
        for operation in sorted(backend.operations & {"select", "max", "sum"}):
            case = _many(operation)
            batch = self.place(case)
            early, late = take(batch, range(4)), take(batch, range(4, 8))
            first, second = backend.reduce_chunks(early), backend.reduce_chunks(late)
            one, other = backend.reduce_chunk(early[0]), backend.reduce_chunk(late[0])
            _hold_kept(case, first, range(4))
            _hold_kept(case, second, range(4, 8))
            if not np.array_equal(one.values[0], case.expected[0].values[0]):
                _blame_memory(case)
            for array in _arrays(first, one, other):
                if array.flags.writeable:
                    array[...] = 0
            _hold_kept(case, second, range(4, 8))
            _hold_kept(case, backend.reduce_chunks(early), range(4))

    def test_core_batch_in_any_order(self, backend: StorageBackend) -> None:
        """Chunks come in the plan's order, which need not be the file's."""
        case = _many("select")
        order = [5, 0, 4, 15, 2, 2, 1, 14]
        batch = take(self.place(case), order)
        self.hold(case, backend.reduce_chunks(batch), order)

    def test_core_large_batch(self, backend: StorageBackend) -> None:
        """As many small chunks as the backend takes, up to 500."""
        size = min(len(_TINY.chunks), backend.batch_chunks)
        batch = take(self.place(_TINY), range(size))
        self.hold(_TINY, backend.reduce_chunks(batch), range(size))


def _hold_kept(case: GoldenCase, partial: Partial, positions: Sequence[int]) -> None:
    for row, position in enumerate(positions):
        right = case.expected[position].values[0]
        if not np.array_equal(partial.values[0][row], right):
            _blame_memory(case)


def _blame_memory(case: GoldenCase) -> None:
    fail(
        asked=f"{case:}, again, while earlier answers are kept",
        expected="every answer stays as it was",
        came_back="one changed when another was computed or written to",
        usually="a buffer is lent to the answer and used again; return a copy",
    )


def _arrays(*partials: Partial) -> Iterator[NDArray[Any]]:
    for partial in partials:
        yield from partial.values
        yield partial.count


@contextmanager
def _eager_threads() -> Iterator[None]:
    """Let threads take turns as often as they can, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
