"""A real netCDF file, ingested and reduced inside the database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from activecore_sqlite.ingest import ingest

import activecore as ac


@pytest.fixture
def values():
    values = np.random.default_rng(1).normal(280, 10, (7, 8, 10))
    values = np.round(values, 2)
    missing = np.zeros(values.shape, dtype=bool)
    missing[0, 2:5] = missing[3] = True
    return np.ma.MaskedArray(values, missing)


@pytest.fixture
def netcdf(tmp_path, values):
    path = tmp_path / "tas.nc"
    with netCDF4.Dataset(path, "w") as ds:
        for name, size in (("time", 7), ("lat", 8), ("lon", 10)):
            ds.createDimension(name, size)
        tas = ds.createVariable(
            "tas", "i2", ("time", "lat", "lon"), zlib=True, fill_value=-32768,
            chunksizes=(4, 4, 10),
        )  # fmt: skip
        tas.scale_factor, tas.add_offset, tas.units = 0.01, 250.0, "K"
        tas[:] = values
        lat = ds.createVariable("lat", "f8", ("lat",))
        lat[:] = np.linspace(-80, 80, 8)
        ds.createVariable("steps", "i4", ("time",))[:] = np.arange(7)
        ds.createVariable("label", str, ("time",))[:] = np.array(list("abcdefg"), "O")
    return path


@pytest.fixture
def url(netcdf, tmp_path):
    assert ingest(str(netcdf), tmp_path / "tas.sqlite") == ["tas", "lat", "steps"]
    return f"sqlite://{tmp_path}/tas.sqlite"


@pytest.mark.parametrize("reduction", ["mean", "max", "min", "count", "sum", "std"])
@pytest.mark.parametrize("axis", [None, (0,), (1, 2)])
def test_answers_are_those_of_netcdf4(url, netcdf, reduction, axis):
    with netCDF4.Dataset(netcdf) as ds:
        oracle = ds["tas"][:]
    got = ac.open(url, "tas").reduce(reduction, axis)
    right = getattr(oracle, reduction)(axis=axis)
    assert np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(right))
    assert np.ma.allclose(got, right, rtol=1e-12)


def test_the_chunks_stay_in_the_database(url):
    tas = ac.open(url, "tas")
    with ac.record() as run:
        tas.max()
    assert run.backends == {"sqlite": run.chunks}
    assert run.requests == run.chunks == 4
    with ac.record() as whole:
        tas.read()
    assert run.bytes_received < whole.bytes_received


def test_attributes_dimensions_and_other_variables_come_along(url):
    with ac.open(url) as ds:
        assert ds.format == "sqlite"
        assert list(ds) == ["tas", "lat", "steps"]
        assert dict(ds["tas"].attrs) == {"units": "K"}
        assert ds["tas"].dims == ("time", "lat", "lon")
        assert ds["steps"].sum() == 21
        assert ds["lat"].max() == 80


def test_the_command_copies_and_says_what_is_wrong_in_one_line(netcdf, tmp_path):
    command = [str(Path(sys.executable).with_name("activecore-sqlite"))]
    if not Path(command[0]).exists():
        command = [sys.executable, "-c",
                   "from activecore_sqlite.command import main; main()"]  # fmt: skip
    target = tmp_path / "out.sqlite"
    words = [*command, "ingest", str(netcdf), str(target), "tas"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "tas: copied\n"), done.stderr
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.glob("*.sqlite*")) == [target]


def test_another_database_is_refused_by_name(tmp_path):
    import sqlite3
    from contextlib import closing

    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")
        connection.commit()
    with pytest.raises(ac.UnsupportedFormat, match="no database of arrays"):
        ac.open(f"sqlite://{path}")
