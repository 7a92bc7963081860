"""Doing the work: boxes to backends, in threads or elsewhere, answers in plan order.

At most twice as many bundles of boxes are under way as there are workers, so memory is
bounded whatever the array's size. An error or Ctrl-C stops the rest at once.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from activecore.answer import BoxAnswer, Task
from activecore.assignment import Assignment
from activecore.choose import Chain
from activecore.combine import Combiner
from activecore.job import Job
from activecore.model import ArrayInfo, ChunkBatch, RunIndex, VirtualIndex
from activecore.operations import Values
from activecore.plan import Box, Plan
from activecore.pools import in_pool, in_threads
from activecore.question import Question
from activecore.recording import active_runs

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Outcome", "Workers", "box_chunks", "execute", "is_cluster", "tasks"]

Array: TypeAlias = NDArray[Any]
_FIRST_PLANNED = 32
"""How many chunks are looked up together at first, so that work begins at once, …"""
_FIRST_READ = 256
"""… or, where looking up reads, so many, in one round trip; then twice as many each
time, …"""
_MOST_LOOKED_UP = 4096
"""… up to so many, of which each takes some 40 bytes until it is worked on."""
_PLAIN = 4
"""How many times larger a box of chunks is that need no decoding."""
Workers: TypeAlias = "Executor | Client"
"""Where work is done instead of threads of this process."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a run came to."""

    values: Values
    """In the user's order, reduced dimensions at length one, packed as stored."""
    count: Array
    """Non-missing elements behind each value."""
    is_confirmed: bool
    """Whether the store made sure, during the run, that the source is of the version
    that was opened, and that no chunk was read of another one. What an index read is
    its own affair."""


def box_chunks(info: ArrayInfo, plan: Plan, chain: Chain) -> int:
    """Say how many chunks a box may hold: what the preferred backend asks for."""
    first, nbytes = chain.backends[0], chain.backends[0].batch_bytes
    lengths = info.index.chunk_shape
    if isinstance(info.index, VirtualIndex):
        # Nothing else is read of a virtual chunk. The storage's own may be decoded.
        lengths = plan.spans
    if not any(layout.is_encoded for layout in info.layouts):
        nbytes *= _PLAIN
    cell = math.prod(lengths) * info.dtype.itemsize
    return max(1, min(first.batch_chunks, nbytes // max(1, cell)))


def _check(question: Question, chain: Chain) -> None:
    """Make sure that chunks of every layout can be answered, before any is read.

    Raises
    ------
    UnsupportedCodec, UnsupportedReduction
        Naming the variable, and every backend's reason.
    """
    nothing = np.empty(0, dtype=np.int64)
    for layout in question.layouts:
        batch = ChunkBatch(
            layout=layout,
            sources=nothing.astype(object),
            offsets=nothing,
            sizes=nothing,
            selection=tuple(slice(0, length, 1) for length in layout.shape),
            axis=question.chunk_axes,
            operation=question.operation,
            version=question.version,
        )
        chain.check(question.variable, batch, question.asks)


def tasks(
    plan: Plan, info: ArrayInfo, most: int, axes: Sequence[int] = ()
) -> Iterator[Task]:
    """Give the plan's boxes, located, in plan order; ``axes`` are those reduced.

    Chunks of several boxes are looked up together, since looking up may read: the
    tables of all the shards that they lie in come in one round trip, while what was
    looked up before is being worked on.
    """
    first = _FIRST_READ if isinstance(info.index, RunIndex) else _FIRST_PLANNED
    for boxes in _together(plan.boxes(most, axes), first):
        located = info.index.locate(np.concatenate([box.coords() for box in boxes]))
        start = 0
        for box in boxes:
            yield Task(box, located.rows(start, start + len(box)))
            start += len(box)


def _together(boxes: Iterable[Box], most: int) -> Iterator[list[Box]]:
    """Take boxes together, of ``most`` chunks at first, and of more each time."""
    taken: list[Box] = []
    chunks = 0
    for box in boxes:
        taken.append(box)
        chunks += len(box)
        if chunks >= most:
            yield taken
            taken, chunks, most = [], 0, min(2 * most, _MOST_LOOKED_UP)
    if taken:
        yield taken


def is_cluster(workers: object) -> TypeGuard[Client]:
    """Tell whether this is a client of Dask's; imports nothing."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(workers, distributed.Client)


def execute(
    question: Question,
    plan: Plan,
    info: ArrayInfo,
    chain: Chain,
    *,
    threads: int,
    executor: Workers | None = None,
    deadline: float | None = None,
) -> Outcome:
    """Answer a question about a plan.

    Parameters
    ----------
    threads
        Boxes at work at once, in threads of this process. Twice as many are under
        way at most.
    executor
        Where the work is done instead: an executor, which needs nothing but
        ``submit``, or a client of a Dask cluster. The result has the same bits.
    deadline
        Seconds after which the run is given up; None: never.

    Raises
    ------
    ActiveCoreError
        The first box's that failed, in plan order among those that were done.
    """
    runs = active_runs()
    for run in runs:
        run.planned(plan.chunks)

    def note(done: BoxAnswer) -> None:
        for run in runs:
            run.answered(dict(done.backends), done.cost, done.fallbacks)

    most = box_chunks(info, plan, chain)
    _check(question, chain)
    combiner = Combiner(plan, question.operation, question.identity, question.axes)
    assignment = Assignment(
        job=Job.of(question, chain),
        operation=question.operation,
        axes=question.axes,
        tasks=tasks(plan, info, most, question.axes),
        boxes=plan.about(most),
        box_chunks=most,
        note=note,
        until=None if deadline is None else time.monotonic() + deadline,
    )
    requests, is_confirmed = 0, True
    for answer in _answers(assignment, threads, executor):
        combiner.add(answer.box, answer.values, answer.count)
        requests += answer.cost.requests
        is_confirmed &= answer.is_confirmed
    # What was read before the run says nothing of the source as it is now.
    return Outcome(*combiner.result(), is_confirmed and requests > 0)


def _answers(
    assignment: Assignment, threads: int, executor: Workers | None
) -> Iterator[BoxAnswer]:
    if executor is None:
        return in_threads(assignment, threads)
    if is_cluster(executor):
        from activecore.cluster import on_cluster

        return on_cluster(assignment, executor)
    return in_pool(assignment, executor, threads)
