"""From a wrong answer to what was probably done wrong.

Each suspicion is a question that was not asked: with a rule dropped, a step ignored,
the bytes in another order. If what came back is the right answer to that one, it is
named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.model import AxisSelection, Missing
from activecore.testing.golden import GoldenCase
from activecore.testing.oracle import Expected, agrees, expect

__all__ = ["LEAD", "RUBBISH", "diagnose"]

RUBBISH = b"\xa5"
"""What objects hold around chunks."""

LEAD = (5, 3)
"""Bytes of rubbish before the first chunk of each of the two objects."""

Array: TypeAlias = NDArray[Any]
Selection: TypeAlias = tuple[AxisSelection, ...]


def diagnose(
    case: GoldenCase,
    position: int,
    values: tuple[Array, ...],
    count: Array,
    tolerance: float,
) -> str | None:
    """Name the mistake that explains a wrong answer for one chunk, or None.

    Parameters
    ----------
    case, position
        Which chunk of which case.
    values, count
        What came back for it, without the leading axis.
    tolerance
        Relative error that is allowed of inexact values.
    """

    def explains(answer: Expected) -> bool:
        return answer.count.shape == count.shape and agrees(
            answer, values, count, case.operation, tolerance
        )

    for text, answer in _suspicions(case, position):
        if explains(answer):
            return text
    right = case.expected[position]
    if agrees(right, values, right.count, case.operation, tolerance):
        return _of_count(case, position, count)
    if np.array_equal(count, right.count):
        return _of_values(case, position, values, tolerance)
    return None


def _suspicions(case: GoldenCase, position: int) -> Iterator[tuple[str, Expected]]:
    chunk, layout = case.chunks[position], case.layout
    for other, answer in enumerate(case.expected):
        if other != position:
            yield f"this is the answer for chunk {other} of the batch", answer
    if position < len(LEAD) and not layout.codecs and layout.is_c_order:
        lead = RUBBISH * LEAD[position]
        data = (lead + case.encoded[position])[: layout.nbytes]
        shifted = np.frombuffer(data, layout.dtype).reshape(layout.shape)
        text = "the offset was ignored: this is what lies at the object's beginning"
        yield text, _ask(case, shifted.astype(chunk.dtype))
    for text, missing in _fewer_rules(layout.missing):
        yield text, _ask(case, chunk, missing=missing)
    for text, selection in _other_selections(case):
        yield text, _ask(case, chunk, selection=selection)
    if not layout.is_c_order:
        flat = chunk.transpose(layout.order).reshape(layout.shape)
        yield "the order in which axes are stored was ignored", _ask(case, flat)
    if not layout.dtype.isnative:
        swapped = chunk.astype(layout.dtype).view(chunk.dtype)
        yield "the byte order was ignored", _ask(case, swapped)
    if chunk.dtype.kind == "f" and not layout.missing.masks_nan:
        lenient = layout.missing.with_value(chunk.dtype.type(np.nan))
        answer = _ask(case, chunk, missing=lenient)
        text = "NaN was skipped, though no rule says that it is missing"
        yield text, answer
        yield text, replace(answer, count=case.expected[position].count)


def _ask(
    case: GoldenCase,
    chunk: Array,
    *,
    missing: Missing | None = None,
    selection: Selection | None = None,
) -> Expected:
    return expect(
        chunk,
        case.layout.missing if missing is None else missing,
        case.selection if selection is None else selection,
        case.axis,
        case.operation,
    )


def _fewer_rules(missing: Missing) -> Iterator[tuple[str, Missing]]:
    for k, value in enumerate(missing.values):
        others = missing.values[:k] + missing.values[k + 1 :]
        yield f"missing value {value} was not applied", replace(missing, values=others)
    if missing.valid_min is not None:
        text = f"valid_min {missing.valid_min} was not applied"
        yield text, replace(missing, valid_min=None)
    if missing.valid_max is not None:
        text = f"valid_max {missing.valid_max} was not applied"
        yield text, replace(missing, valid_max=None)
    if missing:
        yield "no missing rule was applied", Missing()
        for k, value in enumerate(missing.values):
            text = f"of all missing rules, only the value {value} was applied"
            yield text, Missing(values=missing.values[k : k + 1])


def _other_selections(case: GoldenCase) -> Iterator[tuple[str, Selection]]:
    given, shape = case.selection, case.layout.shape
    everything = tuple(slice(0, n, 1) for n in shape)
    if given != everything:
        yield "the selection was ignored", everything
    dense = tuple(
        slice(item.start, item.stop, 1) if isinstance(item, slice) else item
        for item in given
    )
    if dense != given:
        yield "the step of a slice was ignored", dense
    once = tuple(
        item if isinstance(item, slice) else tuple(sorted(set(item))) for item in given
    )
    if once != given:
        yield "repeated positions were taken once", once
    spans = tuple(
        slice(item[0], item[-1] + 1, 1)
        if not isinstance(item, slice) and len(item) > 0
        else item
        for item in given
    )
    if spans != given:
        text = "integer positions were taken as a slice from the first to the last"
        yield text, spans
    loose = tuple(
        item if isinstance(item, slice) else whole
        for item, whole in zip(given, everything, strict=True)
    )
    if loose != given:
        yield "integer positions were ignored", loose


def _of_count(case: GoldenCase, position: int, count: Array) -> str:
    everything = _ask(case, case.chunks[position], missing=Missing())
    if np.array_equal(count, everything.count):
        return "the values are right, but the count includes missing elements"
    return "the values are right, the counts are not"


def _of_values(
    case: GoldenCase, position: int, values: tuple[Array, ...], tolerance: float
) -> str:
    right = case.expected[position]
    if case.operation in ("sum", "sum_f8"):
        for narrow in dict.fromkeys((case.chunks[position].dtype, np.dtype("f4"))):
            if _close_to(values[0], _narrow_sum(case, position, narrow), right):
                return f"the sum was accumulated in {narrow}"
    if case.operation == "moments" and agrees(
        replace(right, scale=(right.scale[0], np.full(right.count.shape, np.inf))),
        values, right.count, case.operation, tolerance,
    ):  # fmt: skip
        return "the mean is right, but m2 lost its digits to cancellation"
    return "the counts are right, the values are not"


def _narrow_sum(case: GoldenCase, position: int, dtype: np.dtype[Any]) -> Array:
    picked = expect(
        case.chunks[position], case.layout.missing, case.selection, (), "select"
    )
    present = np.where(picked.count, picked.values[0], picked.values[0].dtype.type(0))
    with np.errstate(over="ignore", invalid="ignore"):
        total: Array = np.add.accumulate(present.astype(dtype).ravel(), dtype=dtype)
        if len(case.axis) == present.ndim and total.size > 0:
            return total[-1:].reshape((1,) * present.ndim)
        return np.add.reduce(present, axis=case.axis, dtype=dtype, keepdims=True)


def _close_to(value: Array, other: Array, right: Expected) -> bool:
    some = right.count > 0
    with np.errstate(over="ignore", invalid="ignore"):
        same = np.isclose(
            value[some].astype("f8"),
            other[some].astype("f8"),
            rtol=1e-6,
            equal_nan=True,
        )
    return bool(some.any() and same.all())
