"""Files that ecCodes wrote, through activecore and real backends."""

from __future__ import annotations

import numpy as np
import pytest
from activecore_grib import GribReader
from grib_files import unpacked, write

import activecore as ac
from activecore.testing import ReaderConformance

KINDS = {
    "edition-2": {},
    "edition-1": {"edition": 1},
    "no-bitmap": {"bitmap": False},
    "12-bits": {"bits": 12},
    "ccsds": {"packing": "grid_ccsds", "bitmap": False},
    "floats": {"packing": "grid_ieee", "bitmap": False},
    "gaps": {"leave_out": ((1, 1), (2, 0))},
}


class TestGrib(ReaderConformance):
    reader = GribReader

    @pytest.fixture(params=KINDS)
    def written(self, request, tmp_path):
        path = tmp_path / "t.grib"
        write(path, **KINDS[request.param])
        return path, {"t": unpacked(path)}


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "misnamed.nc")
    return tmp_path / "misnamed.nc"


@pytest.mark.parametrize("reduction", ["mean", "max", "count", "std"])
def test_a_file_is_recognised_and_reduced_by_the_backend_of_its_scheme(path, reduction):
    tas = ac.open(path, "t")
    right = getattr(unpacked(path), reduction)(axis=(2, 3))
    got = tas.reduce(reduction, ("latitude", "longitude"))
    np.testing.assert_allclose(got, right, rtol=1e-12)


def test_what_was_written_comes_back_within_the_packing(tmp_path):
    handed = write(tmp_path / "t.grib")
    got = ac.open(tmp_path / "t.grib", "t").read()
    assert np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(handed))
    assert np.ma.abs(got - handed).max() < 1e-2


def test_coordinates_are_variables(path):
    with ac.open(path) as ds:
        assert ds.format == "grib"
        assert list(ds) == ["time", "level", "latitude", "longitude", "t"]
        assert ds["t"].dims == ("time", "level", "latitude", "longitude")
        assert ds["level"].read().tolist() == [500, 850]
        assert ds["latitude"].read().tolist() == np.linspace(60, -60, 7).tolist()
        assert ds["longitude"].read().tolist() == np.linspace(0, 330, 12).tolist()
        hours = ds["time"].read()
        assert (hours - hours[0]).tolist() == [0, 6, 24]
        assert hours[0] == (np.datetime64("2020-01-01") - np.datetime64(0, "s")) / (
            np.timedelta64(1, "h")
        )


def test_only_the_messages_that_are_asked_for_are_read(path):
    t = ac.open(path, "t")
    with ac.record() as run:
        t[1, 0].max()
    assert run.chunks == 1
    assert run.bytes_read < path.stat().st_size / 5


def test_a_weighted_mean_is_that_of_numpy(path):
    values = unpacked(path)
    weights = np.cos(np.radians(np.linspace(60, -60, 7)))
    got = ac.open(path, "t").mean(
        axis=("latitude", "longitude"), weights={"latitude": weights}
    )
    right = np.ma.average(
        values.reshape(3, 2, -1), axis=2, weights=np.repeat(weights, 12)
    )
    np.testing.assert_allclose(got, right, rtol=1e-12)


def test_what_is_no_grib_any_more_is_said(tmp_path, path):
    broken = path.read_bytes() + b"rubbish behind the end"
    (tmp_path / "broken.grib").write_bytes(broken)
    with pytest.raises(ac.UnsupportedFormat, match="no GRIB message at byte"):
        ac.open(tmp_path / "broken.grib")
