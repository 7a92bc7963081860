"""What readers give of a source besides its numbers: attributes, dimensions, text."""

from __future__ import annotations

import zipfile

import netCDF4
import numpy as np
import pytest
import xarray as xr

import activecore as ac
from activecore.errors import UnsupportedDtype, VariableNotFound

WORDS = np.array(["Wien", "", "Århus", "x" * 300], dtype=object)


def write_netcdf(path, fmt="NETCDF4"):
    with netCDF4.Dataset(path, "w", format=fmt) as ds:
        ds.title, ds.numbers = "Stations", np.array([1, 2], "i2")
        ds.createDimension("time", None)
        ds.createDimension("station", 4)
        ds.createDimension("letters", 5)
        names = ds.createVariable("name", "S1", ("station", "letters"))
        names[:] = np.array(
            [list("Wien "), list("Bonn "), list("Graz "), list("Paris")], "S1"
        )
        codes = ds.createVariable("code", "S1", ("time", "letters"))
        codes[:] = np.array([list("abcde"), list("fghij"), list("klmno")], "S1")
        ds.createVariable("level", "i4", ("time",))[:] = [1, 2, 3]
        if fmt == "NETCDF4":
            ds.createVariable("words", str, ("station",))[:] = WORDS
            sub = ds.createGroup("sub")
            sub.note = "below"
            sub.createDimension("deep", None)
            sub.createVariable("v", "f4", ("deep", "station"))[:] = np.ones((2, 4))
    return path


@pytest.mark.parametrize(
    "fmt", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
)
def test_netcdf_attributes_dimensions_and_characters(tmp_path, fmt):
    path = write_netcdf(tmp_path / "a.nc", fmt)
    with ac.open(path) as ds, netCDF4.Dataset(path) as oracle:
        oracle.set_auto_mask(False)
        assert ds.attrs["title"] == "Stations"
        assert ds.attrs["numbers"].tolist() == [1, 2]
        assert ds.group_info().unlimited == {"time"}
        for name in ("name", "code"):
            oracle[name].set_auto_chartostring(False)
            np.testing.assert_array_equal(ds.read(name), oracle[name][:])
        with pytest.raises(UnsupportedDtype, match="numbers"):
            ds.read("level")
        with pytest.raises(VariableNotFound, match="did you mean"):
            ds.read("codee")
        with pytest.raises(VariableNotFound, match="nowhere"):
            ds.group_info("nowhere")


def test_text_of_any_length_and_groups_of_netcdf4(tmp_path):
    path = write_netcdf(tmp_path / "a.nc")
    with ac.open(path) as ds:
        assert ds.read("words").tolist() == WORDS.tolist()
        assert ds.group_info("sub").attrs == {"note": "below"}
        assert ds.group_info("/sub/").unlimited == {"deep"}


def test_a_large_classic_variable_of_characters_is_put_together(tmp_path):
    rng = np.random.default_rng(1)
    letters = rng.integers(65, 91, (3, 1500, 2000)).astype("u1").view("S1")
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format="NETCDF3_CLASSIC") as ds:
        for name, size in (("t", None), ("y", 1500), ("x", 2000)):
            ds.createDimension(name, size)
        ds.createVariable("text", "S1", ("t", "y", "x"))[:] = letters
        ds.createVariable("other", "i1", ("t",))[:] = [1, 2, 3]
    with ac.open(tmp_path / "a.nc") as ds:
        np.testing.assert_array_equal(ds.read("text"), letters)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.filterwarnings("ignore:.*not have a Zarr V3 specification")
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_zarr_attributes_and_text(tmp_path, zarr_format, zipped):
    fixed = np.array(["a", "bcd", "ef", ""], "<U3")
    source = xr.Dataset(
        {"words": ("s", WORDS), "fixed": ("s", fixed), "v": ("s", np.arange(4.0))},
        attrs={"title": "Stations"},
    )
    path = tmp_path / "a.zarr"
    source.to_zarr(path, zarr_format=zarr_format, encoding={"fixed": {"chunks": (3,)}})
    if zipped:
        folder, path = path, tmp_path / "a.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*"):
                archive.write(file, file.relative_to(folder))
    with ac.open(path) as ds:
        assert ds.attrs == {"title": "Stations"}
        assert ds.group_info().unlimited == frozenset()
        assert ds.read("words").tolist() == WORDS.tolist()
        assert ds.read("fixed").tolist() == fixed.tolist()
        with pytest.raises(UnsupportedDtype, match="numbers"):
            ds.read("v")
        with pytest.raises(VariableNotFound):
            ds.group_info("nowhere")


def test_a_reader_that_knows_nothing_more_says_so(tmp_path):
    class Plain(ac.Reader):
        name = "plain"

        @classmethod
        def recognises(cls, fs, path, head):
            return True

        def __init__(self, fs, path, *, group="/"):
            pass

        def variables(self):
            return {}

        def array(self, name):
            raise VariableNotFound(name)

        def close(self):
            pass

    reader = Plain(None, "x")
    assert reader.group_info() == ac.GroupInfo()
    with pytest.raises(UnsupportedDtype, match="'plain' does not read 'v'"):
        reader.read("v")
