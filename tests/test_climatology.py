"""Climatologies and resampling from the shell, compared with xarray and cftime."""

from __future__ import annotations

import json

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from activecore.cli.app import app

DAYS = 1100


@pytest.fixture(
    scope="module", params=["standard", "noleap", "360_day", "all_leap", "julian"]
)
def path(request, tmp_path_factory):
    """Daily temperatures of three years that begin in November."""
    where = tmp_path_factory.mktemp("c") / "daily.nc"
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(where, "w") as ds:
        ds.title, ds.institution, ds.history = "Daily run", "Somewhere", "made"
        for name, size in (("time", None), ("lat", 3), ("bnds", 2)):
            ds.createDimension(name, size)
        time = ds.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "days since 1999-11-01", request.param
        time.bounds = "time_bnds"
        time[:] = np.arange(DAYS) + 0.5
        bounds = ds.createVariable("time_bnds", "f8", ("time", "bnds"))
        bounds[:] = np.arange(DAYS)[:, None] + [0.0, 1.0]
        lat = ds.createVariable("lat", "f8", ("lat",))
        lat.units, lat[:] = "degrees_north", [-60, 0, 60]
        basin = ds.createVariable("basin", "i4", ("lat",))
        basin[:] = [2, 1, 2]
        tas = ds.createVariable(
            "tas", "f4", ("time", "lat"), chunksizes=(50, 3), fill_value=-1
        )
        tas.units, tas.cell_methods = "K", "time: point"
        values = 280 + rng.standard_normal((DAYS, 3))
        values[7] = -1
        tas.set_auto_mask(False)
        tas[:] = values
    return where


def run(*arguments):
    words = [str(word) for word in arguments]
    result = CliRunner().invoke(app, words, obj=words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def dates(path):
    with netCDF4.Dataset(path) as ds:
        time = ds["time"]
        return cftime.num2date(
            time[:], time.units, time.calendar, only_use_cftime_datetimes=True
        )


def expected(path, group, reduction):
    ds = xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True))
    return getattr(ds.tas.astype("f8").groupby(group), reduction)()


@pytest.mark.parametrize("part", ["month", "season", "dayofyear"])
@pytest.mark.parametrize("reduction", ["mean", "max", "std", "count"])
def test_climatologies_are_those_of_xarray(path, tmp_path, part, reduction):
    out = tmp_path / "out.nc"
    run("reduce", path, "tas", reduction, "--by", f"time.{part}", "--out", out)
    wanted = expected(path, f"time.{part}", reduction)
    with netCDF4.Dataset(out) as ds:
        labels = ds[part][:]
        assert ds["tas"].dimensions == ("time", "lat")
        if part == "season":
            assert ds[part].flag_meanings.split() == ["DJF", "MAM", "JJA", "SON"]
            wanted = wanted.sel(season=["DJF", "MAM", "JJA", "SON"])
            labels = wanted.season.values
        np.testing.assert_array_equal(labels, wanted[part].values)
        np.testing.assert_allclose(ds["tas"][:], wanted.values, rtol=1e-6)


def test_a_climatology_has_the_bounds_and_methods_of_cf(path, tmp_path):
    out = tmp_path / "out.nc"
    run("reduce", path, "tas", "mean", "--by", "time.month", "--out", out)
    when = dates(path)
    with netCDF4.Dataset(out) as ds:
        time = ds["time"]
        assert time.climatology == "climatology_bounds"
        assert "bounds" not in time.ncattrs()
        assert ds["tas"].cell_methods == (
            "time: point time: mean within years time: mean over years"
        )
        edges = cftime.num2date(ds["climatology_bounds"][:], time.units, time.calendar)
        middle = cftime.num2date(time[:], time.units, time.calendar)
        for month, (low, high), at in zip(ds["month"][:], edges, middle, strict=True):
            mine = [date for date in when if date.month == month]
            assert (low.month, low.day, low.hour) == (month, 1, 0)
            assert low <= mine[0] < at.replace(day=28)
            assert at.month == month
            # No further than the data: the last day of the last such month, or its end.
            assert (high - mine[-1]).total_seconds() == 43200
        assert ds.institution == "Somewhere"
        assert ds.title.endswith("by month of time (Daily run)")
        assert ds.history.splitlines()[1] == "made"


@pytest.mark.parametrize("freq", ["YS", "QS", "QS-DEC", "MS", "2MS", "10D", "D"])
def test_periods_are_those_of_xarray(path, tmp_path, freq):
    out = tmp_path / "out.nc"
    run("reduce", path, "tas", "mean", "--resample", freq, "--out", out)
    ds = xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True))
    wanted = ds.tas.astype("f8").resample(time=freq).mean()
    with netCDF4.Dataset(out) as done:
        time = done["time"]
        bounds = cftime.num2date(
            done[time.bounds][:],
            time.units,
            time.calendar,
            only_use_cftime_datetimes=True,
        )
        assert bounds[:, 0].tolist() == wanted.time.values.tolist()
        assert (bounds[1:, 0] == bounds[:-1, 1]).all()
        np.testing.assert_allclose(
            done["tas"][:].filled(np.nan), wanted.values, rtol=1e-6
        )
        assert done["tas"].cell_methods == "time: point time: mean"


def test_years_have_ordinary_bounds_and_other_dimensions_are_reduced_too(
    path, tmp_path
):
    out = tmp_path / "out.json"
    run("reduce", path, "tas", "mean", "--by", "time.year", "--over", "lat,time",
        "--weights", "lat=cos", "--out", out)  # fmt: skip
    ds = xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True))
    # Weighted within a year, as a whole: what is missing takes its weight along.
    weights = np.cos(np.radians(ds.lat)).broadcast_like(ds.tas).where(ds.tas.notnull())
    wanted = (ds.tas * weights).groupby("time.year").sum(...) / weights.groupby(
        "time.year"
    ).sum(...)
    document = json.loads(out.read_text())
    assert document["by"] == "year of time"
    np.testing.assert_allclose(document["values"], wanted.values, rtol=1e-6)


def test_hours_recur_within_days(tmp_path):
    time = xr.date_range("2001-01-01", periods=40, freq="6h")
    values = np.arange(40.0)
    xr.Dataset({"v": ("time", values, {"units": "K"})}, {"time": time}).to_netcdf(
        tmp_path / "h.nc"
    )
    run(
        "reduce",
        tmp_path / "h.nc",
        "v",
        "mean",
        "--by",
        "time.hour",
        "--out",
        tmp_path / "o.nc",
    )
    with netCDF4.Dataset(tmp_path / "o.nc") as ds:
        assert ds["hour"][:].tolist() == [0, 6, 12, 18]
        assert ds["v"][:].tolist() == [values[k::4].mean() for k in range(4)]
        assert ds["v"].cell_methods == "time: mean within days time: mean over days"


def test_groups_of_a_variable_and_selections(path):
    output = run("reduce", path, "tas", "max", "--by", "basin", "--over", "time",
                 "--select", "time=0:400", "--json")  # fmt: skip
    with netCDF4.Dataset(path) as ds:
        data = ds["tas"][:400]
    document = json.loads(output)
    assert document["coordinates"]["basin"]["values"] == [1, 2]
    np.testing.assert_allclose(
        document["values"], [data[:, 1].max(), data[:, [0, 2]].max()]
    )


def test_tables_and_pictures_show_dates_and_seasons(path, tmp_path):
    run("reduce", path, "tas", "mean", "--by", "time.season", "--over", "lat",
        "--out", tmp_path / "s.csv", "--plot", tmp_path / "s.png")  # fmt: skip
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0].startswith("time,season")
    assert [line.split(",")[1] for line in lines[1:]] == ["DJF", "MAM", "JJA", "SON"]
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert "22 chunks" in run("explain", path, "tas", "mean", "--by", "time.season")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "time.mnoth"], "did you mean 'month'"),
        (["--by", "tme.month"], "did you mean 'time'"),
        (["--by", "lat.month"], "'lat' holds no times (degrees_north)"),
        (["--by", "bnds"], "time.month, or name a 1-D variable"),
        (["--by", "tas"], "has the dimensions (time, lat)"),
        (["--resample", "M"], "did you mean MS?"),
        (["--resample", "0D"], "no such period"),
        (["--resample", "latt=YS"], "no dimension 'latt'; did you mean 'lat'?"),
        (["--resample", "YS", "--by", "time.month"], "give one"),
        (["--by", "time.month", "--select", "time=0:0"], "no element of 'time'"),
    ],
)
def test_what_cannot_be_grouped_is_one_line(path, options, message):
    assert_refused(path, "tas", options, message)


def assert_refused(path, variable, options, message):
    from activecore.errors import ActiveCoreError

    with pytest.raises(ActiveCoreError) as caught:
        CliRunner().invoke(
            app,
            ["reduce", str(path), variable, "mean", *options],
            catch_exceptions=False,
        )
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def odd(tmp_path):
    """What cannot be grouped by, and times that nobody can decode."""
    with netCDF4.Dataset(tmp_path / "odd.nc", "w") as ds:
        ds.createDimension("time", 4)
        for name, units, calendar in (
            ("time", "days since 2000-01-01", "martian"),
            ("holes", "days since 2000-01-01", "noleap"),
        ):
            if name != "time":
                ds.createDimension(name, 4)
            times = ds.createVariable(name, "f8", (name,), fill_value=-1.0)
            times.units, times.calendar = units, calendar
            times[:] = [0, 1, -1 if name == "holes" else 2, 3]
        ds.createVariable("station", str, ("time",))[:] = np.array(list("abab"), "O")
        ds.createVariable("basin", "i4", ("time",), fill_value=-1)[:] = -1
        ds.createVariable("x", "f4", ("time", "holes"))[:] = 1
    return tmp_path / "odd.nc"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--by", "time.month"],
            "cannot be decoded: in 'days since 2000-01-01', calend",
        ),
        (["--resample", "holes=YS"], "'holes' cannot be decoded: some are missing"),
        (["--by", "station"], "'station' holds text; groups are made by numbers"),
        (["--by", "basin"], "no selected value of 'basin' is there"),
    ],
)
def test_why_it_cannot_be_grouped_is_said(odd, options, message):
    assert_refused(odd, "x", options, message)


def test_a_number_is_not_followed_by_the_unit_one(path):
    told = run("reduce", path, "tas", "count")
    assert not any(line.rstrip().endswith(" 1") for line in told.splitlines())
