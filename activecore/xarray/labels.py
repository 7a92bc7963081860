"""What xarray would put around an answer: dimensions, coordinates, name, attributes.

xarray itself is asked, about an array of zeros that has the right coordinates and is as
small as the answer: its rules are its own, and change from version to version.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray

from activecore.xarray.named import Dims

__all__ = ["blank_of", "dims_of", "empty_of", "filled"]

Array: TypeAlias = NDArray[Any]


def dims_of(array: DataArray, dim: Dims, axis: Any = None) -> tuple[Hashable, ...]:
    """Name the dimensions that are asked for, as xarray understands it.

    Raises
    ------
    ValueError, TypeError
        As xarray does: there is no such dimension, or it is given in two ways.
    """
    if axis is not None:
        if dim is not None:
            raise ValueError("dim and axis are two spellings of one thing")
        numbers = np.atleast_1d(axis).tolist()
        gone = [n for n in numbers if not -array.ndim <= n < array.ndim]
        if gone:
            raise ValueError(f"there is no axis {gone[0]} among {array.ndim}")
        return tuple(array.dims[number] for number in numbers)
    if dim is None or dim is ...:
        return array.dims
    if isinstance(dim, str) or not isinstance(dim, Iterable):
        given: tuple[Hashable, ...] = (dim,)
    else:
        given = tuple(dim)
    if ... in given:
        return array.dims
    unknown = [name for name in given if name not in array.dims]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} not found in array dimensions {tuple(array.dims)}"
        )
    return tuple(dict.fromkeys(given))


def blank_of(array: DataArray, dims: Iterable[Hashable]) -> DataArray:
    """Give zeros in place of an array, shorter along some dimensions.

    Of length two and not one: xarray tells by the length what was reduced.
    """
    first: Mapping[Any, slice] = {dim: slice(0, 2) for dim in dims}
    small = array.isel(first)
    return small.copy(deep=False, data=np.zeros(small.shape, dtype=array.dtype))


def empty_of(array: DataArray) -> DataArray:
    """Give in memory what has no element: there is nothing to read, xarray knows best.

    What it makes of nothing depends on the reduction, and on the version.
    """
    return array.copy(deep=False, data=np.zeros(array.shape, dtype=array.dtype))


def filled(
    labelled: DataArray,
    values: Array,
    valid: NDArray[np.bool_],
    *,
    may_miss: bool = False,
) -> DataArray:
    """Put an answer in place of zeros; what is missing becomes NaN or NaT.

    Where something is missing, or ``may_miss`` says that it might have been, integers
    become what xarray makes of integers that have NaN among them.
    """
    shape, dtype = labelled.shape, labelled.dtype
    values, valid = values.reshape(shape), valid.reshape(shape)
    if values.dtype.kind not in "mMO":
        if may_miss or not valid.all():
            one = DataArray(np.zeros(1, dtype), {"x": [0]}, dims="x")
            dtype = one.reindex(x=[1]).dtype
            values = np.where(valid, values, np.nan)
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
    return labelled.copy(deep=False, data=values)
