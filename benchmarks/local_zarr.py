"""Local Zarr stores: zstd, blosc and no compression."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contenders
import floors
import local_data
from harness import Case, Contender, Target, run_suite

TARGETS = (
    Target("Zarr zstd, to xarray + dask", "Zarr v3 zstd, mean", "activecore",
           "xarray + dask", at_least=3),
    Target("Zarr blosc, to xarray + dask", "Zarr v2 blosc, mean", "activecore",
           "xarray + dask", at_least=3),
)  # fmt: skip


def run(quick: bool) -> None:
    """Write stores, ask, and write down the results."""
    with tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder:
        run_suite(
            "local_zarr",
            _cases(Path(folder), quick=quick),
            TARGETS,
            quick=quick,
            title="Local Zarr stores",
        )


def _cases(folder: Path, *, quick: bool) -> Iterator[Case]:
    import numcodecs
    from zarr.codecs import ZstdCodec

    shape = (20, 36, 72) if quick else (200, 360, 720)
    chunk = (5, *shape[1:])
    blosc = numcodecs.Blosc("lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
    stores: list[tuple[str, int, Any]] = [
        ("Zarr v3 zstd, mean", 3, ZstdCodec(level=3)),
        ("Zarr v2 blosc, mean", 2, blosc),
        ("Zarr v3 uncompressed, mean", 3, None),
    ]
    for number, (name, version, compressors) in enumerate(stores):
        path = local_data.write_zarr(
            folder / f"{number}.zarr", shape, chunk, compressors, version
        )
        options = {"path": str(path)}
        driver = "zarr3" if version > 2 else "zarr"  # noqa: PLR2004
        floor = [Contender("libzstd", floors.zstd, options, is_floor=True)]
        yield Case(
            name,
            [
                Contender("activecore", contenders.activecore, options),
                Contender(
                    "activecore, no numba",
                    contenders.activecore,
                    {**options, "fused": False},
                ),
                Contender(
                    "xarray + dask", contenders.xarray, {**options, "engine": "zarr"}
                ),
                Contender("zarr-python", contenders.zarr_python, options),
                Contender(
                    "tensorstore", contenders.tensorstore, {**options, "driver": driver}
                ),
                *(floor if "zstd" in name else ()),
            ],
            nbytes=4 * shape[0] * shape[1] * shape[2],
            note="Chunks of 5 MB, 40 objects.",
            rtol=1e-4,
        )
