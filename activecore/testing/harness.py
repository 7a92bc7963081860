"""How checks ask: where chunks are put, and what is said of an answer that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from activecore.backend import StorageBackend
from activecore.errors import BackendRefused
from activecore.model import ChunkBatch, Partial
from activecore.testing.compare import complaint, shape_fault
from activecore.testing.diagnosis import LEAD, RUBBISH
from activecore.testing.golden import GoldenCase
from activecore.testing.hooks import Hooks

__all__ = ["Harness", "Place", "fail", "take"]

Array: TypeAlias = NDArray[Any]
Place: TypeAlias = tuple[str, int, int]
"""Where a chunk lies: source, offset, size."""

_TOLERANCE = 1e-12


def fail(**lines: str) -> NoReturn:
    """Fail the test with labelled lines alone: the suite's own stack helps nobody."""
    text = "\n".join(
        f"{label.replace('_', ' ') + ':':<11}{text}" for label, text in lines.items()
    )
    # Not chained: what the check caught on its way is told in the text.
    raise pytest.fail.Exception(text, pytrace=False) from None


def take(batch: ChunkBatch, positions: Sequence[int]) -> ChunkBatch:
    """Give some chunks of a batch, in this order."""
    rows = list(positions)
    return replace(
        batch,
        sources=batch.sources[rows],
        offsets=batch.offsets[rows],
        sizes=batch.sizes[rows],
    )


class Harness(Hooks):
    """Questions about golden cases, built on the author's hooks."""

    def place(self, case: GoldenCase) -> ChunkBatch:
        """Store the chunks of a case, and ask its question of all of them."""
        if case.whole:
            places = [
                (self.put(f"{case.name}-{k}", data), 0, -1)
                for k, data in enumerate(case.encoded)
            ]
        else:
            places = self.lay_out(case.name, case.encoded)
        return self.batch(case, places)

    def lay_out(self, name: str, chunks: Sequence[bytes]) -> list[Place]:
        """Store chunks, the even and the odd ones in two objects, rubbish between."""
        places: list[Place] = [("", 0, 0)] * len(chunks)
        for first in range(min(2, len(chunks))):
            content = bytearray(RUBBISH * LEAD[first])
            offsets = {}
            for k in range(first, len(chunks), 2):
                offsets[k] = len(content)
                content += chunks[k] + RUBBISH * 3
            source = self.put(f"{name}-{'ab'[first]}", bytes(content))
            for k, offset in offsets.items():
                places[k] = (source, offset, len(chunks[k]))
        return places

    def batch(self, case: GoldenCase, places: Sequence[Place]) -> ChunkBatch:
        """Ask a case's question of the chunks that lie there."""
        sources = np.empty(len(places), dtype=object)
        sources[:] = [source for source, _, _ in places]
        return ChunkBatch(
            layout=case.layout,
            sources=sources,
            offsets=np.array([offset for _, offset, _ in places], dtype=np.int64),
            sizes=np.array([size for _, _, size in places], dtype=np.int64),
            selection=case.selection,
            axis=case.axis,
            operation=case.operation,
        )

    def check_case(
        self, backend: StorageBackend, case: GoldenCase, *, may_refuse: bool
    ) -> None:
        """Ask for a case's chunks together and one by one; fail if any is wrong.

        Parameters
        ----------
        may_refuse
            Whether a refusal skips the test, or fails it.
        """
        batch = self.place(case)
        reason = backend.why_not(batch)
        if reason is not None:
            _refused(case, reason, may_refuse=may_refuse)
        together = _answer(
            case, lambda: backend.reduce_chunks(batch), may_refuse=may_refuse
        )
        self.hold(case, together, range(len(batch)))
        for position in range(len(batch)):
            request = batch[position]
            alone = _answer(
                case,
                lambda request=request: backend.reduce_chunk(request),  # type: ignore[misc] # mypy cannot infer it
                may_refuse=may_refuse,
            )
            self.hold_one(case, alone, position)

    def hold(
        self, case: GoldenCase, partial: Partial, positions: Sequence[int]
    ) -> None:
        """Fail unless this answers for these chunks of a case, in this order."""
        fault = shape_fault(case, partial, len(positions))
        if fault is not None:
            fail(asked=f"{case:}, {len(positions)} chunks", wrong=fault)
        _hold_present(case, partial)
        count = np.broadcast_to(
            partial.count, (len(positions), *case.expected[0].count.shape)
        )
        for row, position in enumerate(positions):
            values = tuple(value[row] for value in partial.values)
            self._hold_numbers(case, position, values, count[row])

    def hold_one(self, case: GoldenCase, partial: Partial, position: int) -> None:
        """Fail unless this answers for one chunk of a case, without a leading axis."""
        fault = shape_fault(case, partial, None)
        if fault is not None:
            fail(asked=f"{case:}, by reduce_chunk", wrong=fault)
        _hold_present(case, partial)
        self._hold_numbers(case, position, partial.values, partial.count)

    def _hold_numbers(
        self, case: GoldenCase, position: int, values: tuple[Array, ...], count: Array
    ) -> None:
        dtype = case.layout.dtype
        narrow = dtype.kind == "f" and dtype.itemsize <= 4  # noqa: PLR2004 - bytes
        is_narrow_sum = case.operation == "sum" and narrow
        tolerance = self.float32_sum_tolerance if is_narrow_sum else _TOLERANCE
        text = complaint(case, position, values, count, tolerance)
        if text is not None:
            pytest.fail(text, pytrace=False)


def _answer(
    case: GoldenCase, call: Callable[[], Partial], *, may_refuse: bool
) -> Partial:
    try:
        return call()
    except BackendRefused as error:
        _refused(case, str(error), may_refuse=may_refuse)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        fail(
            asked=f"{case:}",
            expected="an answer",
            came_back=f"{type(error).__name__}: {error}",
            usually=case.hint,
        )


def _refused(case: GoldenCase, reason: str, *, may_refuse: bool) -> NoReturn:
    if may_refuse:
        pytest.skip(f"not offered: {', '.join(case.capabilities)}: {reason}")
    fail(
        asked=f"{case:}",
        expected="an answer: every backend that lists the operation gives this one",
        came_back=f"a refusal: {reason}",
        usually="why_not refuses more than the backend lacks",
    )


def _hold_present(case: GoldenCase, partial: Partial) -> None:
    if len(partial.absent) > 0:
        fail(
            asked=f"{case:}",
            expected="no absent chunk: all of them were stored",
            came_back=f"absent chunks {np.asarray(partial.absent).tolist()}",
            usually="a failure to read is taken for absence",
        )
