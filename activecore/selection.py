"""What part of an array is wanted: views, and views of views.

A view has one item per dimension of the stored array: a ``range`` (slices of a range
are ranges, so any chain of slices stays one), an int64 array of positions, or an int,
whose dimension is gone. Indexing is orthogonal: each dimension by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import SelectionError

__all__ = [
    "DimensionView",
    "View",
    "index_view",
    "view_extents",
    "view_of",
    "view_shape",
]

DimensionView: TypeAlias = range | NDArray[np.int64] | int
View: TypeAlias = tuple[DimensionView, ...]


def view_of(shape: Sequence[int]) -> View:
    """Give the view of everything."""
    return tuple(range(length) for length in shape)


def view_shape(view: View) -> tuple[int, ...]:
    """Give the shape of a view: dimensions indexed by an integer are gone."""
    return tuple(len(item) for item in view if not isinstance(item, int))


def view_extents(view: View) -> tuple[int, ...]:
    """Give how many positions lie from the first to the last one, by dimension."""
    return tuple(_extent(item) for item in view)


def _extent(item: DimensionView) -> int:
    if isinstance(item, int):
        return 1
    if len(item) == 0:
        return 0
    if isinstance(item, range):
        return abs(item[-1] - item[0]) + 1
    return int(item.max() - item.min()) + 1


def index_view(view: View, key: object, dims: Sequence[str]) -> View:
    """Index a view as NumPy would, each dimension by itself.

    Parameters
    ----------
    view
        What is left of the stored array so far.
    key
        A slice with any step, an integer, a list or 1-D array of integers (negative
        ones count from the end), a 1-D boolean mask, ``...``, or a tuple of these.
    dims
        Names of all stored dimensions, for messages.

    Raises
    ------
    SelectionError
        In one line that names the dimension.
    """
    kept = [axis for axis, item in enumerate(view) if not isinstance(item, int)]
    keys = _expand(key, len(kept))
    items = list(view)
    for axis, item_key in zip(kept, keys, strict=True):
        item = view[axis]
        if isinstance(item, int):  # pragma: no cover - ``kept`` leaves these out
            continue
        items[axis] = _index(item, item_key, f"dimension {dims[axis]!r}")
    return tuple(items)


def _expand(key: object, ndim: int) -> list[object]:
    """Turn a key into one item per dimension."""
    keys: list[object] = list(key) if isinstance(key, tuple) else [key]
    if any(item is None for item in keys):
        raise SelectionError("new axes (None) cannot be made by an index here")
    ellipses = [i for i, item in enumerate(keys) if item is Ellipsis]
    if len(ellipses) > 1:
        raise SelectionError("an index can have only one ellipsis ('...')")
    given = len(keys) - len(ellipses)
    if given > ndim:
        raise SelectionError(f"too many indices: {given} for {ndim} dimensions")
    missing: list[object] = [slice(None)] * (ndim - given)
    if ellipses:
        keys[ellipses[0] : ellipses[0] + 1] = missing
    else:
        keys += missing
    return keys


def _index(item: range | NDArray[np.int64], key: object, where: str) -> DimensionView:
    length = len(item)
    if isinstance(key, slice):
        try:
            return item[key]
        except (TypeError, ValueError) as error:
            raise SelectionError(f"{where}: {error}") from error
    if isinstance(key, (bool, np.bool_)):
        raise SelectionError(f"{where}: a single boolean is no index")
    try:
        return _at(item, operator.index(key), where)  # type: ignore[arg-type] # what it is not, it refuses
    except TypeError:
        pass
    positions = _positions(key, length, where)
    return np.asarray(item, dtype=np.int64)[positions]


def _at(item: range | NDArray[np.int64], position: int, where: str) -> int:
    length = len(item)
    if not -length <= position < length:
        raise SelectionError(
            f"{where}: index {position} is out of range for length {length}"
        )
    return int(item[position])


def _positions(key: object, length: int, where: str) -> NDArray[np.int64]:
    try:
        array: NDArray[Any] = np.asarray(key)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"{where}: {key!r} is no index") from error
    if array.ndim == 0:
        raise SelectionError(f"{where}: {key!r} is no index")
    if np.ma.is_masked(key):
        raise SelectionError(f"{where}: the index array has missing values")
    if array.ndim != 1:
        raise SelectionError(
            f"{where}: an index array must have one dimension, not {array.ndim}"
        )
    if array.dtype.kind == "b":
        if len(array) != length:
            raise SelectionError(
                f"{where}: a mask of {len(array)} for a length of {length}"
            )
        return np.flatnonzero(array).astype(np.int64)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise SelectionError(f"{where}: positions must be integers, not {array.dtype}")
    wrong = (array < -length) | (array >= length)
    if wrong.any():
        first = array[wrong][0]
        raise SelectionError(
            f"{where}: index {first} is out of range for length {length}"
        )
    positions = array.astype(np.int64)
    return np.where(positions < 0, positions + length, positions)
