"""A run as it travels: the question and the backends, once for each worker process."""

from __future__ import annotations

import os
import pickle
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial as bind
from importlib.metadata import version
from os import cpu_count
from typing import Any

from activecore.answer import BoxAnswer, Task, answer_box
from activecore.cancel import cancellable
from activecore.choose import Chain
from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    ConfigError,
)
from activecore.lending import Lent, forget, lend
from activecore.question import Question
from activecore.tree import Bundle, Fold
from activecore.window import in_order

__all__ = ["Job", "answer_bundle", "cancel_job", "keep_job"]

_MOST = 8
"""Runs whose question a worker process remembers."""

_arrived: OrderedDict[str, Job] = OrderedDict()
_lock = threading.Lock()


class Job:
    """What all bundles of a run share.

    In the process that asks, and for executors of threads, it holds the question and
    the backends themselves. Its pickle is the same bytes each time; a process that
    unpickles it again gets the one it has, with its backends and their connections.
    """

    def __init__(
        self,
        number: str,
        *,
        opened: tuple[Question, Chain] | None = None,
        payload: bytes | None = None,
    ) -> None:
        self.id = number
        self.cancelled = threading.Event()
        """Set when the run is over: work on it stops between chunks."""
        self._opened = opened
        self._payload = payload
        self._lent: list[Lent] = []
        self._pickles: list[bytes] = []
        self._lock = threading.Lock()

    @classmethod
    def of(cls, question: Question, chain: Chain) -> Job:
        """Make the job of a new run."""
        return cls(uuid.uuid4().hex, opened=(question, chain))

    def payload(self) -> bytes:
        """Give the bytes that travel.

        Raises
        ------
        ConfigError
            A backend cannot be pickled.
        """
        with self._lock:
            if self._payload is None and self._opened is not None:
                question, chain = self._opened
                pickles = [_pickled(backend) for backend in chain.backends]
                self._payload = pickle.dumps(
                    (
                        version("activecore"),
                        pickle.dumps((question, chain.fall_back, pickles)),
                    )
                )
            if self._payload is None:
                raise ValueError("a job without a question")
            return self._payload

    def __reduce__(self) -> tuple[Any, ...]:
        return keep_job, (self.id, self.payload())

    def open(self) -> tuple[Question, Chain]:
        """Give the question and the backends; makes them on first use.

        Raises
        ------
        ConfigError, BackendError
            They cannot be made in this process.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._made()
            return self._opened

    def _made(self) -> tuple[Question, Chain]:
        theirs, inner = pickle.loads(self._payload or b"")  # noqa: S301 - see keep_job
        ours = version("activecore")
        if theirs != ours:
            raise ConfigError(
                f"a worker has activecore {ours}, but {theirs} asks it: "
                "install one version on both"
            )
        question, fall_back, self._pickles = pickle.loads(inner)  # noqa: S301
        self._lent = [lend(pickled) for pickled in self._pickles]
        backends = [lent.backend for lent in self._lent]
        return question, Chain(backends, fall_back=fall_back)

    def forget_backends(self) -> None:
        """Let the next run make this process's backends anew."""
        for pickled in self._pickles:
            forget(pickled)
        with _lock:
            _arrived.pop(self.id, None)


def _pickled(backend: object) -> bytes:
    try:
        return pickle.dumps(backend)
    except ActiveCoreError:
        raise
    except Exception as error:
        raise ConfigError(
            f"backend {getattr(backend, 'name', backend)!r} cannot travel to workers: "
            f"{type(error).__name__}: {error}"
        ) from error


def keep_job(number: str, payload: bytes) -> Job:
    """Give this process's job of that number, made of the payload if it is new."""
    with _lock:
        job = _arrived.pop(number, None)
        if job is None:
            job = Job(number, payload=payload)
        _arrived[number] = job
        while len(_arrived) > _MOST:
            _arrived.popitem(last=False)
        return job


def cancel_job(number: str) -> None:
    """Stop what this process does for a job, between chunks."""
    with _lock:
        job = _arrived.get(number)
    if job is not None:
        job.cancelled.set()


def answer_bundle(job: Job, bundle: Bundle) -> tuple[BoxAnswer, ...]:
    """Answer blocks of boxes, each merged to one answer. Runs in a worker."""
    question, chain = job.open()
    work = bind(_answer, job, question, chain)
    tasks = [task for block in bundle for task in block.tasks]
    answers = _answers(work, tasks, chain)
    merged = []
    try:
        for block in bundle:
            fold = Fold(question.operation)
            for _ in block.tasks:
                fold.add(next(answers))
            merged.append(fold.close())
    except AuthenticationError:
        # What is configured here may have been put right by the next time.
        job.forget_backends()
        raise
    return tuple(merged)


def _answer(job: Job, question: Question, chain: Chain, task: Task) -> BoxAnswer:
    with cancellable(job.cancelled):
        return answer_box(question, chain, task)


def _lanes(chain: Chain) -> int:
    """Say how many boxes of a bundle are worked on at once.

    Bundles come as many as the machine has cores. A backend that waits for a server
    asks for more at once than that.
    """
    return max(1, chain.backends[0].concurrency // (cpu_count() or 1))


def _answers(work: Any, tasks: Sequence[Task], chain: Chain) -> Iterator[BoxAnswer]:
    lanes = min(len(tasks), _lanes(chain)) if len(tasks) > 1 else 1
    if lanes == 1:
        yield from map(work, tasks)
        return
    with ThreadPoolExecutor(lanes, "activecore") as pool:
        for _, answer in in_order(pool, work, tasks, 2 * lanes):
            yield answer


def _forget_the_parents() -> None:
    # Their backends are the parent's, whose connections a forked child must not use.
    global _lock  # noqa: PLW0603 - it may have been held when the process forked
    _arrived.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_the_parents)
