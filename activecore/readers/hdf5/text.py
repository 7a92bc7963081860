"""Reading what holds no numbers: text, and whatever else h5py has a form for."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedDtype

__all__ = ["read_dataset"]


def read_dataset(dataset: h5py.Dataset, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read a whole dataset of anything but numbers.

    Parameters
    ----------
    shape
        The variable's, which is longer than the dataset where an unlimited dimension
        has grown since: text is empty there.

    Raises
    ------
    UnsupportedDtype
        h5py has no form for it.
    """
    text = h5py.check_string_dtype(dataset.dtype)
    if text is not None and text.length is None:
        values = np.asarray(dataset.asstr(errors="replace")[()], dtype=object)
        blank: Any = ""
    elif dataset.dtype.kind in "SV" and dataset.shape is not None:
        values = np.asarray(dataset[()])
        blank = np.zeros((), dtype=values.dtype)
    else:
        raise UnsupportedDtype(f"{dataset.name!r} holds {dataset.dtype}")
    if values.shape == shape:
        return values
    whole = np.full(shape, blank, dtype=values.dtype)
    whole[tuple(slice(length) for length in values.shape)] = values
    return whole
