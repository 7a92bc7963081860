"""The main job on real data, from the shell and from Python. Run by ``make demo``.

Air temperature over North America under scenario A1B (Met Office), from the package
``iris-sample-data``: yearly means from 1860 to 2099, 240 chunks in a netCDF4 file.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import iris_sample_data
import numpy as np
import xarray as xr

import activecore as ac

if TYPE_CHECKING:
    from activecore.recording import Run

SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"
OUTPUT = Path("demo-output")
NAME = "air_temperature"


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def run(*words: str | Path) -> None:
    """Run an ``activecore`` command and show it as one would type it."""
    shown = shlex.join(["activecore", *map(str, words)])
    print(f"$ {shown.replace(str(SOURCE), SOURCE.name)}", flush=True)
    command = [sys.executable, "-m", "activecore", *map(str, words)]
    subprocess.run(command, check=True)


def cost(record: Run) -> str:
    """Say what a run took."""
    return (
        f"chunks: {record.chunks}, requests: {record.requests}, bytes received: "
        f"{record.bytes_received:,}, seconds: {record.seconds:.3f}, "
        f"by {', '.join(record.backends)}"
    )


def main() -> None:
    """Reduce a netCDF4 file, then the same field as a Zarr store."""
    OUTPUT.mkdir(exist_ok=True)
    over = ["--over", "latitude,longitude", "--weights", "latitude=cos"]

    say("What is in the file?")
    run("info", SOURCE)
    run("info", SOURCE, NAME)

    say("The area-weighted mean, year by year, as a picture and as a netCDF file")
    picture, series = OUTPUT / "mean.png", OUTPUT / "mean.nc"
    run("reduce", SOURCE, NAME, "mean", *over, "--plot", picture, "--out", series)

    say("Where was the last decade warmest? A map of the mean")
    warm = OUTPUT / "last-decade.png"
    decade = ["--select", "time=-10:"]
    run("reduce", SOURCE, NAME, "mean", "--over", "time", *decade, "--plot", warm)

    say("Who would do the work, and what would it cost?")
    run("explain", SOURCE, NAME, "mean", *over)

    say("The same through Zarr")
    store = OUTPUT / "A1B_north_america.zarr"
    with xr.open_dataset(SOURCE) as dataset:
        field = dataset[[NAME]].drop_encoding().chunk({"time": 24})
        field.to_zarr(store, mode="w", zarr_format=3, consolidated=False)
    run("reduce", store, NAME, "mean", *over, "--out", OUTPUT / "mean-zarr.csv")

    say("And from Python")
    from_netcdf, from_zarr = ac.open(SOURCE, NAME), ac.open(store, NAME)
    with ac.open(SOURCE) as dataset:
        weights = {"latitude": np.cos(np.radians(dataset["latitude"].read()))}
    print(from_netcdf)
    with ac.record() as record:
        mean = from_netcdf.mean(axis=("latitude", "longitude"), weights=weights)
    print(f"mean of the first year: {mean[0]:.3f} K, of the last: {mean[-1]:.3f} K")
    print(cost(record))
    same = from_zarr.mean(axis=("latitude", "longitude"), weights=weights)
    difference = abs(same - mean).max()
    print(f"largest difference between netCDF4 and Zarr: {difference:.1e} K")
    if difference > 1e-9:  # noqa: PLR2004 - the last digits of float64
        sys.exit("demo: the two formats do not agree")
    print(f"\nLook at {picture} and {warm}.")


if __name__ == "__main__":
    main()
