"""Which backend answers a batch: preference, refusals, fallback, circuit breaker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore.backend import StorageBackend
from activecore.errors import (
    BackendError,
    BackendRefused,
    BackendUnavailable,
    UnsupportedCodec,
    UnsupportedReduction,
)
from activecore.kernel import undecodable
from activecore.model import ChunkBatch, ChunkLayout, Partial
from activecore.operations import OPERATION

__all__ = ["Answer", "Chain", "Refusal"]

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
        self._failures: dict[str, int] = {}
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

        Raises
        ------
        BackendError, ChunkError
            What the last one asked raised.
        """
        refusals: list[Refusal] = []
        failure: BackendError | None = None
        for choice in self.choices(batch, operations):
            if isinstance(choice, Refusal):
                refusals.append(choice)
                continue
            backend, asked = choice
            if failure is not None and not self.fall_back:
                break
            if self._is_tripped(backend):
                continue
            try:
                partial = backend.reduce_chunks(asked)
            except (BackendUnavailable, BackendRefused) as error:
                self._failed(backend, error)
                failure = error
                continue
            self._failures.pop(backend.name, None)
            checked = _checked(partial, asked, backend.name)
            fell_back = failure is not None or self._any_tripped()
            return Answer(checked, asked.operation, backend.name, fell_back)
        if failure is not None:
            raise failure
        if self._any_tripped():
            names = ", ".join(sorted(self._failures))
            raise BackendUnavailable(f"{names} failed {_IN_A_ROW} times in a row")
        raise self._nobody(variable, batch.layout, refusals)

    def _is_tripped(self, backend: StorageBackend) -> bool:
        # The last resort is always asked: its error is the user's answer.
        if backend is self.backends[-1]:
            return False
        return self._failures.get(backend.name, 0) >= _IN_A_ROW

    def _any_tripped(self) -> bool:
        return any(self._is_tripped(backend) for backend in self.backends)

    def _failed(self, backend: StorageBackend, error: BackendError) -> None:
        with self._lock:
            before = self._failures.get(backend.name, 0)
            self._failures[backend.name] = before + 1
        if len(self.backends) > 1 and self.fall_back and before == 0:
            logger.warning("%s failed, trying the next: %s", backend.name, error)
        if before + 1 == _IN_A_ROW and backend is not self.backends[-1]:
            logger.warning("%s is left out for the rest of the run", backend.name)


def _chain(backends: Sequence[StorageBackend], fall_back: bool) -> Chain:
    return Chain(backends, fall_back=fall_back)


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
    kind = np.dtype(bool) if batch.operation == "select" else np.dtype(np.int64)
    count = _same_kind(partial.count, shape, kind, "count", name)
    absent = np.asarray(partial.absent, dtype=np.int64)
    if ((absent < 0) | (absent >= len(batch))).any():
        raise BackendError(f"{name} reported absent chunks that were not asked for")
    if batch.operation == "select":
        values = tuple(
            _fitted(value, shape, blank.dtype, "select", name)
            for value, blank in zip(partial.values, identity, strict=True)
        )
        return Partial(values, np.broadcast_to(count, shape), absent, partial.cost)
    if (count < 0).any() or (count > _most(batch)).any():
        raise BackendError(f"{name} answered with a count that is not possible")
    values = tuple(
        _fitted(value, shape, blank.dtype, "value", name)
        for value, blank in zip(partial.values, identity, strict=True)
    )
    nothing = count == 0
    if nothing.any():
        pairs = zip(values, identity, strict=True)
        values = tuple(np.where(nothing, blank, value) for value, blank in pairs)
    return Partial(values, count, absent, partial.cost)


def _most(batch: ChunkBatch) -> int:
    most = 1
    for axis in batch.axis:
        most *= batch.selected_shape[axis]
    return most


def _fitted(
    array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], what: str, name: str
) -> np.ndarray[Any, Any]:
    return np.broadcast_to(_same_kind(array, shape, dtype, what, name), shape)


def _same_kind(
    array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], what: str, name: str
) -> np.ndarray[Any, Any]:
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
