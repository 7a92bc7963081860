"""The engine for many machines: a Dask cluster, through a ``distributed.Client``.

A bundle of boxes is one task, whose merged answer stays with the worker; eight of them
that neighbour in the plan are merged by a task of their own, and so on up: a tree over
futures, which the scheduler places where the answers are. What comes here of a bundle
is how many chunks it was and what they cost; at the end, the result. A worker that is
lost costs what it held, which the scheduler has done again elsewhere.

Keys of tasks are a random number and a count: nothing in them tells what is asked.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activecore.answer import BoxAnswer
from activecore.assignment import Assignment
from activecore.errors import BackendUnavailable, ConfigError
from activecore.job import Job, answer_bundle, cancel_job, keep_job
from activecore.tree import WIDTH, Bundle, merge_answers
from activecore.window import OVERDUE, time_left

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["on_cluster"]

logger = logging.getLogger(__name__)

_ASK_AGAIN = 2.0
"""Seconds after which the cluster is asked again how large it is: it may adapt."""
_AT_FIRST = 8
"""Bundles for a cluster that has no worker yet."""


def on_cluster(assignment: Assignment, client: Client) -> Iterator[BoxAnswer]:
    """Work on a Dask cluster; give what each run of boxes comes to, in plan order.

    Raises
    ------
    ConfigError
        The client is one for ``await``, or a worker cannot do the work.
    BackendUnavailable
        The time is over, workers died at a bundle again and again, or the cluster went
        away.
    """
    if client.asynchronous:
        raise ConfigError("executor: an asynchronous Dask client cannot be waited for")
    run = _ClusterRun(client, assignment)
    try:
        yield from run.answers()
    except BaseException:
        # Also for KeyboardInterrupt and for a consumer that went away.
        run.cancel()
        raise


def _answer(job: Job, bundle: bytes) -> tuple[BoxAnswer, ...]:
    """Answer a bundle. It comes as bytes: Dask would look for futures in it."""
    return answer_bundle(job, pickle.loads(bundle))  # noqa: S301 - from who asks


def _tally(answers: tuple[BoxAnswer, ...]) -> tuple[BoxAnswer, ...]:
    """Give the answers without their values, for the account."""
    return tuple(answer.account() for answer in answers)


async def _stop(number: str) -> None:
    # A coroutine, because Dask waits for the workers to have run anything else.
    cancel_job(number)


def _merge(operation: str, *answers: tuple[BoxAnswer, ...]) -> tuple[BoxAnswer, ...]:
    return (merge_answers(operation, [answer for (answer,) in answers]),)


@dataclass(slots=True, eq=False)
class _Awaited:
    """One answer, or several, that this end will fetch when its turn comes."""

    future: Future
    counts: bool
    """Whether the answers are to be noted: those of a tree have been, bundle-wise."""


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what happened to a cluster as errors of ours; what backends raised stays.

    Raises
    ------
    ConfigError, BackendUnavailable
        With what Dask says.
    """
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"a worker of the Dask cluster lacks something: {error}; "
            "install there what is installed here"
        ) from error
    except KilledWorker as error:
        times = error.allowed_failures + 1
        raise BackendUnavailable(
            f"{times} workers of the Dask cluster died, one after another, at the same "
            "chunks; their logs say why (often too little memory)"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise BackendUnavailable(
            f"the Dask cluster dropped the work: {error}"
        ) from error


class _ClusterRun:
    """The state of one run at the asking end."""

    def __init__(self, client: Client, assignment: Assignment) -> None:
        self._client = client
        self._assignment = assignment
        self._job = assignment.job
        self._count = 0
        self._keep: Future | None = None
        """The job, on every worker."""
        self._levels: list[list[Future]] = []
        """The tree of the run of boxes that is being handed out: nodes not merged."""
        self._tallies: set[Future] = set()
        self._turns: deque[_Awaited] = deque()
        self._slots = 0
        self._asked = float("-inf")

    def answers(self) -> Iterator[BoxAnswer]:
        """Hand out all bundles, a bounded number ahead, and give the answers."""
        self._keep = self._submit(keep_job, self._job.id, self._job.payload())
        while not self._keep.done():
            self._size()
            self._wait_for([self._keep])
        self._asked = float("-inf")
        for bundle in self._assignment.shared_out(self._size() or _AT_FIRST):
            self._hand_out(bundle)
            while self._under_way() >= 2 * (self._size() or _AT_FIRST):
                self._wait()
                yield from self._ready()
            yield from self._ready()
        while self._tallies or self._turns:
            self._wait()
            yield from self._ready()

    def _submit(self, work: Any, *arguments: Any) -> Future:
        self._count += 1
        key = f"activecore-{self._job.id}-{self._count}"
        return self._client.submit(work, *arguments, key=key, pure=False)

    def _hand_out(self, bundle: Bundle) -> None:
        answer = self._submit(_answer, self._keep, pickle.dumps(bundle))
        block = bundle[0]
        if block.is_first and block.is_last:
            # Whole runs: nothing is left to merge, and their places differ.
            self._turns.append(_Awaited(answer, counts=True))
            return
        self._tallies.add(self._submit(_tally, answer))
        self._grow(0, answer)
        if block.is_last:
            self._turns.append(_Awaited(self._root(), counts=False))

    def _grow(self, level: int, node: Future) -> None:
        """Add a node to the tree, as ``tree.Fold`` adds an answer."""
        if level == len(self._levels):
            self._levels.append([])
        children = self._levels[level]
        children.append(node)
        if len(children) == WIDTH:
            self._levels[level] = []
            self._grow(level + 1, self._merged(children))

    def _root(self) -> Future:
        """Close the tree, as ``tree.Fold`` does."""
        below: list[Future] = []
        for children in self._levels:
            nodes = [*children, *below]
            below = [self._merged(nodes)] if nodes else []
        self._levels.clear()
        (root,) = below
        return root

    def _merged(self, nodes: list[Future]) -> Future:
        if len(nodes) == 1:
            return nodes[0]
        return self._submit(_merge, self._assignment.operation, *nodes)

    def _size(self) -> int:
        """Say how many tasks the cluster does at once; it may grow and shrink."""
        now = time.monotonic()
        if now - self._asked > _ASK_AGAIN:
            self._asked = now
            with _explained():
                self._slots = sum(self._client.nthreads().values())
                if self._slots == 0:
                    logger.warning("the Dask cluster has no workers; waiting for some")
                elif self._keep is not None and self._keep.status == "finished":
                    # A task goes where what it needs is: without this, all of them
                    # to one worker, and others have to steal them.
                    self._client.replicate([self._keep])
        return self._slots

    def _under_way(self) -> int:
        return len(self._tallies) + sum(turn.counts for turn in self._turns)

    def _wait(self) -> None:
        """Wait until something is done, and take note of it."""
        self._wait_for([*self._tallies, *(turn.future for turn in self._turns)])
        done = [tally for tally in self._tallies if tally.done()]
        self._tallies.difference_update(done)
        for answers in self._fetched(done):
            for answer in answers:
                self._assignment.note(answer)

    def _wait_for(self, futures: list[Future]) -> None:
        """Wait until another one is done, though not for long."""
        from distributed import wait

        awaited = [future for future in futures if not future.done()]
        left = time_left(self._assignment.until)
        pause = _ASK_AGAIN if left is None else min(left, _ASK_AGAIN)
        if awaited:
            with suppress(TimeoutError), _explained():
                wait(awaited, timeout=pause, return_when="FIRST_COMPLETED")
        if time_left(self._assignment.until) == 0.0:
            raise BackendUnavailable(OVERDUE)

    def _ready(self) -> Iterator[BoxAnswer]:
        """Give the answers whose turn it is."""
        ready: list[_Awaited] = []
        while self._turns and self._turns[0].future.done():
            ready.append(self._turns.popleft())
        fetched = self._fetched([turn.future for turn in ready])
        for turn, answers in zip(ready, fetched, strict=True):
            for answer in answers:
                if turn.counts:
                    self._assignment.note(answer)
                yield answer

    def _fetched(self, done: list[Future]) -> list[tuple[BoxAnswer, ...]]:
        if not done:
            return []
        with _explained():
            found: list[tuple[BoxAnswer, ...]] = self._client.gather(done)
            return found

    def cancel(self) -> None:
        """Take back what is not begun, and stop what is, between chunks."""
        futures = [*self._tallies, *(turn.future for turn in self._turns)]
        futures += [node for level in self._levels for node in level]
        # The cluster may be what went away: the error that brought us here matters.
        with suppress(Exception):
            self._client.cancel(futures, force=True)
            self._client.run(_stop, self._job.id, wait=False, on_error="ignore")
