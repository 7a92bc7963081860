"""Checks of answers: every golden case, together and one by one."""

from __future__ import annotations

import numpy as np
import pytest

from activecore.backend import StorageBackend
from activecore.model import OPERATIONS, Missing
from activecore.testing.arrays import active_array, array_info
from activecore.testing.cases import CAPABILITY_CASES, CORE_CASES, SELECT_CASES
from activecore.testing.golden import GoldenCase
from activecore.testing.harness import Harness, fail

__all__ = ["AnswerChecks"]

_FILL = np.float32(-999)


def _field() -> np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float32]]:
    random = np.random.default_rng(20)
    values = random.integers(-200, 200, (7, 6, 5)).astype("f4") / 4
    missing = random.integers(0, 6, values.shape) == 0
    missing[:, 2, 3] = True
    values[missing] = _FILL
    return np.ma.MaskedArray(values, mask=missing)


class AnswerChecks(Harness):
    """The numbers."""

    def test_core_has_cases(self) -> None:
        """A suite that lost its cases must not pass."""
        tables = {"select": SELECT_CASES, "core": CORE_CASES, "more": CAPABILITY_CASES}
        empty = [name for name, cases in tables.items() if len(cases) == 0]
        if empty:
            fail(expected="golden cases", came_back=f"no cases at all: {empty}")
        asked = {case.operation for cases in tables.values() for case in cases}
        if asked != OPERATIONS:
            missing = sorted(OPERATIONS - asked)
            fail(expected="cases of every operation", came_back=f"none of {missing}")

    @pytest.mark.parametrize("case", SELECT_CASES, ids=str)
    def test_core_select_gives_the_elements(
        self, backend: StorageBackend, case: GoldenCase
    ) -> None:
        """Reading is the last resort of every reduction: nobody may refuse it."""
        self.check_case(backend, case, may_refuse=False)

    @pytest.mark.parametrize("case", CORE_CASES, ids=str)
    def test_core_listed_operation_is_right(
        self, backend: StorageBackend, case: GoldenCase
    ) -> None:
        """The plain case of an operation, where the backend lists it."""
        _require_listed(backend, case)
        self.check_case(backend, case, may_refuse=False)

    @pytest.mark.parametrize("case", CAPABILITY_CASES, ids=str)
    def test_capability_is_right_or_refused(
        self, backend: StorageBackend, case: GoldenCase
    ) -> None:
        """What ``why_not`` does not refuse is answered rightly."""
        _require_listed(backend, case)
        self.check_case(backend, case, may_refuse=True)

    @pytest.mark.parametrize("axis", [None, (0,)], ids=["all", "axis-0"])
    @pytest.mark.parametrize("reduction", ["count", "sum", "mean", "max", "var"])
    def test_core_reductions_need_no_operation_that_is_not_listed(
        self,
        backend: StorageBackend,
        reduction: str,
        axis: tuple[int, ...] | None,
    ) -> None:
        """Through the core, by whatever operations the backend lists."""
        field = _field()
        info = array_info(
            field.data, (3, 4, 5), put=self.put, name=f"field-{reduction}",
            missing=Missing(values=(_FILL,)), fill_value=_FILL,
        )  # fmt: skip
        url = self.put_file(f"field-{reduction}.bin", b"what a URL looks like here")
        array = active_array(info, backend, threads=2, url=url)
        right = np.ma.asarray(getattr(field.astype("f8"), reduction)(axis=axis))
        asked = f"{reduction} of a float32 array in chunks, axis {axis}"
        usually = "the answers for single chunks, which other tests examine"
        try:
            got = np.ma.asarray(array.reduce(reduction, axis))
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            came_back = f"{type(error).__name__}: {error}"
            fail(
                asked=asked, expected="an answer", came_back=came_back, usually=usually
            )
        rtol = max(1e-12, self.float32_sum_tolerance)
        same_mask = np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(right))
        if not same_mask or not np.ma.allclose(got, right, rtol=rtol, atol=0):
            fail(
                asked=asked,
                expected=f"{right.tolist()}",
                came_back=f"{got.tolist()}",
                usually=usually,
            )


def _require_listed(backend: StorageBackend, case: GoldenCase) -> None:
    if case.operation not in backend.operations:
        pytest.skip(f"not offered: operation {case.operation}")
