"""Whoever answers a question about objects in an S3 store: activecore and its peers.

Each function imports and configures what it needs and gives what is timed: opening the
object, reading and taking the mean of ``tas``. Peers have the defaults that their own
documentation gives for S3; where it leaves the number of threads to the user they get
16, since threads that wait need no core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# The machine's own settings of AWS are not for these servers.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]

Call = Callable[[], object]
WAITING = 16
"""Threads of those that hold one for each request."""


def activecore(
    url: str,
    *,
    backend: str | Sequence[str],
    storage_options: Mapping[str, Any],
    kept: str | None = None,
    engine: str = "auto",
) -> Call:
    """Ours. ``kept`` is where indices of chunks are kept, as they are by default.

    Without it each call reads the index anew, as the peers do. ``engine`` is what
    computes: ``fused`` is ``activecore[fast]``, warmed.
    """
    os.environ["ACTIVECORE_ENGINE"] = engine
    os.environ["ACTIVECORE_INDEX_CACHE"] = str(kept is not None).lower()
    if kept is not None:
        os.environ["ACTIVECORE_INDEX_CACHE_DIR"] = kept
    import activecore as ac

    def call() -> object:
        with ac.open(url, backend=backend, storage_options=storage_options) as data:
            return data["tas"].mean()

    return call


def xarray_netcdf(
    url: str,
    *,
    credentials: Mapping[str, Any],
    chunks: str = "stored",
    cache: Mapping[str, Any] | None = None,
) -> Call:
    """Use s3fs, h5netcdf, xarray and dask's threads.

    ``chunks`` is ``"stored"`` or ``"auto"``; ``cache`` the options of fsspec's read
    cache, where the default is not wanted.
    """
    import dask
    import s3fs
    import xarray as xr

    dask.config.set(scheduler="threads", num_workers=WAITING)
    wanted: Any = {} if chunks == "stored" else "auto"
    fs = s3fs.S3FileSystem(**credentials)

    def call() -> object:
        fs.invalidate_cache()
        with (
            fs.open(url, "rb", **(cache or {})) as file,
            xr.open_dataset(file, engine="h5netcdf", chunks=wanted) as ds,
        ):
            return ds["tas"].mean().compute().values

    return call


def xarray_zarr(
    url: str, *, credentials: Mapping[str, Any], chunks: str = "stored"
) -> Call:
    """Use s3fs, zarr-python, xarray and dask's threads."""
    import dask
    import s3fs
    import xarray as xr

    dask.config.set(scheduler="threads", num_workers=WAITING)
    wanted: Any = {} if chunks == "stored" else "auto"

    def call() -> object:
        s3fs.S3FileSystem.clear_instance_cache()
        with xr.open_zarr(url, storage_options=dict(credentials), chunks=wanted) as ds:
            return ds["tas"].mean().compute().values

    return call


def zarr_python(url: str, *, credentials: Mapping[str, Any]) -> Call:
    """Read all of it with zarr-python and s3fs, and reduce it with NumPy."""
    import zarr

    def call() -> object:
        array = zarr.open_array(
            f"{url}/tas", mode="r", storage_options=dict(credentials)
        )
        return np.mean(array[...], dtype="f8")

    return call


def bytes_alone(url: str, *, credentials: Mapping[str, Any]) -> Call:
    """Fetch the object's bytes with obstore, and do nothing with them: a floor.

    In eight ranges or more, all at once, of 8 MB at most: neither one long reply nor
    very many short ones is as fast.
    """
    import asyncio

    import obstore
    from obstore.store import S3Store

    bucket, _, key = url.removeprefix("s3://").partition("/")
    store = S3Store(
        bucket,
        endpoint=credentials["endpoint_url"],
        access_key_id=credentials["key"],
        secret_access_key=credentials["secret"],
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    async def fetch() -> None:
        size = (await obstore.head_async(store, key))["size"]
        step = min(8 << 20, -(-size // 8))
        await asyncio.gather(
            *(
                obstore.get_range_async(
                    store, key, start=start, end=min(size, start + step)
                )
                for start in range(0, size, step)
            )
        )

    def call() -> object:
        asyncio.run(fetch())
        return 0.0

    return call


def pyactivestorage(
    url: str, *, credentials: Mapping[str, Any], server: str | None = None
) -> Call:
    """PyActiveStorage: reduces chunks here, or at a Reductionist server."""
    from activestorage.active import Active

    options = {
        "key": credentials["key"],
        "secret": credentials["secret"],
        "client_kwargs": {"endpoint_url": credentials["endpoint_url"]},
    }

    def call() -> object:
        active = Active(
            url.removeprefix("s3://"),
            "tas",
            interface_type="s3",
            storage_options=options,
            active_storage_url=server,
        )
        active._version = 1 if server is None else 2  # noqa: SLF001 - its own interface
        return np.ma.filled(active.mean()[...], np.nan).ravel()[0]

    return call
