"""Whoever answers a question about local files: activecore and its peers.

Each function imports and configures what it needs and gives what is timed: opening
the file, reading and reducing. Peers are configured as their own documentation
advises, with as many threads as there are cores for the process.

``mean`` is over ``axis`` (None: all) of ``region``, a list of [start, stop] for each
dimension (None: everything). Missing values are masked by those that know them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[], object]
Region = list[list[int]] | None
Axes = list[int] | None


def cores() -> int:
    """Give how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _slices(region: Region) -> tuple[slice, ...] | Any:
    return ... if region is None else tuple(slice(*part) for part in region)


def _axis(axis: Axes) -> tuple[int, ...] | None:
    return None if axis is None else tuple(axis)


def activecore(
    path: str,
    *,
    reduction: str = "mean",
    axis: Axes = None,
    region: Region = None,
    access: str = "read",
    fused: bool = True,
) -> Call:
    """Ours; with ``activecore[fast]`` warmed, or (``fused=False``) without it."""
    # Left to itself, a process takes to compiled loops after two gigabytes.
    os.environ["ACTIVECORE_ENGINE"] = "fused" if fused else "numpy"
    import activecore as ac

    def call() -> object:
        with ac.open(
            path, backend="posix", threads=cores(), storage_options={"access": access}
        ) as data:
            array = data["tas"][_slices(region)]
            return getattr(array, reduction)(axis=_axis(axis))

    return call


def pyactivestorage(
    path: str, *, axis: Axes = None, region: Region = None, is_fine: bool = False
) -> Call:
    """PyActiveStorage, reducing chunk by chunk in this process.

    Its 30 threads are "optimal for not too finely chunked data"; for others
    (``is_fine``) it gets as many as there are cores.
    """
    from activestorage.active import Active

    threads = {"max_threads": cores()} if is_fine else {}

    def call() -> object:
        active = Active(path, "tas", axis=_axis(axis), **threads)
        return np.asarray(active.mean()[_slices(region)])

    return call


def xarray(
    path: str,
    *,
    reduction: str = "mean",
    axis: Axes = None,
    region: Region = None,
    engine: str = "h5netcdf",
    chunks: str = "stored",
) -> Call:
    """Use xarray with dask's threads.

    ``chunks`` is ``"stored"`` (dask's are the file's) or ``"auto"`` (whole multiples
    of them, of up to 128 MiB, as is advised where the file's are small).
    """
    import dask
    import xarray as xr

    dask.config.set(scheduler="threads", num_workers=cores())
    wanted: Any = {} if chunks == "stored" else "auto"

    def call() -> object:
        with xr.open_dataset(path, engine=engine, chunks=wanted) as ds:
            array = ds["tas"][_slices(region)]
            over = None if axis is None else [array.dims[a] for a in axis]
            return getattr(array, reduction)(dim=over).compute().values

    return call


def netcdf4(
    path: str, *, reduction: str = "mean", axis: Axes = None, region: Region = None
) -> Call:
    """Read all that is wanted with netCDF4-python, and reduce it with numpy.ma."""
    import netCDF4

    def call() -> object:
        with netCDF4.Dataset(path) as ds:
            values = ds["tas"][_slices(region)]
            return getattr(values, reduction)(axis=_axis(axis), dtype="f8")

    return call


def zarr_python(path: str, *, axis: Axes = None, region: Region = None) -> Call:
    """Read all that is wanted with zarr-python, and reduce it with NumPy."""
    import zarr

    zarr.config.set({"threading.max_workers": cores()})

    def call() -> object:
        values = zarr.open_array(path + "/tas", mode="r")[_slices(region)]
        return np.mean(values, axis=_axis(axis), dtype="f8")

    return call


def tensorstore(
    path: str, *, driver: str, axis: Axes = None, region: Region = None
) -> Call:
    """Read all that is wanted with tensorstore, and reduce it with NumPy."""
    import tensorstore as ts

    spec = {
        "driver": driver,
        "kvstore": {"driver": "file", "path": path + "/tas/"},
        "context": {
            "data_copy_concurrency": {"limit": cores()},
            "file_io_concurrency": {"limit": max(4, cores())},
        },
    }

    def call() -> object:
        store = ts.open(spec, read=True).result()
        values = store[_slices(region)].read().result()
        return np.mean(values, axis=_axis(axis), dtype="f8")

    return call
