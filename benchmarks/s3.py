"""Files in an S3 store: ours, s3fs with xarray and dask, PyActiveStorage.

On the versitygw of ``make services``: over the loopback, and over a link of 20 ms that
counts each contender's requests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import floors
import local_data
import remote_contenders as contenders
from harness import Case, Contender, Target, run_suite
from remote import FAR, credentials, gate, mean_of, servers

from services.bucket import Bucket
from services.state import S3

OURS = "activecore s3numpy"
XARRAY = "s3fs + xarray + dask"
AS_STORED = f"{XARRAY}, a task a chunk"
ACTIVE = "PyActiveStorage"
ROUTES = ("loopback", "20 ms")


def _targets() -> Iterator[Target]:
    for kind, ratio, peers in (
        ("96 compressed chunks", 2, (XARRAY, ACTIVE)),
        ("1,000 chunks of 111 kB, netCDF4", 5, (XARRAY, AS_STORED, ACTIVE)),
        ("1,000 chunks of 111 kB, Zarr", 5, (XARRAY,)),
        ("27,000 chunks of 8³", 10, (XARRAY, AS_STORED, ACTIVE)),
    ):
        for route in ROUTES:
            for peer in peers:
                yield Target(
                    f"{kind}, to {peer}",
                    f"{kind}, {route}",
                    fast=OURS,
                    slow=peer,
                    at_least=ratio,
                )


def run(quick: bool) -> None:
    """Upload files, ask, and write down the results."""
    s3 = servers().s3
    with (
        tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder,
        Bucket(s3) as bucket,
    ):
        run_suite(
            "s3",
            _cases(s3, bucket, Path(folder), quick=quick),
            tuple(_targets()),
            quick=quick,
            title="Files in an S3 store",
        )


def _cases(s3: S3, bucket: Bucket, folder: Path, *, quick: bool) -> Iterator[Case]:
    deflate = {"compression": "zlib", "complevel": 4, "shuffle": True}
    for name, shape, chunk, storage, chunks in (
        ("96 compressed chunks", (480, 240, 480), (5, 240, 480), deflate, "stored"),
        (
            "1,000 chunks of 111 kB, netCDF4",
            (1000, 150, 185),
            (1, 150, 185),
            {},
            "auto",
        ),
        (
            "27,000 chunks of 8³",
            (240, 240, 240),
            (8, 8, 8),
            {**deflate, "complevel": 1},
            "auto",
        ),
    ):
        lengths = (shape[0] // 20, *shape[1:]) if quick else shape
        path = local_data.write_netcdf(
            folder / "tas.nc", lengths, chunksizes=chunk, **storage
        )
        url = bucket.upload(path, f"{len(name)}.nc")
        makers = {
            OURS: partial(_ours, url),
            f"{OURS}, index kept": partial(_ours, url, kept=str(folder / "kept")),
            f"{OURS}, no numba": partial(_ours, url, engine="numpy"),
            XARRAY: partial(_xarray, url, chunks),
            f"{XARRAY}, blocks of 1 MiB": partial(
                _xarray,
                url,
                chunks,
                cache={"cache_type": "blockcache", "block_size": 1 << 20},
            ),
            ACTIVE: partial(_pyactivestorage, url),
        }
        if chunks != "stored":
            makers[AS_STORED] = partial(_xarray, url, "stored")
        makers["bytes alone"] = partial(_bytes_alone, url)
        if storage:
            makers["libdeflate alone"] = partial(_libdeflate, path)
        yield from _routes(
            s3,
            name,
            makers,
            nbytes=4 * lengths[0] * lengths[1] * lengths[2],
            note=f"{path.stat().st_size / 1e6:.3g} MB stored.",
            expected=mean_of(path),
        )
        if "netCDF4" in name:
            yield from _zarr(s3, bucket, path, lengths, chunk)
        path.unlink()


def _zarr(
    s3: S3,
    bucket: Bucket,
    path: Path,
    shape: local_data.Shape,
    chunk: local_data.Shape,
) -> Iterator[Case]:
    """Ask about the same field as one object for each chunk."""
    store = local_data.write_zarr(
        path.with_suffix(".zarr"), shape, chunk, compressors=None, version=3
    )
    url = bucket.upload(store)
    yield from _routes(
        s3,
        "1,000 chunks of 111 kB, Zarr",
        {
            OURS: partial(_ours, url),
            XARRAY: partial(_xarray_zarr, url, "stored"),
            f"{XARRAY}, larger tasks": partial(_xarray_zarr, url, "auto"),
            "s3fs + zarr-python": partial(_zarr_python, url),
        },
        nbytes=4 * shape[0] * shape[1] * shape[2],
        note=f"{shape[0]:,} objects.",
        expected=mean_of(path),
    )


def _routes(
    s3: S3, name: str, makers: Mapping[str, Any], **about: Any
) -> Iterator[Case]:
    """Ask over the loopback, then over a link that counts."""
    near = [make(one, credentials(s3), None) for one, make in makers.items()]
    yield Case(f"{name}, {ROUTES[0]}", near, rtol=1e-4, fewest=3, **about)
    with ExitStack() as stack:
        far = []
        for one, make in makers.items():
            way = gate(stack, FAR, s3.endpoint_url)
            far.append(make(one, credentials(s3, *way.urls), way.meter))
        yield Case(f"{name}, {ROUTES[1]}", far, rtol=1e-4, fewest=3, **about)


def _ours(
    url: str,
    name: str,
    options: Mapping[str, Any],
    meter: Any,
    kept: str | None = None,
    *,
    engine: str = "fused",
) -> Contender:
    asked = {
        "url": url,
        "backend": "s3numpy",
        "storage_options": options,
        "kept": kept,
        "engine": engine,
    }
    return Contender(name, contenders.activecore, asked, meter=meter)


def _xarray(
    url: str,
    chunks: str,
    name: str,
    options: Mapping[str, Any],
    meter: Any,
    cache: Mapping[str, Any] | None = None,
) -> Contender:
    asked = {"url": url, "credentials": options, "chunks": chunks, "cache": cache}
    return Contender(name, contenders.xarray_netcdf, asked, meter=meter)


def _xarray_zarr(
    url: str, chunks: str, name: str, options: Mapping[str, Any], meter: Any
) -> Contender:
    asked = {"url": url, "credentials": options, "chunks": chunks}
    return Contender(name, contenders.xarray_zarr, asked, meter=meter)


def _zarr_python(
    url: str, name: str, options: Mapping[str, Any], meter: Any
) -> Contender:
    asked = {"url": url, "credentials": options}
    return Contender(name, contenders.zarr_python, asked, meter=meter)


def _bytes_alone(
    url: str, name: str, options: Mapping[str, Any], meter: Any
) -> Contender:
    asked = {"url": url, "credentials": options}
    return Contender(name, contenders.bytes_alone, asked, meter=meter, is_floor=True)


def _libdeflate(path: Path, name: str, _: Mapping[str, Any], __: Any) -> Contender:
    """Inflate the chunks from memory: nothing that answers can be faster."""
    return Contender(name, floors.libdeflate, {"path": str(path)}, is_floor=True)


def _pyactivestorage(
    url: str, name: str, options: Mapping[str, Any], meter: Any
) -> Contender:
    asked = {"url": url, "credentials": options}
    return Contender(name, contenders.pyactivestorage, asked, meter=meter)
