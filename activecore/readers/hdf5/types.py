"""Which NumPy dtype the bytes of an HDF5 dataset are, if any."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from activecore.errors import UnsupportedCodec, UnsupportedFormat
from activecore.model import is_reducible

__all__ = ["check_bytes", "dtype_of", "is_enumeration"]

_NBIT = 5
"""Number of the filter that leaves out the unused bits of numbers."""


def dtype_of(dataset: h5py.Dataset) -> np.dtype[Any]:
    """Give a dataset's dtype, byte order included; ``object`` where NumPy has none.

    An enumeration has the dtype of its integers, and bool where its names are FALSE
    and TRUE.
    """
    try:
        dtype: np.dtype[Any] = np.dtype(dataset.dtype)
    except (TypeError, ValueError):
        return np.dtype(object)
    # Without what h5py notes on the dtype of an enumeration.
    return np.dtype(dtype.str) if is_reducible(dtype) else dtype


def is_enumeration(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset's elements are names for integers."""
    return bool(dataset.id.get_type().get_class() == h5py.h5t.ENUM)


def check_bytes(dataset: h5py.Dataset, dtype: np.dtype[Any], name: str) -> None:
    """Make sure that the stored bytes of numbers are what NumPy takes them for.

    HDF5 has numbers of any width, in any part of their bytes, which it converts as it
    reads; h5py tells them by the dtype that it would convert them to.

    Raises
    ------
    UnsupportedFormat, UnsupportedCodec
        They are not. The latter where the filter for such numbers is applied.
    """
    stored = dataset.id.get_type()
    if isinstance(stored, h5py.h5t.TypeEnumID):
        stored = stored.get_super()
        plain = dtype.str.replace("b", "i") if dtype.kind == "b" else dtype.str
        fits = stored.equal(h5py.h5t.py_create(np.dtype(plain))) or (
            dtype.kind == "b" and stored.get_size() == dtype.itemsize
        )
    else:
        fits = stored.equal(h5py.h5t.py_create(dtype))
    if fits:
        return
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(place)[0] for place in range(plist.get_nfilters())]
    if _NBIT in filters:
        raise UnsupportedCodec(
            f"{name!r} is compressed by HDF5's n-bit filter, which nothing here decodes"
        )
    raise UnsupportedFormat(
        f"{name!r} holds numbers of a format of their own, "
        f"{stored.get_size()} bytes wide, that only HDF5 reads as {dtype}"
    )
