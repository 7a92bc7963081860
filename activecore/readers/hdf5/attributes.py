"""Attributes of HDF5 objects, as netCDF4-python shows them."""

from __future__ import annotations

import logging
from typing import Any

import h5py
import numpy as np

__all__ = ["attributes_of"]

logger = logging.getLogger(__name__)

_HIDDEN = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_ARRAY_DIMENSIONS",
        "_Codecs",
        "_Format",
        "_IsNetcdf4",
        "_NCProperties",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_SuperblockVersion",
        "_nc3_strict",
        "_nczarr_array",
        "_nczarr_attr",
        "_nczarr_group",
        "_nczarr_superblock",
    }
)
"""What the netCDF library keeps for itself."""

_PLAIN = frozenset({h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM})
"""Classes of types that have a plain form."""


def attributes_of(h5: h5py.HLObject) -> dict[str, Any]:
    """Read an object's attributes, without those that are internal to netCDF.

    Returns
    -------
    dict
        In the file's order. A NumPy scalar for one number, a native-endian array for
        several, ``str`` for text, a list for several texts; ``bytes`` for a
        ``_FillValue`` that is text. What has no such form, a reference or a record,
        is left out.
    """
    attributes = {}
    for name in h5.attrs:
        if name in _HIDDEN:
            continue
        kind = h5.attrs.get_id(name).get_type().get_class()
        if kind not in _PLAIN:
            logger.debug(
                "attribute %r of %r is left out: class %s", name, h5.name, kind
            )
            continue
        attributes[name] = _plain(h5.attrs[name], name)
    return attributes


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, h5py.Empty):
        return "" if value.dtype.kind in "SO" else np.array([], dtype=value.dtype)
    if isinstance(value, bytes):
        return value if name == "_FillValue" else _text(value)
    if isinstance(value, str):
        return _text(value)
    array = np.asarray(value)
    if array.dtype.kind in "SO":
        texts = [_text(text) for text in array.ravel().tolist()]
        return texts[0] if len(texts) == 1 else texts
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{array.dtype} is neither number nor text")
    # Without what h5py notes on the dtype of an enumeration.
    native = array.astype(np.dtype(array.dtype.str).newbyteorder("="))
    return native.reshape(-1)[0] if native.size == 1 else native


def _text(value: object) -> str:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is no text")
    return value.decode("utf-8", "replace").replace("\0", "")
