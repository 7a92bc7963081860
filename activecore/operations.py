"""What can be computed of a chunk, and how partials of it merge: a row each.

An operation answers for an array of elements with one leading axis, the chunk. Its
rows obey three rules: reduced axes stay at length one; where nothing is left to
reduce (``count`` is zero) the value is the operation's identity, so that merging
needs no special case; and NaN that no rule declared missing propagates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPERATION", "Operation", "Values", "accumulator", "extreme"]

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = tuple[Array, ...]
Axes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: how elements become values, and how values become fewer values."""

    name: str
    """As in ``model.OPERATIONS``."""
    merge: Callable[[Values, Array, Axes], Values]
    """Values, the count behind each, axes to merge (kept at length one) -> values."""
    accumulate: Callable[[Values, Array, Values, Array], None]
    """Held values and their count, more values and theirs: merged into the held ones.
    The counts are as they were before; the caller adds them up."""
    identity: Callable[[np.dtype[Any]], Values]
    """Stored dtype -> what merges with any value without changing it, 0-d."""


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the 64-bit dtype in which elements of ``dtype`` are summed."""
    return np.dtype({"b": "i8", "i": "i8", "u": "u8", "f": "f8"}[dtype.kind])


def extreme(dtype: np.dtype[Any], *, least: bool) -> Array:
    """Give the least or the greatest value of a dtype, 0-d."""
    if dtype.kind == "b":
        return np.asarray(not least)
    if dtype.kind == "f":
        return np.asarray(-np.inf if least else np.inf, dtype=dtype)
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if least else limits.max, dtype=dtype)


def _merge_by(*ufuncs: np.ufunc) -> Callable[[Values, Array, Axes], Values]:
    def merge(values: Values, _: Array, axes: Axes) -> Values:
        return tuple(
            by.reduce(value, axis=axes, keepdims=True)
            for by, value in zip(_for_each(ufuncs, values), values, strict=True)
        )

    return merge


def _accumulate_by(
    *ufuncs: np.ufunc,
) -> Callable[[Values, Array, Values, Array], None]:
    def accumulate(held: Values, _: Array, values: Values, __: Array) -> None:
        pairs = zip(_for_each(ufuncs, values), held, values, strict=True)
        for by, before, value in pairs:
            by(before, value, out=before)

    return accumulate


def _for_each(ufuncs: tuple[np.ufunc, ...], values: Values) -> tuple[np.ufunc, ...]:
    """One function for each value; a single one serves all (weights come along)."""
    return ufuncs * len(values) if len(ufuncs) == 1 else ufuncs


def _merge_moments(values: Values, count: Array, axes: Axes) -> Values:
    # Chan, Golub and LeVeque (1983), for many partials at once. Means are taken
    # relative to one of them, so that equal means merge without a rounding error.
    mean, m2 = values
    weight = np.asarray(count, dtype=np.float64)
    total = np.add.reduce(weight, axis=axes, keepdims=True)
    base = np.where(count > 0, mean, -np.inf).max(axis=axes, keepdims=True)
    base = np.where(np.isfinite(base), base, 0.0)
    shift = np.where(count > 0, mean - base, 0.0)
    moved = np.add.reduce(weight * shift, axis=axes, keepdims=True)
    moved = moved / np.maximum(total, 1.0)
    spread = np.where(count > 0, weight * np.square(shift - moved), 0.0)
    merged = np.add.reduce(m2, axis=axes, keepdims=True)
    merged = merged + np.add.reduce(spread, axis=axes, keepdims=True)
    return np.where(total > 0, base + moved, 0.0), merged


def _accumulate_moments(
    held: Values, before: Array, values: Values, count: Array
) -> None:
    counts = np.stack(np.broadcast_arrays(before, count))
    stacked = tuple(np.stack(pair) for pair in zip(held, values, strict=True))
    merged = _merge_moments(stacked, counts, (0,))
    for value, new in zip(held, merged, strict=True):
        value[...] = new[0]


def _merge_select(values: Values, _: Array, axes: Axes) -> Values:
    # Selected elements are placed, not merged: each has a place of its own.
    if axes:
        raise ValueError("selected elements cannot be merged")
    return values


def _accumulate_select(_: Values, __: Array, ___: Values, ____: Array) -> None:
    raise ValueError("selected elements cannot be merged")


def _zeros(*dtypes: str) -> Callable[[np.dtype[Any]], Values]:
    identity = tuple(np.zeros((), dtype=dtype) for dtype in dtypes)
    return lambda _: identity


def _row(
    name: str,
    identity: Callable[[np.dtype[Any]], Values],
    *ufuncs: np.ufunc,
) -> Operation:
    """Make a row whose values merge by one function each."""
    return Operation(name, _merge_by(*ufuncs), _accumulate_by(*ufuncs), identity)


_ROWS = (
    _row("count", _zeros()),
    _row("sum", lambda dtype: (np.zeros((), accumulator(dtype)),), np.add),
    _row("sum_f8", _zeros("f8"), np.add),
    _row("min", lambda dtype: (extreme(dtype, least=False),), np.minimum),
    _row("max", lambda dtype: (extreme(dtype, least=True),), np.maximum),
    _row(
        "extrema",
        lambda dtype: (extreme(dtype, least=False), extreme(dtype, least=True)),
        np.minimum,
        np.maximum,
    ),
    _row("nonzero", _zeros("i8"), np.add),
    Operation("moments", _merge_moments, _accumulate_moments, _zeros("f8", "f8")),
    Operation(
        "select",
        _merge_select,
        _accumulate_select,
        lambda dtype: (np.zeros((), dtype=dtype),),
    ),
)

OPERATION: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""The table, by name."""
