"""El Nino and La Nina: sea surface temperature along the equator, month by month.

The mean over latitude leaves time and longitude (a Hovmoeller diagram). Land is masked
in the file and in the answer; the weights of missing points go with them.

usage: python examples/equatorial_pacific.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cftime
import iris_sample_data
import matplotlib as mpl
import numpy as np

import activecore as ac

mpl.use("agg")
from matplotlib import pyplot as plt

plt.rcParams["font.size"] = 12

SOURCE = Path(iris_sample_data.path) / "ostia_monthly.nc"
PACIFIC = slice(130, 280)
"""Degrees east."""


def main(folder: Path) -> None:
    """Draw the figure and say what it took."""
    with ac.open(SOURCE) as dataset:
        time = dataset["time"]
        dates = cftime.num2date(time.read(), time.attrs["units"], calendar="gregorian")
        latitude, longitude = dataset["latitude"].read(), dataset["longitude"].read()
        temperature = dataset["surface_temperature"]
    near = np.flatnonzero(np.abs(latitude) <= 5)  # noqa: PLR2004 - degrees
    east = np.flatnonzero((longitude >= PACIFIC.start) & (longitude <= PACIFIC.stop))
    belt = temperature.isel(latitude=near, longitude=slice(east[0], east[-1] + 1))
    weights = {"latitude": np.cos(np.radians(latitude[near]))}
    with ac.record() as run:
        along = belt.mean("latitude", weights=weights)

    months = np.array([date.month for date in dates])
    usual = np.ma.stack([along[months == month].mean(axis=0) for month in range(1, 13)])
    unusual = along - usual[months - 1]
    print(f"{unusual.min():+.1f} to {unusual.max():+.1f} K from the month's usual")

    years = np.array([date.year + (date.month - 0.5) / 12 for date in dates])
    figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
    most = float(np.abs(unusual).max())
    mesh = axes.pcolormesh(
        longitude[east], years, unusual, cmap="RdBu_r", vmin=-most, vmax=most
    )
    axes.set_title("The Pacific along the equator: warm and cold years", loc="left")
    axes.set_xlabel("longitude, degrees east (5° south to 5° north)")
    axes.set_ylabel("year")
    axes.yaxis.set_major_locator(mpl.ticker.MultipleLocator(1))
    axes.yaxis.set_major_formatter("{x:.0f}")
    figure.colorbar(
        mesh,
        ax=axes,
        label="sea surface temperature, K from the month's usual",
        shrink=0.85,
    )
    picture = folder / "equatorial_pacific.png"
    figure.savefig(picture, dpi=150)
    print(f"{run.chunks} chunks, {run.bytes_read / 1e6:.1f} MB read: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
