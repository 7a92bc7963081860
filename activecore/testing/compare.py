"""Holding a partial against the right answer, and saying what is wrong with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.model import Partial
from activecore.testing.diagnosis import diagnose
from activecore.testing.golden import GoldenCase
from activecore.testing.oracle import Expected, agrees, value_dtypes, wrong_elements

__all__ = ["complaint", "shape_fault"]

Array: TypeAlias = NDArray[Any]

_MOST_ELEMENTS = 20
_FIRST_ELEMENTS = 8


def shape_fault(case: GoldenCase, partial: object, chunks: int | None) -> str | None:
    """Say how a partial breaks the contract whatever its numbers are, or None.

    Parameters
    ----------
    case
        What was asked.
    partial
        What came back.
    chunks
        Length of the batch; None: one chunk, without the leading axis.
    """
    return next(_shape_faults(case, partial, chunks), None)


def _shape_faults(
    case: GoldenCase, partial: object, chunks: int | None
) -> Iterator[str]:
    """Give faults, of which only the first means anything."""
    reduced = case.expected[0].count.shape
    shape = reduced if chunks is None else (chunks, *reduced)
    dtypes = value_dtypes(case.operation, case.layout.dtype)
    if not isinstance(partial, Partial):
        yield f"a Partial is expected, not {type(partial).__name__}"
        return
    if not isinstance(partial.values, tuple) or len(partial.values) != len(dtypes):
        yield f"{case.operation} has a tuple of {len(dtypes)} values"
    for value, dtype in zip(partial.values, dtypes, strict=True):
        yield from _array_faults("a value", value, dtype)
        if value.shape != shape:
            yield _wrong_shape("a value", value.shape, shape)
    counted = np.dtype(bool) if case.operation == "select" else np.dtype(np.int64)
    yield from _array_faults("the count", partial.count, counted)
    if partial.count.ndim != len(shape) or any(
        n not in (1, m) for n, m in zip(partial.count.shape, shape, strict=True)
    ):
        yield _wrong_shape("the count", partial.count.shape, shape)


def _array_faults(what: str, array: object, dtype: np.dtype[Any]) -> Iterator[str]:
    if not isinstance(array, np.ndarray):
        yield f"{what} is a {type(array).__name__}, not a NumPy array"
    elif not array.dtype.isnative:
        yield f"{what} has the byte order of another machine ({array.dtype.str})"
    elif array.dtype != dtype:
        yield f"{what} has dtype {array.dtype} instead of {dtype}"


def _wrong_shape(what: str, got: tuple[int, ...], shape: tuple[int, ...]) -> str:
    text = f"{what} has shape {got} instead of {shape}"
    if got != shape and [n for n in got if n != 1] == [n for n in shape if n != 1]:
        return f"{text}: reduced axes are kept at length one"
    return text


def complaint(
    case: GoldenCase,
    position: int,
    values: tuple[Array, ...],
    count: Array,
    tolerance: float,
) -> str | None:
    """Say in several lines what is wrong with the answer for one chunk, or None.

    Parameters
    ----------
    case, position
        Which chunk of which case.
    values, count
        What came back for it, without the leading axis.
    tolerance
        Relative error that is allowed of inexact values.
    """
    expected = case.expected[position]
    count = np.broadcast_to(count, expected.count.shape)
    if agrees(expected, values, count, case.operation, tolerance):
        return None
    lines = [
        _line("asked", f"{case:}, chunk {position} of {len(case.chunks)}"),
        _line("expected", _shown(expected.values, expected.count)),
        _line("came back", _shown(values, count)),
        *(
            _line("differs", text)
            for text in _differences(case, expected, values, count, tolerance)
        ),
    ]
    found = diagnose(case, position, values, count, tolerance)
    if found is not None:
        lines.append(_line("diagnosis", found))
    lines.append(_line("usually", case.hint))
    return "\n".join(lines)


def _differences(
    case: GoldenCase,
    expected: Expected,
    values: tuple[Array, ...],
    count: Array,
    tolerance: float,
) -> Iterator[str]:
    named = "mask" if case.operation == "select" else "count"
    wrong = [count != expected.count]
    wrong += wrong_elements(expected, values, case.operation, tolerance)
    answers = zip(
        (named, *(f"value {k}" for k in range(len(values)))),
        (count, *values),
        (expected.count, *expected.values),
        wrong,
        strict=True,
    )
    for name, got, right, where in answers:
        places = np.argwhere(where)
        if len(places) > 0:
            first = tuple(places[0].tolist())
            yield (
                f"{name} in {len(places)} of {right.size} places, first at {first}: "
                f"{got[first]} instead of {right[first]}"
            )


def _line(label: str, text: str) -> str:
    return textwrap.indent(text, " " * 11).replace(" " * 11, f"{label + ':':<11}", 1)


def _shown(values: tuple[Array, ...], count: Array) -> str:
    parts = [_compact(value) for value in values] + [f"count {_compact(count)}"]
    return "\n".join(parts)


def _compact(array: Array) -> str:
    shown = array if array.size <= _MOST_ELEMENTS else array.ravel()[:_FIRST_ELEMENTS]
    text = np.array2string(shown, max_line_width=66, precision=17)
    more = "" if shown is array else f" … {array.shape}"
    return f"{text}{more} {array.dtype}"
