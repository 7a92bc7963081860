"""Engines of ``concurrent.futures``: this process's threads, or anybody's executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial as bind

from activecore.answer import BoxAnswer
from activecore.assignment import Assignment
from activecore.job import answer_bundle
from activecore.tree import Bundle, Fold
from activecore.window import in_order

__all__ = ["in_pool", "in_threads"]


def in_threads(assignment: Assignment, threads: int) -> Iterator[BoxAnswer]:
    """Work in threads of this process; give what each run of boxes comes to."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="activecore")
    try:
        yield from _folded(pool, assignment, assignment.single(), 2 * threads)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def in_pool(
    assignment: Assignment, executor: Executor, workers: int
) -> Iterator[BoxAnswer]:
    """Work wherever an executor does; give what each run of boxes comes to.

    Of a bundle that it has begun in another process it is not told that the run is
    over; one that it has not begun is cancelled.

    Parameters
    ----------
    workers
        How many it has, if it does not say.
    """
    # What the standard library's and loky's executors call it; others need not.
    said = getattr(executor, "_max_workers", None)
    workers = said if isinstance(said, int) and said > 0 else workers
    bundles = assignment.shared_out(workers)
    yield from _folded(executor, assignment, bundles, 2 * workers)


def _folded(
    pool: Executor, assignment: Assignment, bundles: Iterator[Bundle], ahead: int
) -> Iterator[BoxAnswer]:
    job = assignment.job
    fold = Fold(assignment.operation)
    answer = bind(answer_bundle, job)
    done = in_order(pool, answer, bundles, ahead, assignment.until)
    try:
        for bundle, answers in done:
            for block, merged in zip(bundle, answers, strict=True):
                assignment.note(merged)
                fold.add(merged)
                if block.is_last:
                    yield fold.close()
    except BaseException:
        # Also for KeyboardInterrupt and for a consumer that went away.
        job.cancelled.set()
        raise
