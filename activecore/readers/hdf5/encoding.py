"""How a dataset is stored, in the words that xarray's netCDF backends have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py

from activecore.readers.hdf5.types import dtype_of

__all__ = ["encoding_of"]

_FILTERS: Mapping[int, str] = {
    1: "zlib",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    307: "bzip2",
    32001: "blosc",
    32015: "zstd",
}
"""What the netCDF library calls HDF5's filters."""
_WITH_LEVEL = frozenset({"zlib", "bzip2", "zstd"})


def encoding_of(dataset: h5py.Dataset) -> dict[str, Any]:
    """Say how a dataset is stored."""
    chunks = dataset.chunks
    found: dict[str, Any] = {
        "dtype": dtype_of(dataset),
        "contiguous": chunks is None,
        "chunksizes": chunks,
        **dict.fromkeys(_FILTERS.values(), False),
    }
    creation = dataset.id.get_create_plist()
    for number in range(creation.get_nfilters()):
        code, _, values, _ = creation.get_filter(number)
        name = _FILTERS.get(code)
        if name is not None:
            found[name] = True
        if name in _WITH_LEVEL and len(values) > 0:
            found["complevel"] = int(values[0])
    return found
