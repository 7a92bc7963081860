"""How near a backend's answers are to the exact ones, and what a chunk costs.

Speeds are told beside those of the kernel over objects in memory, taken in turns: on
another machine the seconds differ, their ratio does not by much. Nothing here is
asserted.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from activecore.backend import StorageBackend
from activecore.model import ChunkBatch, Partial
from activecore.testing.conformance import BackendConformance
from activecore.testing.fake import FakeBackend
from activecore.testing.golden import GoldenCase, golden_case
from activecore.testing.harness import take

__all__ = ["Accuracy", "Speed", "accuracies", "speeds"]

Bench: TypeAlias = Callable[[], tuple[BackendConformance, StorageBackend]]

_ROUNDS = 5
_SIZES = ((64, 64 * 64, "16 KiB"), (8, 512 * 512, "1 MiB"), (1, 2048 * 2048, "16 MiB"))
"""Chunks, float32 elements of each, and how to call that."""


@dataclass(frozen=True)
class Accuracy:
    """How far the answers to one operation are from the exact ones."""

    operation: str
    """What was asked."""
    dtype: str
    """Dtype of the elements."""
    error: float
    """The largest relative error; 0: exact, infinite: a count is wrong, or
    a value is no number."""


@dataclass(frozen=True)
class Speed:
    """What one chunk of a batch costs."""

    operation: str
    """What was asked."""
    chunk: str
    """Size of a chunk, decoded, not compressed."""
    chunks: int
    """Chunks of a batch."""
    seconds: float
    """For one chunk, the median of a few batches."""
    times_memory: float
    """How many times what the kernel takes for the same bytes in memory."""


def accuracies(bench: Bench) -> Iterator[Accuracy]:
    """Ask for every operation that is listed, of numbers that have to be rounded."""
    random = np.random.default_rng(11)
    for operation in ("sum", "sum_f8", "moments", "min", "max", "count"):
        for dtype in ("f4", "f8", "i4"):
            chunk = random.normal(280, 90, (30, 40)).astype(dtype)
            case = golden_case(f"accuracy-{dtype}", [chunk], operation, axis=(0,))
            suite, backend = bench()
            try:
                if operation not in backend.operations:
                    continue
                batch = suite.place(case)
                if backend.why_not(batch) is not None:
                    continue
                partial = backend.reduce_chunks(batch)
            finally:
                backend.close()
            yield Accuracy(operation, np.dtype(dtype).name, _error(case, partial))


def _error(case: GoldenCase, partial: Partial) -> float:
    """Give the largest error of an answer; infinite where no size of it is right."""
    right = case.expected[0]
    behind = np.broadcast_to(partial.count[0], right.count.shape)
    if not np.array_equal(behind, right.count):
        return math.inf
    errors = [0.0]
    for value, exact, scale in zip(
        partial.values, right.values, right.scale, strict=True
    ):
        off = np.abs(value[0].astype("f8") - exact)
        # Of sums, as a share of what went in; of moments, of the moment itself.
        size = np.abs(exact) if case.operation == "moments" else scale
        pairs = zip(off.ravel().tolist(), size.ravel().tolist(), strict=True)
        # Not o > 0, which a value that is no number would pass by unseen.
        errors += [_share(o, s) for o, s in pairs if o != 0]
    return max(errors)


def _share(off: float, size: float) -> float:
    return off / size if size > 0 and math.isfinite(off) else math.inf


def speeds(bench: Bench) -> Iterator[Speed]:
    """Time batches of small and of large chunks, in turns with memory."""
    for chunks, elements, name in _SIZES:
        values = np.arange(elements, dtype="f4").reshape(-1, 64)
        for operation in ("select", "sum"):
            label = f"speed-{name.replace(' ', '')}"
            case = golden_case(label, [values] * chunks, operation)
            suite, backend = bench()
            try:
                if operation not in backend.operations:
                    continue
                batch = suite.place(case)
                most = min(chunks, backend.batch_chunks)
                batch = take(batch, range(most))
                if backend.why_not(batch) is None:
                    yield _speed(backend, batch, case, name)
            finally:
                backend.close()


def _speed(
    backend: StorageBackend, batch: ChunkBatch, case: GoldenCase, name: str
) -> Speed:
    memory = FakeBackend()
    places = [(memory.put(str(k), data), 0, len(data)) for k, data in
              enumerate(case.encoded[: len(batch)])]  # fmt: skip
    sources = np.empty(len(places), dtype=object)
    sources[:] = [source for source, _, _ in places]
    beside = ChunkBatch(
        batch.layout, sources, np.zeros(len(places), np.int64),
        np.array([size for _, _, size in places], np.int64),
        batch.selection, batch.axis, batch.operation,
    )  # fmt: skip
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for times, one, question in zip(
            took, (backend, memory), (batch, beside), strict=True
        ):
            start = time.perf_counter()
            one.reduce_chunks(question)
            times.append(time.perf_counter() - start)
    mine, theirs = (statistics.median(times) for times in took)
    return Speed(batch.operation, name, len(batch), mine / len(batch), mine / theirs)
