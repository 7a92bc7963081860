"""Variables that pyfive, h5py and netCDF4-python have open, opened here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import fsspec
import h5py
import netCDF4
import numpy as np
import pyfive
import pytest
import xarray as xr

import activecore as ac
from activecore.opened import opened

FIELD = np.arange(24.0).reshape(4, 6)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "x.nc")
    with h5py.File(path, "w") as f:
        f.create_dataset("of/x", data=FIELD, chunks=(2, 3))
        f.create_dataset("y", data=-FIELD)
    return path


@pytest.mark.parametrize("library", [pyfive.File, h5py.File, netCDF4.Dataset])
@pytest.mark.filterwarnings("ignore")  # pyfive's, of plain HDF5 files
def test_an_open_variable_is_opened_here_by_itself(path, library):
    with library(path) as file:
        for name, values in (("of/x", FIELD), ("y", -FIELD)):
            array = ac.open(file[name])
            assert array.shape == (4, 6)
            np.testing.assert_array_equal(array.mean(axis=0), values.mean(0))
    # It is a file of ours now: theirs may be closed.
    assert array.max() == 0


def test_a_variable_over_an_fsspec_file_comes_with_its_url_and_options(path):
    fs = fsspec.filesystem("memory", listings_expiry_time=7)
    fs.pipe("/bucket/x.nc", Path(path).read_bytes())
    try:
        with fs.open("/bucket/x.nc") as file:
            found = opened(pyfive.File(file)["of/x"])
    finally:
        fs.rm("/bucket", recursive=True)
    assert (found.url, found.variable) == ("memory:///bucket/x.nc", "/of/x")
    assert found.storage_options == {"listings_expiry_time": 7}


def test_the_options_of_a_filesystem_are_not_shown():
    fs = SimpleNamespace(
        storage_options={"secret": "hush-hush"},
        unstrip_protocol=lambda path: f"s3://{path}",
    )
    over_s3 = SimpleNamespace(
        name="/x",
        file=SimpleNamespace(filename=None, _fh=SimpleNamespace(fs=fs, path="b/x.nc")),
    )
    found = opened(over_s3)
    assert found.url == "s3://b/x.nc"
    assert found.storage_options == {"secret": "hush-hush"}
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (3, "int is no path, URL or open variable"),
        (xr.DataArray(FIELD), "DataArray is no path, URL or open variable"),
    ],
)
def test_what_is_no_variable_is_one_clear_line(variable, message):
    with pytest.raises(ac.ConfigError, match=f"^{message}$"):
        ac.open(variable)


def test_where_a_variable_comes_from_must_be_known(path):
    with Path(path).open("rb") as raw, h5py.File(raw) as file:
        variable = file["y"]
        with pytest.raises(ac.ConfigError, match="cannot be told which file"):
            ac.open(variable)


def test_an_open_variable_takes_no_other_name(path):
    with h5py.File(path) as file:
        variable = file["y"]
        with pytest.raises(ac.ConfigError, match="^'/y' is open already: name no"):
            ac.open(variable, "x")
