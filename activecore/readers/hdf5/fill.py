"""What an HDF5 dataset holds where nobody wrote, to HDF5 and to netCDF."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from activecore.model import Scalar
from activecore.readers.cf import default_fill_value

__all__ = ["fill_beyond", "fill_is_defined", "fill_value_of"]


def fill_is_defined(dataset: h5py.Dataset) -> bool:
    """Tell whether a fill value was set: what netCDF takes for fill mode being on."""
    plist = dataset.id.get_create_plist()
    return bool(plist.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED)


def fill_value_of(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> Scalar | None:
    """Give what a chunk that was never written holds.

    Parameters
    ----------
    dataset
        A dataset of numbers.
    dtype
        Dtype in which its elements are read.

    Returns
    -------
    scalar or None
        Native-endian. None: nothing, since the fill value is undefined or filling is
        turned off.
    """
    plist = dataset.id.get_create_plist()
    if (
        plist.fill_value_defined() == h5py.h5d.FILL_VALUE_UNDEFINED
        or plist.get_fill_time() == h5py.h5d.FILL_TIME_NEVER
    ):
        return None
    return _set_value(dataset, dtype)


def fill_beyond(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> Scalar:
    """Give what a netCDF variable holds beyond the end of its dataset.

    That is the fill value that was set, and otherwise the netCDF library's own,
    whether or not filling is turned off.
    """
    if fill_is_defined(dataset):
        return _set_value(dataset, dtype)
    plain = np.dtype(dataset.dtype.str).newbyteorder("=")
    fill = default_fill_value(plain)
    value = np.array([0 if fill is None else fill], dtype=plain)
    return _first(value.view(dtype.newbyteorder("=")))


def _set_value(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> Scalar:
    value = np.zeros((), dtype=dataset.dtype)
    dataset.id.get_create_plist().get_fill_value(value)
    return _first(value.reshape(1).view(dtype).astype(dtype.newbyteorder("=")))


def _first(values: NDArray[Any]) -> Scalar:
    scalar: Scalar = values[0]
    return scalar
