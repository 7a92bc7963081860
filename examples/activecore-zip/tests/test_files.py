"""Real files in archives, through activecore."""

from __future__ import annotations

import zipfile

import netCDF4
import numpy as np
import pytest
import zarr

import activecore as ac

METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


@pytest.fixture
def values():
    values = np.random.default_rng(1).normal(280, 10, (6, 8, 10)).astype("f4")
    values[0, 2:5] = -999
    return np.ma.masked_equal(values, np.float32(-999))


@pytest.fixture(params=METHODS)
def url(request, tmp_path, values):
    with netCDF4.Dataset(tmp_path / "tas.nc", "w") as ds:
        for name, size in (("time", 6), ("lat", 8), ("lon", 10)):
            ds.createDimension(name, size)
        tas = ds.createVariable(
            "tas", "f4", ("time", "lat", "lon"), zlib=True, fill_value=-999,
            chunksizes=(4, 4, 10),
        )  # fmt: skip
        tas[:] = values
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w", METHODS[request.param]) as file:
        file.writestr("README", "what this is")
        file.write(tmp_path / "tas.nc", "1985/tas.nc")
    (tmp_path / "tas.nc").unlink()
    return f"zip://{archive}!/1985/tas.nc"


@pytest.mark.parametrize("reduction", ["mean", "max", "count", "std"])
def test_a_file_in_an_archive_is_reduced_as_numpy_does(url, values, reduction):
    tas = ac.open(url, "tas")  # the scheme says which backend
    right = getattr(values.astype("f8"), reduction)(axis=(1, 2))
    np.testing.assert_allclose(tas.reduce(reduction, ("lat", "lon")), right, rtol=1e-6)


def test_a_stored_member_is_read_by_byte_ranges_of_the_archive(url):
    tas = ac.open(url, "tas")
    with ac.record() as run:
        tas[0:4, 0:4].max()
    assert run.chunks == 1
    assert run.bytes_read < 4 * 4 * 10 * 4


def test_a_folder_of_an_archive_may_be_a_zarr_store(tmp_path, values):
    store = zarr.storage.ZipStore(tmp_path / "inner.zip", mode="w")
    group = zarr.create_group(store)
    group.create_array("tas", data=values.data, chunks=(3, 8, 10))
    store.close()
    archive = tmp_path / "outer.zip"
    with (
        zipfile.ZipFile(tmp_path / "inner.zip") as inner,
        zipfile.ZipFile(archive, "w") as outer,
    ):
        for name in inner.namelist():
            outer.writestr(f"a/store.zarr/{name}", inner.read(name))
    tas = ac.open(f"zip://{archive}!/a/store.zarr", "tas")
    assert tas.max() == values.data.max()


def test_an_archive_that_is_replaced_is_noticed(url, tmp_path):
    tas = ac.open(url, "tas")
    with zipfile.ZipFile(tmp_path / "archive.zip", "a") as file:
        file.writestr("another", "member")
    with pytest.raises(ac.SourceChanged):
        tas.max()


def test_what_is_not_there_is_named(url):
    with pytest.raises(ac.SourceNotFound, match="1986"):
        ac.open(url.replace("1985", "1986"))
    with pytest.raises(ac.SourceNotFound, match="gone"):
        ac.open(url.replace("archive", "gone"))


def test_no_more_is_inflated_than_is_allowed(url):
    tas = ac.open(url, "tas", storage_options={"most_inflated": 100})
    archive, _, _ = url.removeprefix("zip://").partition("!")
    with zipfile.ZipFile(archive) as file:
        is_stored = file.getinfo("1985/tas.nc").compress_type == zipfile.ZIP_STORED
    if is_stored:
        assert tas.count() > 0
    else:
        with pytest.raises(ac.ChunkReadError, match="over the limit of 100"):
            tas.max()
