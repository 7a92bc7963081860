"""A thousand to a million chunks: what one costs, to find, to plan, to read, to merge.

The core alone (a backend that answers at once), netCDF4 files and a sharded Zarr array
of tiny chunks. Each contender's process has a limit to its memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import Case, Contender, Target, run_suite

CELL = (4, 4, 4)
"""256 bytes of float32: what is paid is paid for the chunk, not for its content."""
ACROSS = 10
"""Chunks along both horizontal dimensions; time has all others."""
LIMIT = 300
"""Megabytes that a process may take, whatever the number of chunks."""

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda tas: tas.mean(),
    "mean over time": lambda tas: tas.mean(0),
    "mean over the map": lambda tas: tas.mean((1, 2)),
    "every third": lambda tas: tas[::3, ::3, ::3].max(),
    "a fifth, at random": lambda tas: tas[_some(tas.shape[0])].mean(),
    "a point's time series": lambda tas: tas[:, 3, 5].read(),
}

TARGETS = (
    Target("the core: a million chunks for the price of 100 times ten thousand",
           "the core alone, mean", "activecore, 10,000", "activecore, 1,000,000",
           at_most=120),
    Target("netCDF4: a million chunks for the price of 100 times ten thousand",
           "netCDF4, mean", "activecore, 10,000", "activecore, 1,000,000",
           at_most=120),
    Target("netCDF4: the index of a million for 100 times that of ten thousand",
           "netCDF4, opening", "activecore, 10,000", "activecore, 1,000,000",
           at_most=120),
    Target("netCDF4: opening, to HDF5's own list of chunks", "netCDF4, opening",
           "HDF5's list, 1,000,000", "activecore, 1,000,000", at_most=3),
)  # fmt: skip


def _some(length: int) -> Any:
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(length, length // 5, replace=False))


def run(quick: bool) -> None:
    """Write files, ask, write down the results; refuse what takes too much memory."""
    with tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder:
        results = run_suite(
            "many_chunks",
            _cases(Path(folder), quick=quick),
            () if quick else TARGETS,
            quick=quick,
            title="Up to a million chunks",
        )
    over = [
        f"{case}, {name}: {one.peak / 1e6:.0f} MB"
        for case, ran in results.items()
        for name, one in ran.items()
        if name.startswith("activecore") and one.peak > LIMIT * 1e6
    ]
    if over:
        sys.exit(f"over {LIMIT} MB: {'; '.join(over)}")


def _cases(folder: Path, *, quick: bool) -> Iterator[Case]:
    counts = (200, 2_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    yield _by_count("the core alone, mean", core_alone, counts, question="mean")
    files = {n: str(write_netcdf(folder / f"{n}.nc", n)) for n in counts}
    yield Case(
        "netCDF4, opening",
        [
            *_each(opening, counts, paths=files),
            Contender(
                f"HDF5's list, {counts[-1]:,}",
                hdf5_list,
                {"path": files[counts[-1]]},
                is_floor=True,
            ),
        ],
        note="The variable's index: where each chunk lies.",
        rtol=None,
        fewest=3,
    )
    yield _by_count("netCDF4, mean", asking, counts, paths=files, question="mean")
    yield _by_question("netCDF4", files[counts[-1]], counts[-1])
    for path in files.values():
        Path(path).unlink()
    most = counts[-1]
    path = str(write_zarr(folder / "x.zarr", most))
    yield _by_question("Zarr in shards", path, most)


def _each(
    prepare: Callable[..., Callable[[], object]],
    counts: tuple[int, ...],
    *,
    paths: dict[int, str] | None = None,
    **options: Any,
) -> list[Contender]:
    return [
        Contender(
            f"activecore, {n:,}",
            prepare,
            {"chunks": n, **options, **({} if paths is None else {"path": paths[n]})},
        )
        for n in counts
    ]


def _by_count(
    name: str,
    prepare: Callable[..., Callable[[], object]],
    counts: tuple[int, ...],
    **options: Any,
) -> Case:
    note = "Different numbers of chunks, one question."
    contenders = _each(prepare, counts, **options)
    return Case(name, contenders, note=note, rtol=None, fewest=3)


def _by_question(name: str, path: str, chunks: int) -> Case:
    return Case(
        f"{name}, {chunks:,} chunks",
        [
            Contender(
                f"activecore, {question}",
                asking,
                {"path": path, "chunks": chunks, "question": question},
            )
            for question in QUESTIONS
        ],
        note="One file, different questions.",
        rtol=None,
        fewest=3,
    )


# -- who answers, each in a process of its own ---------------------------------------


def asking(*, path: str, chunks: int, question: str) -> Callable[[], object]:
    """Ask a variable that is open; tells of a chunk's cost and of the first answer."""
    import activecore as ac

    tas = ac.open(path, "tas", backend="posix", threads=2)
    ask = QUESTIONS[question]

    def call() -> object:
        firsts: list[float] = []
        begin = time.perf_counter()

        def progress(run: Any) -> None:
            if run.chunks > 0 and not firsts:
                firsts.append(time.perf_counter() - begin)

        with ac.record(progress) as run:
            answer = ask(tas)
        if run.chunks > chunks:
            raise ValueError(f"{run.chunks} chunks answered of {chunks}")
        return answer, {
            "chunks": run.chunks,
            "µs/chunk": 1e6 * run.seconds / run.chunks,
            "first after s": firsts[0],
        }

    return call


def opening(*, path: str, chunks: int) -> Callable[[], object]:
    """Open a variable, which reads where its chunks lie."""
    import activecore as ac

    def call() -> object:
        begin = time.perf_counter()
        ac.open(path, "tas", backend="posix")
        seconds = time.perf_counter() - begin
        return 0, {"chunks": chunks, "µs/chunk": 1e6 * seconds / chunks}

    return call


def hdf5_list(*, path: str) -> Callable[[], object]:
    """Let HDF5 list the chunks, and drop what it says."""
    import h5py

    def call() -> object:
        with h5py.File(path) as file:
            file["tas"].id.chunk_iter(lambda _: None)
        return 0

    return call


def core_alone(*, chunks: int, question: str) -> Callable[[], object]:
    """Plan, look up, hand out and merge, where the backend takes no time at all."""
    import activecore as ac
    from activecore.array import ActiveArray
    from activecore.session import Session

    class AtOnce(ac.StorageBackend):
        name = "atonce"
        operations = frozenset({"sum"})

        def filesystem(self, url: str) -> Any:
            raise NotImplementedError(url)

        def reduce_chunk(self, request: ac.ChunkRequest) -> ac.Partial:
            return self.reduce_chunks(ac.ChunkBatch.of(request))

        def reduce_chunks(self, batch: ac.ChunkBatch) -> ac.Partial:
            shape = (len(batch), *batch.reduced_shape)
            return ac.Partial((np.ones(shape),), np.ones(shape, np.int64))

    class Index:
        chunk_shape = CELL

        def locate(self, coords: Any) -> ac.Located:
            n = len(coords)
            sources = np.full(n, "nowhere", dtype=object)
            offsets = coords @ np.array([ACROSS * ACROSS, ACROSS, 1])
            return ac.Located(sources, offsets, np.full(n, 64), np.zeros(n, np.int64))

    shape = _shape(chunks)
    dtype = np.dtype("f8")
    layout = ac.ChunkLayout(dtype, CELL, "C", (), ac.Missing(), 0.0)
    info = ac.ArrayInfo(
        name="tas",
        shape=shape,
        dims=("time", "lat", "lon"),
        dtype=dtype,
        chunks=CELL,
        attrs={},
        layouts=(layout,),
        index=Index(),
    )
    ask = QUESTIONS[question]

    def call() -> object:
        array = ActiveArray(info, Session([AtOnce()], None, threads=2))
        begin = time.perf_counter()
        answer = ask(array)
        seconds = time.perf_counter() - begin
        return answer, {"chunks": chunks, "µs/chunk": 1e6 * seconds / chunks}

    return call


# -- the files -----------------------------------------------------------------------


def _shape(chunks: int) -> tuple[int, int, int]:
    return (
        max(1, chunks // ACROSS**2) * CELL[0],
        ACROSS * CELL[1],
        ACROSS * CELL[2],
    )


def _fields() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(280, 15, CELL).astype("f4").round(1) for _ in range(64)]


def write_netcdf(path: Path, chunks: int) -> Path:
    """Write a netCDF4 file of so many chunks, past HDF5's own slow way of writing."""
    import h5py
    import netCDF4

    shape = _shape(chunks)
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in zip(("time", "lat", "lon"), shape, strict=True):
            ds.createDimension(dim, length)
        ds.createVariable("tas", "f4", ("time", "lat", "lon"), chunksizes=CELL)
    blocks = [field.tobytes() for field in _fields()]
    with h5py.File(path, "r+") as file:
        write = file["tas"].id.write_direct_chunk
        grid = tuple(length // cell for length, cell in zip(shape, CELL, strict=True))
        for number, coords in enumerate(np.ndindex(grid)):
            first = tuple(c * cell for c, cell in zip(coords, CELL, strict=True))
            write(first, blocks[number % len(blocks)])
    return path


def write_zarr(path: Path, chunks: int) -> Path:
    """Write a sharded Zarr array of so many chunks: one shard, under all names."""
    import zarr

    shape = _shape(chunks)
    steps = min(10 * CELL[0], shape[0])
    group = zarr.open_group(path, mode="w", zarr_format=3)
    tas = group.create_array(
        "tas",
        shape=shape,
        chunks=CELL,
        shards=(steps, *shape[1:]),
        dtype="f4",
        compressors=None,
        dimension_names=("time", "lat", "lon"),
    )
    tas[:steps] = np.tile(_fields()[0], (steps // CELL[0], ACROSS, ACROSS))
    first = path / "tas" / "c" / "0" / "0" / "0"
    for number in range(1, shape[0] // steps):
        other = path / "tas" / "c" / str(number) / "0" / "0"
        other.parent.mkdir(parents=True)
        other.hardlink_to(first)
    return path
