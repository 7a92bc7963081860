"""Work that is handed out a bounded number ahead, and comes back in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

from activecore.errors import BackendUnavailable

__all__ = ["OVERDUE", "in_order", "time_left"]

T = TypeVar("T")
R = TypeVar("R")

OVERDUE = "the run did not end within its deadline"
"""What a run says that is given up."""


def time_left(until: float | None) -> float | None:
    """Say how many seconds are left until a time of ``time.monotonic``."""
    return None if until is None else max(0.0, until - time.monotonic())


def in_order(
    pool: Executor,
    work: Callable[[T], R],
    items: Iterable[T],
    ahead: int,
    until: float | None = None,
) -> Iterator[tuple[T, R]]:
    """Do ``work`` for each item and give both, in order.

    Parameters
    ----------
    ahead
        How many items are under way at most.
    until
        The time of ``time.monotonic`` after which to give up; None: never.

    Raises
    ------
    BackendUnavailable
        The time is over, or the executor is broken.
    """
    pending: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            pending.append((item, pool.submit(work, item)))
            if len(pending) >= ahead:
                yield _next(pending, until)
        while pending:
            yield _next(pending, until)
    except BrokenExecutor as error:
        raise BackendUnavailable(
            f"the executor broke, as if a worker of it had died: {error}"
        ) from error
    finally:
        for _, future in pending:
            future.cancel()


def _next(pending: deque[tuple[T, Future[R]]], until: float | None) -> tuple[T, R]:
    item, future = pending.popleft()
    if until is None:
        return item, future.result()
    try:
        return item, future.result(timeout=time_left(until))
    except FutureTimeout as error:
        if future.done():  # this moment; or the work's own error is a TimeoutError
            return item, future.result()
        future.cancel()
        raise BackendUnavailable(OVERDUE) from error
