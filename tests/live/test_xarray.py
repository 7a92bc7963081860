"""xarray over a real S3 server and a real Reductionist: who reduced, and whose secret."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

import activecore as ac

TIME = xr.date_range("2001-01-01", periods=120, freq="D")


@pytest.fixture
def made(tmp_path):
    rng = np.random.default_rng(4)
    tas = rng.normal(280, 15, (120, 16, 24)).astype("f4")
    tas[10] = np.nan
    ds = xr.Dataset(
        {"tas": (("time", "lat", "lon"), tas, {"units": "K"})},
        {"time": TIME, "lat": np.linspace(-75, 75, 16)},
        {"title": "made"},
    )
    ds.tas.encoding = {
        "chunksizes": (30, 16, 24),
        "_FillValue": np.float32(-1),
        "zlib": True,
    }
    ds.to_netcdf(tmp_path / "tas.nc", engine="netcdf4")
    return tmp_path / "tas.nc", ds


def options_for(backend, services, s3_options):
    if backend == "s3numpy":
        return s3_options
    return {**s3_options, "url": services.reductionist.url}


@pytest.mark.parametrize("backend", ["s3numpy", "reductionist"])
@pytest.mark.parametrize("chunks", [None, {}])
def test_reductions_are_answered_by_the_server(
    made, bucket, services, s3_options, backend, chunks
):
    path, expected = made
    ds = xr.open_dataset(
        bucket.upload(path),
        engine="activecore",
        backend=backend,
        storage_options=options_for(backend, services, s3_options),
        chunks=chunks,
    )
    assert ds.attrs == {"title": "made"}
    exact = expected.tas.astype("f8")
    weights = np.cos(np.radians(expected.lat))
    part = {"lat": slice(2, 14, 3), "time": slice(5, None)}
    with ac.record() as run:
        for mine, wanted in (
            (ds.tas.active.mean(["lat", "lon"]), exact.mean(["lat", "lon"])),
            (ds.tas.isel(part).active.max("time"), exact.isel(part).max("time")),
            (
                ds.tas.active.weighted(weights).mean("lat"),
                exact.weighted(weights).mean("lat"),
            ),
            (
                ds.tas.active.groupby("time.month").mean(["time", "lon"]),
                exact.groupby("time.month").mean(["time", "lon"]),
            ),
            (ds.tas.active.resample(time="MS").min(), exact.resample(time="MS").min()),
        ):
            xr.testing.assert_allclose(mine.astype("f8"), wanted, rtol=1e-5)
    assert set(run.backends) == {backend}


def test_no_secret_travels_in_a_pickle_or_a_repr(made, bucket, services, s3_options):
    path, _ = made
    ds = xr.open_dataset(
        bucket.upload(path), engine="activecore", storage_options=s3_options
    )
    secret = services.s3.secret
    assert secret not in repr(ds) + ds._repr_html_() + str(ds.tas.encoding)
    assert secret not in ds.tas.active.arrays[0]._repr_html_()
    try:
        pickled = pickle.dumps(ds)
    except ac.ConfigError as error:
        pickled = str(error).encode()
    assert secret.encode() not in pickled
