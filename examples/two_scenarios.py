"""Two futures for North America: yearly means of two scenarios, as one figure.

Reads two netCDF4 files of HadCM3 (Met Office, package ``iris-sample-data``), asks each
for its area-weighted mean, and draws how far every year is from the mean of 1860 to
1899. Of 3.5 MB of temperatures the means are 4 kB, and that is all that is kept.

usage: python examples/two_scenarios.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import iris_sample_data
import matplotlib as mpl
import numpy as np

import activecore as ac

mpl.use("agg")
from matplotlib import pyplot as plt

plt.rcParams["font.size"] = 13

SOURCES = Path(iris_sample_data.path)
SCENARIOS = {
    "A1B: fossil and other fuels": ("A1B_north_america.nc", "#c23b22"),
    "E1: emissions are cut": ("E1_north_america.nc", "#1f77b4"),
}
FIRST_YEAR = 1860
BASE = 40
"""Years that the difference is taken from."""


def yearly_means(path: Path) -> np.ndarray:
    """Give the area-weighted mean of every year, in K, shape (years,)."""
    with ac.open(path) as dataset:
        latitude = dataset["latitude"].read()
        weights = {"latitude": np.cos(np.radians(latitude))}
        temperature = dataset["air_temperature"]
        return temperature.mean(axis=("latitude", "longitude"), weights=weights)


def main(folder: Path) -> None:
    """Draw the figure and say what it took."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    with ac.record() as run:
        for label, (name, colour) in SCENARIOS.items():
            means = yearly_means(SOURCES / name)
            warmer = means - means[:BASE].mean()
            years = FIRST_YEAR + np.arange(len(means))
            smooth = np.convolve(warmer, np.ones(11) / 11, mode="valid")
            axes.plot(years, warmer, color=colour, alpha=0.35, linewidth=0.8)
            axes.plot(years[5:-5], smooth, color=colour, linewidth=2.5, label=label)
            print(f"{label}: {warmer[-10:].mean():+.2f} K in the last ten years")
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set_title("North America warms: how far depends on us", loc="left")
    axes.set_xlabel("year")
    axes.set_ylabel("air temperature, K above 1860-1899")
    axes.margins(x=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False, title="thin: years; thick: means of eleven", alignment="left"
    )
    picture = folder / "two_scenarios.png"
    figure.savefig(picture, dpi=150)
    print(f"{run.chunks} chunks, {run.bytes_read / 1e6:.1f} MB read: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
