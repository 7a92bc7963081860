"""Finding something out once, however many threads want to know it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from activecore import BackendError, check_cancelled

__all__ = ["Finding"]

T = TypeVar("T")

_NAP = 0.1
"""Seconds after which a wait looks whether the run was stopped."""


class Finding(Generic[T]):
    """What one thread finds out, those that wait for it learn too, a failure included.

    One after another they would wait for a server that is down as often as there are
    threads. A failure is not kept: who asks later has it tried again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    def get(self, find_out: Callable[[], T]) -> T:
        """Find out, or wait for the thread that does.

        Raises
        ------
        BackendError
            As ``find_out`` raised it, here or in that thread.
        Cancelled
            The run was stopped.
        """
        while True:
            with self._lock:
                found = self._under_way
                if found is None:
                    self._under_way = mine = Future[T]()
            if found is None:
                return self._found(mine, find_out)
            while not wait([found], _NAP).done:
                check_cancelled()
            error = found.exception()
            if error is None:
                return found.result()
            if isinstance(error, BackendError):
                # A copy: the core writes into errors which chunk they are about.
                raise copy.copy(error) from error
            # The other thread's run was stopped, which is no news of the server.

    def _found(self, mine: Future[T], find_out: Callable[[], T]) -> T:
        try:
            result = find_out()
        except BaseException as error:
            self._end()
            mine.set_exception(error)
            raise
        self._end()
        mine.set_result(result)
        return result

    def _end(self) -> None:
        with self._lock:
            self._under_way = None
