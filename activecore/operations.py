"""What can be computed of a chunk, and how partials of it merge: a row each.

An operation answers for an array of elements with one leading axis, the chunk. Its
rows obey three rules: reduced axes stay at length one; where nothing is left to
reduce (``count`` is zero) the value is the operation's identity, so that merging
needs no special case; and NaN that no rule declared missing propagates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPERATION", "Operation", "Values", "accumulator", "reduce_elements"]

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = tuple[Array, ...]
Axes: TypeAlias = tuple[int, ...]
Invalid: TypeAlias = NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: how elements become values, and how values become fewer values."""

    name: str
    """As in ``model.OPERATIONS``."""
    reduce: Callable[[Array, Invalid, Axes], Values]
    """Elements, which of them are missing (None: none), axes -> values.
    The elements are not empty."""
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


def _with(elements: Array, invalid: Invalid, instead: object) -> Array:
    """Give the elements with something else in place of the missing ones."""
    if invalid is None:
        return elements
    return np.where(invalid, np.asarray(instead, dtype=elements.dtype), elements)


def _extreme(dtype: np.dtype[Any], *, least: bool) -> Array:
    if dtype.kind == "b":
        return np.asarray(not least)
    if dtype.kind == "f":
        return np.asarray(-np.inf if least else np.inf, dtype=dtype)
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if least else limits.max, dtype=dtype)


def _no_values(_: Array, __: Invalid, ___: Axes) -> Values:
    return ()


def _sum(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    return _sum_in(accumulator(elements.dtype), elements, invalid, axes)


def _sum_f8(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    return _sum_in(np.dtype("f8"), elements, invalid, axes)


def _sum_in(
    dtype: np.dtype[Any], elements: Array, invalid: Invalid, axes: Axes
) -> Values:
    present = _with(elements, invalid, 0)
    return (np.add.reduce(present, axis=axes, dtype=dtype, keepdims=True),)


def _min(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    present = _with(elements, invalid, _extreme(elements.dtype, least=False))
    return (np.minimum.reduce(present, axis=axes, keepdims=True),)


def _max(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    present = _with(elements, invalid, _extreme(elements.dtype, least=True))
    return (np.maximum.reduce(present, axis=axes, keepdims=True),)


def _extrema(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    return (*_min(elements, invalid, axes), *_max(elements, invalid, axes))


def _count(shape: tuple[int, ...], invalid: Invalid, axes: Axes) -> Array:
    total = math.prod(shape[axis] for axis in axes)
    if invalid is None:
        # One number for each chunk: it is broadcast where it is needed.
        ones = (1,) * (len(shape) - 1)
        return np.full((shape[0], *ones), total, dtype=np.int64)
    missing = np.add.reduce(invalid, axis=axes, dtype=np.int64, keepdims=True)
    return total - np.asarray(missing)


def _moments(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    # Two passes: the deviations are taken from the chunk's own mean, so that no
    # digits are lost however large the offset of the data is.
    count = _count(elements.shape, invalid, axes)
    (total,) = _sum_f8(elements, invalid, axes)
    mean = total / np.maximum(count, 1)
    deviation = np.subtract(elements, mean, dtype=np.float64)
    if invalid is not None:
        np.copyto(deviation, 0.0, where=invalid)
    np.square(deviation, out=deviation)
    return mean, np.add.reduce(deviation, axis=axes, keepdims=True)


def _nonzero(elements: Array, invalid: Invalid, axes: Axes) -> Values:
    nonzero = elements != 0
    if invalid is not None:
        nonzero &= ~invalid
    return (np.add.reduce(nonzero, axis=axes, dtype=np.int64, keepdims=True),)


def _select(elements: Array, _: Invalid, __: Axes) -> Values:
    return (elements.copy(),)


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
    reduce: Callable[[Array, Invalid, Axes], Values],
    identity: Callable[[np.dtype[Any]], Values],
    *ufuncs: np.ufunc,
) -> Operation:
    """Make a row whose values merge by one function each."""
    return Operation(
        name, reduce, _merge_by(*ufuncs), _accumulate_by(*ufuncs), identity
    )


_ROWS = (
    _row("count", _no_values, _zeros()),
    _row("sum", _sum, lambda dtype: (np.zeros((), accumulator(dtype)),), np.add),
    _row("sum_f8", _sum_f8, _zeros("f8"), np.add),
    _row("min", _min, lambda dtype: (_extreme(dtype, least=False),), np.minimum),
    _row("max", _max, lambda dtype: (_extreme(dtype, least=True),), np.maximum),
    _row(
        "extrema",
        _extrema,
        lambda dtype: (_extreme(dtype, least=False), _extreme(dtype, least=True)),
        np.minimum,
        np.maximum,
    ),
    _row("nonzero", _nonzero, _zeros("i8"), np.add),
    Operation(
        "moments", _moments, _merge_moments, _accumulate_moments, _zeros("f8", "f8")
    ),
    Operation(
        "select",
        _select,
        _merge_select,
        _accumulate_select,
        lambda dtype: (np.zeros((), dtype=dtype),),
    ),
)

OPERATION: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""The table, by name."""


def reduce_elements(
    elements: Array, invalid: Invalid, axis: Axes, operation: str
) -> tuple[Values, Array]:
    """Reduce decoded, selected elements of several chunks.

    Parameters
    ----------
    elements
        Shape (k, ...), native-endian, stored dtype.
    invalid
        Which elements are missing, same shape; None: none.
    axis
        Axes of one chunk, so that 0 is the axis after the leading one.
    operation
        A name of ``OPERATION``.

    Returns
    -------
    values, count
        As in ``Partial``, with the leading axis. Where nothing is missing the count
        has length one along all others.
    """
    row = OPERATION[operation]
    if operation == "select":
        kept = np.ones(elements.shape, bool) if invalid is None else ~invalid
        return row.reduce(elements, invalid, ()), kept
    axes = tuple(a + 1 for a in axis)
    count = _count(elements.shape, invalid, axes)
    if elements.size == 0:
        shape = tuple(1 if a in axes else n for a, n in enumerate(elements.shape))
        identity = row.identity(elements.dtype)
        return tuple(np.full(shape, value) for value in identity), count
    # Infinities and overflow mean what IEEE 754 says; they are no news to a user.
    with np.errstate(over="ignore", invalid="ignore"):
        return row.reduce(elements, invalid, axes), count
