"""The files of the local suites: a smooth field with noise, as models write it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

DIMS = ("time", "lat", "lon")
Shape = tuple[int, int, int]


def field(shape: Shape, steps: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Give a temperature in kelvin, so many time steps at once, and where they start.

    Zonal waves that move, and noise of 0.3 K from a pool that is used again shifted:
    deflate finds no more in it than in noise that is new each time.
    """
    times, lats, lons = shape
    rng = np.random.default_rng(0)
    lat = np.linspace(-np.pi / 2, np.pi / 2, lats)[:, np.newaxis]
    lon = np.linspace(0, 2 * np.pi, lons, endpoint=False)
    noise = rng.normal(0, 0.3, (7, lats, lons))
    for start in range(0, times, steps):
        block = np.empty((min(steps, times - start), lats, lons), dtype=np.float32)
        for row in range(len(block)):
            time = start + row
            wave = 8 * np.cos(lat) * np.sin(5 * lon + 0.05 * time)
            shifted = np.roll(noise[time % 7], 13 * time + time // 7, axis=(0, 1))
            block[row] = 240 + 60 * np.cos(lat) + wave + shifted
        yield start, block


def write_netcdf(
    path: Path, shape: Shape, *, digits: int | None = None, **storage: Any
) -> Path:
    """Write ``tas``.

    Parameters
    ----------
    path, shape
        Where, and how much.
    digits
        Decimals that are kept, as archives do; None: all bits, of which half are noise
        that deflate stores as it is, faster than it decodes anything.
    storage
        As netCDF4-python takes it: chunksizes and so on.
    """
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in zip(DIMS, shape, strict=True):
            ds.createDimension(dim, length)
        tas = ds.createVariable("tas", "f4", DIMS, fill_value=1e20, **storage)
        for start, block in field(shape, 40):
            kept = block if digits is None else block.round(digits)
            tas[start : start + len(block)] = kept
    return path


def write_zarr(
    path: Path, shape: Shape, chunks: Shape, compressors: Any, version: int
) -> Path:
    """Write a group with ``tas``."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=version)
    options: dict[str, Any] = {"dimension_names": DIMS} if version > 2 else {}  # noqa: PLR2004
    tas = group.create_array(
        "tas",
        shape=shape,
        chunks=chunks,
        dtype="f4",
        compressors=compressors,
        fill_value=np.float32(1e20),
        attributes={"_ARRAY_DIMENSIONS": list(DIMS)} if version == 2 else None,  # noqa: PLR2004
        **options,
    )
    for start, block in field(shape, chunks[0] * max(1, 40 // chunks[0])):
        tas[start : start + len(block)] = block
    with warnings.catch_warnings():
        # Version 3 has no word for it yet; xarray reads it all the same.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)
    return path
