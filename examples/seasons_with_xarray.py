"""The seasons of the tropical oceans, in xarray's words, reduced where chunks lie.

``ds.surface_temperature.active`` takes xarray's calls and gives xarray's answers; each
chunk is read once, although the months of a season interleave.

usage: python examples/seasons_with_xarray.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import iris_sample_data
import matplotlib as mpl
import xarray as xr

import activecore as ac

mpl.use("agg")
from matplotlib import pyplot as plt

plt.rcParams["font.size"] = 12

SOURCE = Path(iris_sample_data.path) / "ostia_monthly.nc"
SEASONS = ("DJF", "MAM", "JJA", "SON")


def main(folder: Path) -> None:
    """Draw the figure and say what it took."""
    with xr.open_dataset(SOURCE, engine="activecore") as ds:
        with ac.record() as run:
            seasons = ds.surface_temperature.active.groupby("time.season").mean()
            year = ds.surface_temperature.active.mean("time")
        unlike = seasons - year
        figure, panels = plt.subplots(
            4, 1, figsize=(10, 5), layout="constrained", sharex=True
        )
        for axes, season in zip(panels, SEASONS, strict=True):
            field = unlike.sel(season=season)
            print(f"{season}: {float(field.min()):+.1f} to {float(field.max()):+.1f} K")
            mesh = axes.pcolormesh(
                ds.longitude, ds.latitude, field, cmap="RdBu_r", vmin=-3, vmax=3
            )
            axes.set_ylabel(season, rotation=0, labelpad=22)
            axes.set_facecolor("0.85")
            axes.set_aspect(3)
            axes.set_yticks([-4, 0, 4], ["4°S", "0°", "4°N"])
    panels[0].set_title(
        "Sea surface temperature near the equator: season less year", loc="left"
    )
    panels[-1].set_xlabel("longitude, degrees east (grey: land)")
    figure.colorbar(mesh, ax=panels, label="K", shrink=0.6, extend="both")
    picture = folder / "seasons_with_xarray.png"
    figure.savefig(picture, dpi=150)
    print(f"{run.chunks} chunks, {run.bytes_read / 1e6:.1f} MB read: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
