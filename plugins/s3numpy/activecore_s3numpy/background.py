"""One event loop in a thread of its own, in which all requests of a backend run."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from activecore import BackendError, check_cancelled

__all__ = ["BackgroundLoop"]

T = TypeVar("T")

_LOOK = 0.05
"""Seconds between two looks whether the run was stopped."""

_began_in: int | None = None
"""The process in which obstore was first used here. Its threads, which it has once for
all stores, are not there in a forked child, where whatever asks it waits for ever."""


class BackgroundLoop:
    """Runs coroutines for other threads, from the first one on until it is closed.

    A process that was forked after a loop ran has neither this thread nor obstore's
    own, and a new loop would bring back only the first: every call raises at once.

    Parameters
    ----------
    name
        What errors call it: the backend's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._is_closed = False
        self._under_way: set[concurrent.futures.Future[Any]] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for what it gives.

        Whatever ends the waiting (a stopped run, Ctrl-C) cancels the coroutine.

        Raises
        ------
        BackendError
            It is closed, or this is a forked child of a process that had one.
        Cancelled
            The run that this thread works for was stopped.
        """
        quiet = _quiet(work)
        try:
            future = self._submit(quiet)
        except BaseException:
            quiet.close()
            work.close()
            raise
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=_LOOK)
                if not future.done():
                    check_cancelled()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._under_way.discard(future)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            self._refuse_closed()

    def close(self, patience: float) -> None:
        """Refuse later calls, wait for those under way, and end the thread.

        Parameters
        ----------
        patience
            Seconds to wait at most; what is under way then is cancelled.
        """
        if self._pid != os.getpid():
            return  # the parent's, which is at work there
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        if threading.current_thread() is thread:
            # The garbage collector came by in this very thread.
            loop.call_soon(loop.stop)
            return
        concurrent.futures.wait(tuple(self._under_way), timeout=patience)
        with suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=patience)

    def require_open(self) -> None:
        """Make sure that a call can be made.

        Raises
        ------
        BackendError
            It is closed, or this is a forked child of a process that had one.
        """
        if self._is_closed:
            self._refuse_closed()
        if _began_in not in (None, os.getpid()):
            raise BackendError(
                f"{self._name}: object stores were read in process {_began_in}, and "
                "this is a forked child of it, where that cannot go on: make processes "
                "with 'spawn' or 'forkserver'"
            )

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        self.require_open()
        with self._lock:
            if self._is_closed:
                self._refuse_closed()
            if self._loop is None:
                self._start()
            if self._loop is None:
                raise RuntimeError("the loop did not start")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._under_way.add(future)
            return future

    def _start(self) -> None:
        global _began_in  # noqa: PLW0603 - obstore's threads are the process's too
        _began_in = self._pid = os.getpid()
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_serve, args=(loop,), name=f"activecore-{self._name}", daemon=True
        )
        self._thread.start()
        self._loop = loop

    def _refuse_closed(self) -> NoReturn:
        raise BackendError(f"{self._name} is closed")


async def _quiet(work: Coroutine[Any, Any, T]) -> T:
    """Do the work; where nobody waits any more, an error of it is nobody's affair.

    asyncio would print it, with a traceback.
    """
    if (task := asyncio.current_task()) is not None:
        task.add_done_callback(_look_at)
    return await work


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, then let what is left end as cancelled."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        loop.close()
