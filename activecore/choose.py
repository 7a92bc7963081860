"""Which backend answers a batch: preference, refusals, fallback, circuit breaker."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.backend import StorageBackend
from activecore.errors import (
    ActiveCoreError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    UnsupportedCodec,
    UnsupportedReduction,
)
from activecore.kernel import undecodable
from activecore.model import ChunkBatch, ChunkLayout, Cost, Partial
from activecore.operations import OPERATION

__all__ = ["Answer", "Chain", "Refusal"]

Array: TypeAlias = NDArray[Any]

logger = logging.getLogger(__name__)

_IN_A_ROW = 3
"""Failures after which a backend is left out for the rest of the run."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one backend is not asked for one operation."""

    backend: str
    operation: str
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} ({self.operation}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A backend's partial, put right, and who gave it."""

    partial: Partial
    operation: str
    backend: str
    fell_back: bool


class Chain:
    """The user's backends, in order of preference, for one run.

    Every backend is asked for the best operation before any is asked for the next:
    a server that can only ``select`` is worse than a second one that can ``sum``.
    Threads share a chain; pickling gives a worker one with no failures yet.
    """

    def __init__(
        self, backends: Sequence[StorageBackend], *, fall_back: bool = True
    ) -> None:
        self.backends = tuple(backends)
        self.fall_back = fall_back
        # By identity: two profiles of one backend share a name, not a fate.
        self._failures: dict[int, int] = {}
        self._left_out: set[int] = set()
        self._told: set[int] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _chain, (self.backends, self.fall_back)

    def choices(
        self, batch: ChunkBatch, operations: Sequence[str]
    ) -> Iterator[tuple[StorageBackend, ChunkBatch] | Refusal]:
        """Give, best first, who can be asked for what, and the refusals between."""
        for operation in operations:
            asked = batch.asking(operation)
            for backend in self.backends:
                if operation not in backend.operations:
                    reason: str | None = "not among its operations"
                else:
                    reason = backend.why_not(asked)
                if reason is None:
                    yield backend, asked
                else:
                    yield Refusal(backend.name, operation, reason)

    def check(
        self, variable: str, batch: ChunkBatch, operations: Sequence[str]
    ) -> None:
        """Make sure that somebody can answer, before anything is read.

        Raises
        ------
        UnsupportedCodec, UnsupportedReduction
            Naming the variable and every refusal.
        """
        refusals: list[Refusal] = []
        for choice in self.choices(batch, operations):
            if not isinstance(choice, Refusal):
                return
            refusals.append(choice)
        raise self._nobody(variable, batch.layout, refusals)

    def _nobody(
        self, variable: str, layout: ChunkLayout, refusals: Sequence[Refusal]
    ) -> UnsupportedCodec | UnsupportedReduction:
        codec = undecodable(layout)
        if codec is not None:
            return UnsupportedCodec(f"variable {variable!r}: {codec}")
        reasons = "; ".join(dict.fromkeys(str(refusal) for refusal in refusals))
        return UnsupportedReduction(
            f"variable {variable!r}: no backend can answer: {reasons}"
        )

    def answer(
        self, variable: str, batch: ChunkBatch, operations: Sequence[str]
    ) -> Answer:
        """Ask the first backend that can answer; on failure, the next.

        A backend that failed is not asked again for this batch, not even for another
        operation: a server that is down would cost its time limit twice.

        Raises
        ------
        BackendError, ChunkError
            What the last one asked raised.
        """
        refusals: list[Refusal] = []
        passed_over: set[int] = set()
        failure: BackendError | None = None
        for choice in self.choices(batch, operations):
            if isinstance(choice, Refusal):
                refusals.append(choice)
                continue
            backend, asked = choice
            if id(backend) in passed_over:
                continue
            if self._is_left_out(backend):
                passed_over.add(id(backend))
                continue
            try:
                partial = _partial_of(backend, asked)
            except (BackendUnavailable, BackendRefused) as error:
                if not self.fall_back:
                    raise
                self._failed(backend, error)
                passed_over.add(id(backend))
                failure = error
                continue
            self._succeeded(backend)
            checked = _checked_partial(partial, asked, backend.name)
            fell_back = len(passed_over) > 0
            return Answer(checked, asked.operation, backend.name, fell_back)
        if failure is not None:
            raise failure
        if passed_over:
            names = ", ".join(b.name for b in self.backends if id(b) in passed_over)
            raise BackendUnavailable(
                f"{names} failed {_IN_A_ROW} times in a row, and no other can answer"
            )
        raise self._nobody(variable, batch.layout, refusals)

    def _is_left_out(self, backend: StorageBackend) -> bool:
        with self._lock:
            return id(backend) in self._left_out

    def _succeeded(self, backend: StorageBackend) -> None:
        with self._lock:
            self._failures.pop(id(backend), None)

    def _failed(self, backend: StorageBackend, error: BackendError) -> None:
        if backend is self.backends[-1]:
            # The last resort is always asked: its error is the user's answer.
            return
        with self._lock:
            failures = self._failures.get(id(backend), 0) + 1
            self._failures[id(backend)] = failures
            is_first = id(backend) not in self._told
            self._told.add(id(backend))
            leaves = failures >= _IN_A_ROW and id(backend) not in self._left_out
            if leaves:
                self._left_out.add(id(backend))
        if is_first:
            logger.warning("%s failed, trying the next: %s", backend.name, error)
        if leaves:
            logger.warning("%s is left out for the rest of the run", backend.name)


def _partial_of(backend: StorageBackend, batch: ChunkBatch) -> Partial:
    """Ask a backend; whatever a stranger's raises, a user gets one clear line."""
    try:
        return backend.reduce_chunks(batch)
    except ActiveCoreError:
        raise
    except Exception as error:
        raise BackendError(
            f"{backend.name} failed with {type(error).__name__}: {error}"
        ) from error


def _chain(backends: Sequence[StorageBackend], fall_back: bool) -> Chain:
    return Chain(backends, fall_back=fall_back)


def _checked_partial(partial: object, batch: ChunkBatch, name: str) -> Partial:
    """Hold a backend to the contract, whatever it is that it returned."""
    if not isinstance(partial, Partial):
        raise BackendError(f"{name} answered with {type(partial).__name__}, no Partial")
    if not isinstance(partial.is_confirmed, bool):
        raise BackendError(f"{name} answered with an is_confirmed that is no bool")
    if not isinstance(partial.cost, Cost):
        raise BackendError(f"{name} answered with a cost that is no Cost")
    if np.asarray(partial.absent).dtype.kind not in "iu":
        raise BackendError(f"{name} answered with absent chunks that are no positions")
    try:
        return _checked(partial, batch, name)
    except (TypeError, ValueError) as error:
        raise BackendError(f"{name} answered with no arrays: {error}") from error


def _checked(partial: Partial, batch: ChunkBatch, name: str) -> Partial:
    """Hold a backend to the contract: shapes, dtypes, and identities where empty.

    A stranger's backend that answers in another shape must not become a number.
    """
    shape = (len(batch), *batch.reduced_shape)
    identity = OPERATION[batch.operation].identity(batch.dtype.newbyteorder("="))
    if len(partial.values) != len(identity):
        raise BackendError(
            f"{name} answered {batch.operation!r} with {len(partial.values)} values "
            f"instead of {len(identity)}"
        )
    values = tuple(
        _fitted(value, shape, blank.dtype, "value", name)
        for value, blank in zip(partial.values, identity, strict=True)
    )
    kind = np.dtype(bool) if batch.operation == "select" else np.dtype(np.int64)
    count = _same_kind(partial.count, shape, kind, "count", name)
    absent = np.asarray(partial.absent, dtype=np.int64)
    if ((absent < 0) | (absent >= len(batch))).any():
        raise BackendError(f"{name} reported absent chunks that were not asked for")
    for given, value in zip(partial.values, values, strict=True):
        _require_that_it_fits(given, value, count, absent, name)
    if batch.operation == "select":
        count = np.broadcast_to(count, shape)
    else:
        most = math.prod(batch.selected_shape[axis] for axis in batch.axis)
        if (count < 0).any() or (count > most).any():
            raise BackendError(f"{name} answered with a count that is not possible")
        nothing = count == 0
        if nothing.any():
            pairs = zip(values, identity, strict=True)
            values = tuple(np.where(nothing, blank, value) for value, blank in pairs)
    return Partial(
        values,
        count,
        absent,
        partial.cost,
        # Where no version is asked for, none can have been made sure of.
        is_confirmed=partial.is_confirmed and batch.version is not None,
    )


def _require_that_it_fits(
    given: Any, cast: Array, count: Array, absent: Array, name: str
) -> None:
    """Refuse integers that wrapped when they were cast, where anybody reads them."""
    before = np.asarray(given)
    if before.dtype == cast.dtype or cast.dtype.kind not in "iu":
        return
    is_wrong = (before != cast) & (count > 0)
    is_wrong[absent] = False
    if is_wrong.any():
        raise BackendError(f"{name} answered with a value that no {cast.dtype} holds")


def _fitted(
    array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], what: str, name: str
) -> Array:
    return np.broadcast_to(_same_kind(array, shape, dtype, what, name), shape)


def _same_kind(
    array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], what: str, name: str
) -> Array:
    """Give an array that broadcasts to the shape, in the dtype, or refuse it."""
    given = np.asarray(array)
    if given.ndim != len(shape) or any(
        have not in (1, want) for have, want in zip(given.shape, shape, strict=True)
    ):
        raise BackendError(
            f"{name} answered with a {what} of shape {given.shape} instead of {shape}"
        )
    if not np.can_cast(given.dtype, dtype, casting="same_kind"):
        raise BackendError(
            f"{name} answered with a {what} of dtype {given.dtype} instead of {dtype}"
        )
    return given.astype(dtype, copy=False)
