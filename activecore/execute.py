"""Doing the work: boxes to backends, in threads or elsewhere, answers in plan order.

At most twice as many boxes are under way as there are workers, so memory is bounded
whatever the array's size. An error or Ctrl-C stops the rest at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial as bind
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.answer import BoxAnswer, Task, answer_box
from activecore.cancel import cancellable
from activecore.choose import Chain
from activecore.combine import Combiner
from activecore.errors import BackendUnavailable
from activecore.model import ArrayInfo, ChunkBatch
from activecore.operations import Values
from activecore.plan import Plan
from activecore.question import Question
from activecore.recording import active_runs

__all__ = ["box_chunks", "execute", "tasks"]

Array: TypeAlias = NDArray[Any]


def box_chunks(info: ArrayInfo, chain: Chain) -> int:
    """Say how many chunks a box may hold: what the preferred backend asks for."""
    first = chain.backends[0]
    cell = math.prod(info.index.chunk_shape) * info.dtype.itemsize
    return max(1, min(first.batch_chunks, first.batch_bytes // max(1, cell)))


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


def tasks(plan: Plan, info: ArrayInfo, most: int) -> Iterator[Task]:
    """Give the plan's boxes, located, in plan order."""
    for box in plan.boxes(most):
        yield Task(box, info.index.locate(box.coords()))


def execute(
    question: Question,
    plan: Plan,
    info: ArrayInfo,
    chain: Chain,
    *,
    threads: int,
    executor: Executor | None = None,
    deadline: float | None = None,
) -> tuple[Values, Array]:
    """Answer a question about a plan.

    Parameters
    ----------
    threads
        Boxes at work at once, in threads of this process. Twice as many are under
        way at most, with an executor too.
    executor
        Where the work is done instead; it needs nothing but ``submit``. Work that it
        has begun is not told of an error elsewhere or of Ctrl-C: what it has not
        begun is cancelled.
    deadline
        Seconds after which the run is given up; None: never.

    Returns
    -------
    values, count
        In the user's order, reduced dimensions at length one, packed as stored.

    Raises
    ------
    ActiveCoreError
        The first box's that failed, in plan order among those that were done.
    """
    runs = active_runs()
    for run in runs:
        run.planned(plan.chunks)
    most = box_chunks(info, chain)
    _check(question, chain)
    combiner = Combiner(plan, question.operation, question.identity, question.axes)
    work = tasks(plan, info, most)
    answer = bind(answer_box, question, chain)
    for done in _answers(answer, work, threads, executor, deadline):
        combiner.add(done.box, done.values, done.count)
        for run in runs:
            run.answered(dict(done.backends), done.cost, done.fallbacks)
    return combiner.result()


def _answers(
    answer: Callable[[Task], BoxAnswer],
    work: Iterator[Task],
    threads: int,
    executor: Executor | None,
    deadline: float | None,
) -> Iterator[BoxAnswer]:
    """Run the tasks and give their answers in order, a bounded number ahead."""
    until = None if deadline is None else time.monotonic() + deadline
    if executor is not None:
        yield from _window(executor, answer, work, 2 * threads, until)
        return
    cancelled = threading.Event()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="activecore")
    try:
        in_thread = bind(_in_thread, cancelled, answer)
        yield from _window(pool, in_thread, work, 2 * threads, until)
    except BaseException:
        # Also for KeyboardInterrupt and for a consumer that went away.
        cancelled.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_thread(
    cancelled: threading.Event, answer: Callable[[Task], BoxAnswer], task: Task
) -> BoxAnswer:
    with cancellable(cancelled):
        return answer(task)


def _window(
    pool: Executor,
    answer: Callable[[Task], BoxAnswer],
    work: Iterator[Task],
    ahead: int,
    until: float | None,
) -> Iterator[BoxAnswer]:
    pending: deque[Future[BoxAnswer]] = deque()
    try:
        for task in work:
            pending.append(pool.submit(answer, task))
            if len(pending) >= ahead:
                yield _result(pending.popleft(), until)
        while pending:
            yield _result(pending.popleft(), until)
    finally:
        for future in pending:
            future.cancel()


def _result(future: Future[BoxAnswer], until: float | None) -> BoxAnswer:
    if until is None:
        return future.result()
    try:
        return future.result(timeout=max(0.0, until - time.monotonic()))
    except FutureTimeout as error:
        future.cancel()
        if not future.done():
            raise BackendUnavailable(
                "the run did not end within its deadline"
            ) from error
        raise
