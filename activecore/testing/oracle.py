"""The right answer, by another way: one element after another, in exact numbers.

Nothing of activecore computes here. Integers are Python's, which do not wrap; sums of
floats are rounded once; second moments are fractions. Slow, and meant for chunks of a
few hundred elements.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.model import AxisSelection, Missing

__all__ = ["Expected", "agrees", "expect", "value_dtypes", "wrong_elements"]

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Expected:
    """What a chunk's partial must be, and how far from it is still right."""

    values: tuple[Array, ...]
    """The values, reduced axes at length one."""
    count: Array
    """Elements behind each value; for ``select``: which are not missing."""
    scale: tuple[Array, ...]
    """For each value, the size of the numbers that went into it: what rounding errors
    are measured against. Zero: the value is exact."""


def agrees(
    expected: Expected,
    values: Sequence[Array],
    count: Array,
    operation: str,
    tolerance: float,
) -> bool:
    """Tell whether an answer is right: counts exactly, values where count is not zero.

    Parameters
    ----------
    expected, operation
        What is right, and for which operation.
    values, count
        The answer, of the same shapes.
    tolerance
        Relative error that is allowed of inexact values.
    """
    return np.array_equal(count, expected.count) and all(
        value.shape == right.shape and not wrong.any()
        for value, right, wrong in zip(
            values,
            expected.values,
            wrong_elements(expected, values, operation, tolerance),
            strict=True,
        )
    )


def wrong_elements(
    expected: Expected, values: Sequence[Array], operation: str, tolerance: float
) -> Iterator[NDArray[np.bool_]]:
    """Tell for each value which elements are wrong; parameters as of ``agrees``."""
    behind = expected.count if operation == "select" else expected.count > 0
    for value, right, scale in zip(
        values, expected.values, expected.scale, strict=True
    ):
        if value.shape != right.shape:
            yield behind
        else:
            yield behind & ~_near(value, right, tolerance * scale)


def _near(value: Array, right: Array, slack: Array) -> NDArray[np.bool_]:
    same = np.asarray(value == right)
    if right.dtype.kind == "f":
        same |= np.isnan(value) & np.isnan(right)
        with np.errstate(invalid="ignore", over="ignore"):
            same |= np.abs(value - right) <= slack
    return same


def value_dtypes(operation: str, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """Give the dtypes of an operation's values for elements of ``dtype``."""
    stored = dtype.newbyteorder("=")
    wide = {"b": "i8", "i": "i8", "u": "u8", "f": "f8"}[dtype.kind]
    names: dict[str, tuple[Any, ...]] = {
        "count": (),
        "sum": (wide,),
        "sum_f8": ("f8",),
        "min": (stored,),
        "max": (stored,),
        "extrema": (stored, stored),
        "moments": ("f8", "f8"),
        "nonzero": ("i8",),
        "select": (stored,),
    }
    return tuple(np.dtype(name) for name in names[operation])


def expect(
    chunk: Array,
    missing: Missing,
    selection: Sequence[AxisSelection],
    axis: Sequence[int],
    operation: str,
) -> Expected:
    """Answer a request for one chunk, given its elements.

    Parameters
    ----------
    chunk
        The elements, native-endian.
    missing, selection, axis, operation
        As in ``ChunkRequest``.
    """
    dtypes = value_dtypes(operation, chunk.dtype)
    places = [_positions(item) for item in selection]
    picked = np.empty([len(places_along) for places_along in places], chunk.dtype)
    for where in np.ndindex(picked.shape):
        source = tuple(along[i] for along, i in zip(places, where, strict=True))
        picked[where] = chunk[source]
    invalid = np.array(
        [_is_missing(value, missing) for value in picked.ravel().tolist()], dtype=bool
    ).reshape(picked.shape)
    if operation == "select":
        return Expected((picked,), ~invalid, (np.zeros(picked.shape),))
    shape = tuple(1 if a in axis else n for a, n in enumerate(picked.shape))
    values = tuple(np.zeros(shape, dtype) for dtype in dtypes)
    scale = tuple(np.zeros(shape) for _ in dtypes)
    count = np.zeros(shape, np.int64)
    for where in np.ndindex(shape):
        group = [
            picked[place].item()
            for place in _behind(where, picked.shape, axis)
            if not invalid[place]
        ]
        count[where] = len(group)
        if len(group) == 0:
            continue
        answers = _ANSWER[operation](group)
        for k, (value, size) in enumerate(answers):
            values[k][where] = value
            scale[k][where] = size
    return Expected(values, count, scale)


def _positions(item: AxisSelection) -> list[int]:
    if isinstance(item, slice):
        return list(range(item.start, item.stop, item.step))
    return list(item)


def _behind(
    where: tuple[int, ...], shape: tuple[int, ...], axis: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Give the places that one value of the partial stands for."""
    return itertools.product(
        *(range(n) if a in axis else (where[a],) for a, n in enumerate(shape))
    )


def _is_missing(value: Any, missing: Missing) -> bool:
    rules = [_number(rule) for rule in missing.values]
    if any(value == rule or (_is_nan(value) and _is_nan(rule)) for rule in rules):
        return True
    if missing.valid_min is not None and value < _number(missing.valid_min):
        return True
    return missing.valid_max is not None and value > _number(missing.valid_max)


def _number(rule: Any) -> Any:
    return rule.item() if isinstance(rule, np.generic) else rule


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


Answers: TypeAlias = list[tuple[Any, float]]


def _sum(group: list[Any]) -> Answers:
    if not isinstance(group[0], float):
        return [(sum(group), 0.0)]
    return [(_float_sum(group), _size(group))]


def _sum_f8(group: list[Any]) -> Answers:
    if not isinstance(group[0], float):
        return [(float(sum(group)), float(sum(abs(value) for value in group)))]
    return [(_float_sum(group), _size(group))]


def _float_sum(group: list[float]) -> float:
    if any(math.isnan(value) for value in group) or {math.inf, -math.inf} <= set(group):
        return math.nan
    return math.fsum(group)


def _size(group: list[float]) -> float:
    return math.fsum(abs(value) for value in group if math.isfinite(value))


def _min(group: list[Any]) -> Answers:
    return [(math.nan if any(map(_is_nan, group)) else min(group), 0.0)]


def _max(group: list[Any]) -> Answers:
    return [(math.nan if any(map(_is_nan, group)) else max(group), 0.0)]


def _moments(group: list[Any]) -> Answers:
    if not all(math.isfinite(value) for value in group):
        return [(_float_sum(group), 0.0), (math.nan, 0.0)]
    exact = [Fraction(value) for value in group]
    mean = sum(exact, Fraction(0)) / len(exact)
    m2 = sum(((value - mean) ** 2 for value in exact), Fraction(0))
    largest = float(max(abs(value) for value in exact))
    # Two passes in float64 lose a few bits of m2; one pass, or float32, loses it all.
    slack = 1e6 * float(m2) + len(exact) * (1e-6 * largest) ** 2
    return [(float(mean), largest), (float(m2), slack)]


def _nonzero(group: list[Any]) -> Answers:
    return [(sum(1 for value in group if value != 0), 0.0)]


_ANSWER = {
    "count": lambda _: [],
    "sum": _sum,
    "sum_f8": _sum_f8,
    "min": _min,
    "max": _max,
    "extrema": lambda group: _min(group) + _max(group),
    "moments": _moments,
    "nonzero": _nonzero,
}
