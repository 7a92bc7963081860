"""The examples run, without a warning, and what they print is true."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import iris_sample_data
import nbformat
import netCDF4
import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parent.parent / "examples"
SAMPLES = Path(iris_sample_data.path)


def run(name, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def numbers(text, pattern):
    found = re.search(pattern, text)
    assert found is not None, text
    return [float(number) for number in found.groups()]


def field(file, name):
    with netCDF4.Dataset(SAMPLES / file) as ds:
        return np.ma.asarray(ds[name][...], dtype="f8"), ds["latitude"][...]


def check_picture(path):
    """A picture that shows something, and the same as the one that the site shows."""
    pixels = imread(path)
    assert min(pixels.shape[:2]) >= 600
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100
    shown = imread(EXAMPLES.parent / "docs" / "images" / path.name)
    assert shown.shape == pixels.shape
    # Another matplotlib may set a letter elsewhere.
    assert np.abs(shown - pixels).mean() < 0.01


def test_two_scenarios_says_what_netcdf4_says(tmp_path):
    said = run("two_scenarios", tmp_path)
    for label, file in (("A1B", "A1B_north_america.nc"), ("E1", "E1_north_america.nc")):
        values, latitude = field(file, "air_temperature")
        weights = np.cos(np.radians(latitude.astype("f8")))
        means = np.average(values.mean(axis=2), axis=1, weights=weights)
        expected = means[-10:].mean() - means[:40].mean()
        (warming,) = numbers(said, rf"{label}: .*: ([+-][\d.]+) K")
        assert warming == pytest.approx(expected, abs=0.006)
    check_picture(tmp_path / "two_scenarios.png")


def test_where_it_warms_says_what_netcdf4_says(tmp_path):
    said = run("where_it_warms", tmp_path)
    values, _ = field("A1B_north_america.nc", "air_temperature")
    change = values[-30:].mean(axis=0) - values[:30].mean(axis=0)
    spread = values[:30].std(axis=0, ddof=1)
    found = numbers(said, r"warming: ([\d.]+) to ([\d.]+) K")
    assert found == pytest.approx([change.min(), change.max()], abs=0.06)
    found = numbers(said, r"1875: ([\d.]+) to ([\d.]+) K")
    assert found == pytest.approx([spread.min(), spread.max()], abs=0.006)
    check_picture(tmp_path / "where_it_warms.png")


def test_equatorial_pacific_says_what_netcdf4_says(tmp_path):
    said = run("equatorial_pacific", tmp_path)
    values, latitude = field("ostia_monthly.nc", "surface_temperature")
    with netCDF4.Dataset(SAMPLES / "ostia_monthly.nc") as ds:
        longitude = ds["longitude"][...]
        time = ds["time"]
        dates = netCDF4.num2date(time[...], time.units)
    near = np.abs(latitude) <= 5
    east = (longitude >= 130) & (longitude <= 280)
    weights = np.cos(np.radians(latitude[near].astype("f8")))
    along = np.ma.average(values[:, near][:, :, east], axis=1, weights=weights)
    months = np.array([date.month for date in dates])
    unusual = along.copy()
    for month in range(1, 13):
        unusual[months == month] -= along[months == month].mean(axis=0)
    found = numbers(said, r"([+-][\d.]+) to ([+-][\d.]+) K from")
    assert found == pytest.approx([unusual.min(), unusual.max()], abs=0.06)
    check_picture(tmp_path / "equatorial_pacific.png")


@pytest.mark.filterwarnings("ignore")  # the oracle's
def test_seasons_with_xarray_says_what_xarray_says(tmp_path):
    said = run("seasons_with_xarray", tmp_path)
    with xr.open_dataset(SAMPLES / "ostia_monthly.nc", engine="netcdf4") as ds:
        field = ds.surface_temperature.astype("f8")
        unlike = field.groupby("time.season").mean() - field.mean("time")
        for season in ("DJF", "MAM", "JJA", "SON"):
            found = numbers(said, rf"{season}: ([+-][\d.]+) to ([+-][\d.]+) K")
            of_season = unlike.sel(season=season)
            expected = [float(of_season.min()), float(of_season.max())]
            assert found == pytest.approx(expected, abs=0.06)
    check_picture(tmp_path / "seasons_with_xarray.png")


def test_dask_cluster_says_what_netcdf4_says(tmp_path):
    said = run("dask_cluster", tmp_path)
    values, _ = field("A1B_north_america.nc", "air_temperature")
    spread = values.std(axis=0, ddof=1)
    found = numbers(said, r"year: ([\d.]+) to ([\d.]+) K")
    assert found == pytest.approx([spread.min(), spread.max()], abs=0.006)
    assert "240 chunks were reduced by {'posix': 240} on two workers" in said


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXAMPLES.glob("notebooks/*.ipynb"))
)
@pytest.mark.filterwarnings("ignore")  # of the kernel's own machinery
def test_notebooks_run_and_print_what_is_kept_in_them(name, tmp_path):
    kept = nbformat.read(EXAMPLES / "notebooks" / name, as_version=4)
    again = copy.deepcopy(kept)
    client = NotebookClient(
        again, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    cells = list(zip(kept.cells, again.cells, strict=True))
    printed = [(said_by(old), said_by(new)) for old, new in cells]
    assert sum(old != "" for old, _ in printed) >= 3
    for old, new in printed:
        assert new == old
    pictures = [
        output
        for _, cell in cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 1


def said_by(cell):
    """What a cell printed, without the time that it took."""
    text = "".join(
        output.get("text", "")
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    return re.sub(r"[\d.]+ s\b", "… s", text)
