"""Where it warms most: two maps, of the mean change and of how much years differ.

A selection is reduced like the whole: ``[-30:]`` takes the last thirty years before
anything is read, and chunks that it does not touch are never read.

usage: python examples/where_it_warms.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import iris_sample_data
import matplotlib as mpl

import activecore as ac

mpl.use("agg")
from matplotlib import pyplot as plt

plt.rcParams["font.size"] = 12

SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"


def main(folder: Path) -> None:
    """Draw the figure and say what it took."""
    with ac.open(SOURCE) as dataset:
        longitude, latitude = dataset["longitude"].read(), dataset["latitude"].read()
        temperature = dataset["air_temperature"]
    with ac.record() as run:
        change = temperature[-30:].mean("time") - temperature[:30].mean("time")
        spread = temperature[:30].std("time", ddof=1)
    print(f"warming: {change.min():.1f} to {change.max():.1f} K")
    print(f"spread of years around 1875: {spread.min():.2f} to {spread.max():.2f} K")

    figure, panels = plt.subplots(
        1, 2, figsize=(11, 5.4), layout="constrained", sharey=True
    )
    maps = (
        (change, "It warms most in the north, and on land …", "inferno", "K"),
        (
            change / spread,
            "… but stands out most in the tropics",
            "viridis",
            "standard deviations of a year, 1860-1889",
        ),
    )
    for axes, (values, title, colours, unit) in zip(panels, maps, strict=True):
        mesh = axes.pcolormesh(longitude - 360, latitude, values, cmap=colours)
        axes.set_title(title, loc="left")
        axes.set_xlabel("longitude, degrees east")
        axes.set_aspect(1.3)
        figure.colorbar(mesh, ax=axes, label=unit, orientation="horizontal", aspect=35)
    panels[0].set_ylabel("latitude, degrees north")
    figure.suptitle("Scenario A1B: mean air temperature, 2070-2099 less 1860-1889")
    picture = folder / "where_it_warms.png"
    figure.savefig(picture, dpi=150)
    print(f"{run.chunks} chunks, {run.bytes_read / 1e6:.1f} MB read: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
