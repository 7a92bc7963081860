"""Peak memory of reducing a variable that is far larger than memory should be.

A fresh process for each question, so that the operating system's own account of its
largest resident size is the answer: interpreter, libraries and all.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import netCDF4
import numpy as np

LIMIT = 300
"""Megabytes that a reduction may take, whatever the array's size."""

ASK = """
import resource, sys, time
import activecore as ac
tas = ac.open(sys.argv[1], "tas", threads=2)
begin = time.perf_counter()
getattr(tas, sys.argv[2])(eval(sys.argv[3]))
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{tas.nbytes / 1e9:.2f} {seconds:.2f} {peak:.0f}")
"""

QUESTIONS = (
    ("mean", "None"),
    ("mean", "'time'"),
    ("std", "('lat', 'lon')"),
    ("max", "'lon'"),
)


def write(path: Path, gigabytes: float, *, compressed: bool) -> None:
    """Write a field of about that size, a block at a time."""
    steps = max(8, int(gigabytes * 1e9 / (360 * 720 * 4)))
    field = np.random.default_rng(0).normal(280, 15, (8, 360, 720)).round(1)
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in (("time", steps), ("lat", 360), ("lon", 720)):
            ds.createDimension(dim, length)
        options = {"zlib": True, "complevel": 1} if compressed else {"contiguous": True}
        if compressed:
            options["chunksizes"] = (4, 360, 720)
        tas = ds.createVariable("tas", "f4", ("time", "lat", "lon"), **options)
        for start in range(0, steps, 8):
            tas[start : start + 8] = field[: min(8, steps - start)]


def run(quick: bool) -> None:
    """Print a table; exit with an error if any question took more than the limit."""
    gigabytes = 0.05 if quick else 2.0
    over = []
    with tempfile.TemporaryDirectory() as folder:
        print("peak resident memory of a fresh process, 2 threads")
        print(f"{'storage':12} {'question':22} {'GB':>6} {'seconds':>8} {'peak MB':>8}")
        for storage in ("contiguous", "zlib"):
            path = Path(folder) / f"{storage}.nc"
            write(path, gigabytes, compressed=storage == "zlib")
            for reduction, axis in QUESTIONS:
                done = subprocess.run(
                    [sys.executable, "-c", ASK, str(path), reduction, axis],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                size, seconds, peak = done.stdout.split()
                question = f"{reduction} over {axis}"
                print(f"{storage:12} {question:22} {size:>6} {seconds:>8} {peak:>8}")
                if float(peak) > LIMIT:
                    over.append(f"{storage}: {question}")
            path.unlink()
    if over:
        sys.exit(f"over {LIMIT} MB: {'; '.join(over)}")
