"""Local netCDF4 files: compressed and not, big chunks and tiny, every axis, regions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import contenders
import floors
import local_data
from harness import Case, Contender, Target, run_suite

TARGETS = (
    Target("compressed mean, to PyActiveStorage", "zlib, mean", "activecore",
           "PyActiveStorage", at_least=3),
    Target("compressed mean, to xarray + dask", "zlib, mean", "activecore",
           "xarray + dask", at_least=5),
    Target("compressed mean, share of the libdeflate floor", "zlib, mean",
           "activecore", "libdeflate", at_least=0.8),
    Target("the same without numba", "zlib, mean", "activecore, no numba",
           "libdeflate", at_least=0.7),
    Target("full precision: compressed mean, to PyActiveStorage",
           "zlib, full precision, mean", "activecore", "PyActiveStorage", at_least=3),
    Target("full precision: to xarray + dask", "zlib, full precision, mean",
           "activecore", "xarray + dask", at_least=5),
    Target("full precision: share of the libdeflate floor",
           "zlib, full precision, mean", "activecore", "libdeflate", at_least=0.8),
    Target("uncompressed mean, to PyActiveStorage", "uncompressed, mean",
           "activecore", "PyActiveStorage", at_least=5),
    Target("uncompressed mean, share of memory bandwidth", "uncompressed, mean",
           "activecore", "memory", at_least=0.45),
    Target("uncompressed mean by mmap, to PyActiveStorage", "uncompressed, mean",
           "activecore, mmap", "PyActiveStorage", at_least=10),
    Target("uncompressed mean by mmap, share of memory bandwidth",
           "uncompressed, mean", "activecore, mmap", "memory", at_least=0.7),
    Target("27,000 chunks of 8³, to PyActiveStorage", "27,000 chunks of 8³, mean",
           "activecore", "PyActiveStorage", at_least=30),
    Target("mean over the first axis, to the last (zlib)", "axes, zlib",
           "activecore, last axis", "activecore, first axis", at_most=1.5),
    Target("mean over first and last axis, to the last (zlib)", "axes, zlib",
           "activecore, last axis", "activecore, both", at_most=1.5),
    Target("mean over the first axis, to the last (uncompressed)",
           "axes, uncompressed", "activecore, last axis", "activecore, first axis",
           at_most=1.5),
    Target("mean over first and last axis, to the last (uncompressed)",
           "axes, uncompressed", "activecore, last axis", "activecore, both",
           at_most=1.5),
)  # fmt: skip


def run(quick: bool) -> None:
    """Write files, ask, and write down the results."""
    with tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder:
        run_suite(
            "local_netcdf",
            _cases(Path(folder), quick=quick),
            TARGETS,
            quick=quick,
            title="Local netCDF4 files",
        )


def _peers(
    path: str, *, chunks: str = "stored", is_fine: bool = False, **question: object
) -> list[Contender]:
    options = {"path": path, **question}
    fine = {"is_fine": is_fine}
    return [
        Contender("PyActiveStorage", contenders.pyactivestorage, {**options, **fine}),
        Contender("xarray + dask", contenders.xarray, {**options, "chunks": chunks}),
        Contender("netCDF4-python", contenders.netcdf4, options),
    ]


def _ours(name: str, path: str, **options: object) -> Contender:
    return Contender(name, contenders.activecore, {"path": path, **options})


def _cases(folder: Path, *, quick: bool) -> Iterator[Case]:
    shape = (20, 36, 72) if quick else (200, 360, 720)
    chunk = (5, *shape[1:])
    nbytes = 4 * shape[0] * shape[1] * shape[2]
    yield from _compressed(folder, shape, chunk, nbytes)
    yield _full_precision(folder, shape, chunk, nbytes)
    longer = (2 * shape[0], *shape[1:])
    yield from _uncompressed(folder, longer, chunk, 2 * nbytes)
    yield from _tiny(folder, 48 if quick else 240)
    yield from _series(folder, 20 if quick else 1000)


def _compressed(
    folder: Path, shape: local_data.Shape, chunk: local_data.Shape, nbytes: int
) -> Iterator[Case]:
    path = str(
        local_data.write_netcdf(
            folder / "zlib.nc",
            shape,
            digits=1,
            chunksizes=chunk,
            compression="zlib",
            complevel=4,
            shuffle=True,
        )
    )
    for threads in (2, 1):
        yield Case(
            "zlib, mean" if threads > 1 else f"zlib, mean, {threads} thread",
            [
                _ours("activecore", path),
                _ours("activecore, no numba", path, fused=False),
                *_peers(path),
                Contender(
                    "libdeflate", floors.libdeflate, {"path": path}, is_floor=True
                ),
            ],
            threads=threads,
            nbytes=nbytes,
            note="Chunks of 5 MB, values rounded to 0.1, deflate 4 with shuffle.",
            rtol=1e-4,
        )
    yield _axes("axes, zlib", path, nbytes)
    yield Case(
        "zlib, mean over the first axis",
        [_ours("activecore", path, axis=[0]), *_peers(path, axis=[0])],
        nbytes=nbytes,
        rtol=1e-4,
    )
    region = [[0, shape[0]], [shape[1] // 4, shape[1] // 2], [10, shape[2] // 4]]
    yield Case(
        "zlib, max of a region",
        [
            _ours("activecore", path, region=region, reduction="max"),
            Contender(
                "xarray + dask",
                contenders.xarray,
                {"path": path, "region": region, "reduction": "max"},
            ),
        ],
        note="A sixteenth of every chunk.",
    )
    yield Case(
        "zlib, std",
        [
            _ours("activecore", path, reduction="std"),
            Contender(
                "xarray + dask", contenders.xarray, {"path": path, "reduction": "std"}
            ),
            Contender(
                "netCDF4-python", contenders.netcdf4, {"path": path, "reduction": "std"}
            ),
        ],
        nbytes=nbytes,
        rtol=1e-3,
    )
    Path(path).unlink()


def _full_precision(
    folder: Path, shape: local_data.Shape, chunk: local_data.Shape, nbytes: int
) -> Case:
    path = str(
        local_data.write_netcdf(
            folder / "full.nc",
            shape,
            chunksizes=chunk,
            compression="zlib",
            complevel=4,
            shuffle=True,
        )
    )
    return Case(
        "zlib, full precision, mean",
        [
            _ours("activecore", path),
            _ours("activecore, no numba", path, fused=False),
            *_peers(path),
            Contender("libdeflate", floors.libdeflate, {"path": path}, is_floor=True),
        ],
        nbytes=nbytes,
        note="Half of the bytes are noise, which deflate stores as it is: the floor is "
        "a copy of memory, and what comes after it counts for more.",
        rtol=1e-4,
    )


def _axes(name: str, path: str, nbytes: int) -> Case:
    return Case(
        name,
        [
            _ours("activecore, last axis", path, axis=[2]),
            _ours("activecore, first axis", path, axis=[0]),
            _ours("activecore, both", path, axis=[0, 2]),
            _ours("activecore, all", path),
        ],
        nbytes=nbytes,
        note="Different questions to one file.",
        rtol=None,
    )


def _uncompressed(
    folder: Path, shape: local_data.Shape, chunk: local_data.Shape, nbytes: int
) -> Iterator[Case]:
    path = str(local_data.write_netcdf(folder / "plain.nc", shape, chunksizes=chunk))
    for threads in (2, 1):
        yield Case(
            "uncompressed, mean"
            if threads > 1
            else f"uncompressed, mean, {threads} thread",
            [
                _ours("activecore", path),
                _ours("activecore, mmap", path, access="mmap"),
                _ours("activecore, no numba", path, fused=False),
                *_peers(path),
                Contender(
                    "read and add", floors.read_and_add, {"path": path}, is_floor=True
                ),
                Contender("memory", floors.memory, {"nbytes": nbytes}, is_floor=True),
            ],
            threads=threads,
            nbytes=nbytes,
            note="Chunks of 5 MB.",
            rtol=1e-4,
        )
    yield _axes("axes, uncompressed", path, nbytes)
    Path(path).unlink()


def _tiny(folder: Path, side: int) -> Iterator[Case]:
    path = str(
        local_data.write_netcdf(
            folder / "tiny.nc",
            (side, side, side),
            digits=1,
            chunksizes=(8, 8, 8),
            compression="zlib",
            complevel=1,
            shuffle=True,
        )
    )
    chunks = (side // 8) ** 3
    yield Case(
        "27,000 chunks of 8³, mean",
        [
            _ours("activecore", path),
            _ours("activecore, no numba", path, fused=False),
            *_peers(path, chunks="auto", is_fine=True),
            Contender("libdeflate", floors.libdeflate, {"path": path}, is_floor=True),
        ],
        nbytes=4 * side**3,
        note=f"{chunks:,} chunks of 2 kB, deflate 1 with shuffle.",
        rtol=1e-4,
    )
    Path(path).unlink()


def _series(folder: Path, steps: int) -> Iterator[Case]:
    path = str(
        local_data.write_netcdf(
            folder / "series.nc",
            (steps, 90, 180),
            chunksizes=(1, 90, 180),
            compression="zlib",
            complevel=1,
            shuffle=True,
        )
    )
    region = [[0, steps], [45, 46], [90, 91]]
    yield Case(
        "a point's time series through 1,000 chunks, mean",
        [
            _ours("activecore", path, region=region),
            *_peers(path, region=region),
        ],
        note=f"{steps:,} chunks of 65 kB; the file has "
        f"{Path(path).stat().st_size / 1e6:.3g} MB.",
        rtol=1e-4,
    )
    plain = str(
        local_data.write_netcdf(folder / "plain.nc", (steps, 90, 180), contiguous=True)
    )
    yield Case(
        "a point's time series in a contiguous variable, mean",
        [_ours("activecore", plain, region=region), *_peers(plain, region=region)],
        note=f"The file has {Path(plain).stat().st_size / 1e6:.3g} MB.",
        rtol=1e-4,
    )
