"""Where xarray's rules are odd, ``.active`` follows them; what it cannot do, it says."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import xarray as xr
from xarray_files import REAL

from activecore.errors import UnsupportedDtype, UnsupportedReduction

REDUCTIONS = ("all", "any", "count", "max", "mean", "min", "std", "sum", "var")
DAYS = np.array([0, 1, 2, 40, 41, 75, 76, 77, 78, 79])


@pytest.fixture
def mixed(tmp_path):
    """All kinds of variables on all kinds of dimensions, with a gap in time."""
    rng = np.random.default_rng(0)
    time = np.datetime64("2000-01-01", "ns") + DAYS * np.timedelta64(1, "D")
    ds = xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), rng.random((10, 4, 3)).astype("f4")),
            "few": (("time", "lat"), rng.integers(0, 9, (10, 4)).astype("i2")),
            "yes": (("time",), rng.random(10) > 0.5),
            "when": (("time",), time + np.timedelta64(5, "h")),
            "station": (("lat",), np.array(list("abcd"), "U")),
            "crs": ((), "rotated"),
        },
        {
            "time": time,
            "lat": [80.0, 20, -20, -60],
            "basin": ("lat", [2, 1, 2, 2]),
            "name": ("lat", np.array(["N", "N", "S", "S"], "U")),
        },
    )
    ds.tas.encoding = {"chunksizes": (3, 4, 3)}
    ds.to_netcdf(tmp_path / "mixed.nc", engine="netcdf4")
    return tmp_path / "mixed.nc"


def pair(path, chunks=None):
    ours = xr.open_dataset(path, engine="activecore", chunks=chunks)
    return ours, xr.open_dataset(path, engine="netcdf4").load()


def agree(mine, expected):
    xr.testing.assert_allclose(mine, expected, rtol=1e-5)
    assert (mine.dims, mine.dtype, mine.name) == (
        expected.dims,
        expected.dtype,
        expected.name,
    )
    xr.testing.assert_identical(mine.coords.to_dataset(), expected.coords.to_dataset())


@pytest.mark.parametrize("name", ["few", "yes", "tas"])
@pytest.mark.parametrize("skipna", [None, True, False])
def test_what_min_count_makes_of_dtypes_is_xarrays(mixed, name, skipna):
    ours, theirs = pair(mixed)
    for min_count in (None, 0, 2, 11):
        how = {"skipna": skipna, "min_count": min_count}
        agree(ours[name].active.sum("time", **how), theirs[name].sum("time", **how))


@pytest.mark.parametrize("name", ["few", "yes", "tas"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_empty_periods_are_missing_in_xarrays_dtype(mixed, name, reduction):
    ours, theirs = pair(mixed)
    for how in ({}, {"closed": "right", "label": "right"}):
        mine = getattr(ours[name].active.resample(time="D", **how), reduction)()
        agree(mine, getattr(theirs[name].resample(time="D", **how), reduction)())


@pytest.mark.parametrize("chunks", [None, {}])
def test_groups_by_coordinates_that_are_not_read_yet(mixed, chunks):
    ours, theirs = pair(mixed, chunks)
    for by in ("basin", "name", {"basin": xr.groupers.BinGrouper([0, 1, 2, 3])}):
        mine, expected = ours.tas.active.groupby(by), theirs.tas.groupby(by)
        for dim in (None, ...):
            agree(mine.mean(dim), expected.mean(dim))
            agree(mine.max(dim), expected.max(dim))


@pytest.mark.parametrize("chunks", [None, {}])
def test_nothing_selected_is_xarrays_to_reduce(mixed, chunks):
    ours, theirs = pair(mixed, chunks)
    none, expected = ours.tas.isel(lon=slice(0)), theirs.tas.isel(lon=slice(0))
    for by in ("time.month", "basin"):
        agree(none.active.groupby(by).sum(), expected.groupby(by).sum())
    mine = none.active.resample(time="MS").count()
    agree(mine, expected.resample(time="MS").count())
    for name in ("mean", "sum", "sum_of_weights"):
        mine = getattr(none.active.weighted(theirs.lat), name)("lat")
        agree(mine, getattr(expected.weighted(theirs.lat), name)("lat"))


def test_a_single_element_is_reduced_as_xarray_reduces_it(mixed):
    ours, theirs = pair(mixed)
    for reduction in REDUCTIONS:
        for dim in (None, ..., []):
            mine = getattr(ours.few[3, 2].active, reduction)(dim)
            agree(mine, getattr(theirs.few[3, 2], reduction)(dim))


def test_groups_named_like_a_dimension_that_stays_are_refused(mixed):
    ours, theirs = pair(mixed)
    half = xr.DataArray([0, 0, 1, 1], dims="lat", name="lon")
    with pytest.raises(UnsupportedReduction, match="rename what you group by"):
        ours.tas.active.groupby(half).mean()
    # It does no harm once the dimension is gone.
    mine = ours.tas.active.groupby(half).mean(...)
    agree(mine, theirs.tas.groupby(half).mean(...))


def test_groups_that_overlap_are_refused_and_not_guessed(mixed):
    ours, theirs = pair(mixed)
    for seasons, overlap in ((["JF", "MAM"], False), (["JF", "FMA"], True)):
        by = {"time": xr.groupers.SeasonGrouper(seasons)}
        expected = theirs.tas.groupby(by).sum()
        if overlap:
            with pytest.raises(UnsupportedReduction, match="overlap"):
                ours.tas.active.groupby(by).sum()
        else:
            agree(ours.tas.active.groupby(by).sum(), expected)


def test_arguments_that_do_not_fit_are_one_line(mixed):
    tas = pair(mixed)[0].tas.active
    for call, error, message in (
        (lambda: tas.mean(axis=3), ValueError, "there is no axis 3 among 3"),
        (lambda: tas.reduce(np.mean), UnsupportedReduction, "did you mean 'mean'"),
        (lambda: tas.resample("MS"), TypeError, r"as in resample\(time='MS'\)"),
        (lambda: tas.resample(tiem="MS"), UnsupportedReduction, "has 'time', 'lat'"),
        (lambda: tas.weighted(xr.DataArray(2.0)), UnsupportedReduction, "one weight"),
        (lambda: tas.weighted(tas._array.lat).median(), AttributeError, "only mean, s"),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize(
    ("reduction", "option"),
    [("mean", {"min_count": 2}), ("max", {"ddof": 1}), ("count", {"skipna": True})],
)
def test_options_that_a_reduction_has_not_are_refused(mixed, reduction, option):
    ours, theirs = pair(mixed)
    with pytest.raises(TypeError):
        getattr(theirs.tas, reduction)("time", **option)
    with pytest.raises(TypeError, match=f"{reduction} has no"):
        getattr(ours.tas.active, reduction)("time", **option)
    with pytest.raises(TypeError, match=f"{reduction} has no"):
        getattr(ours.tas.active.groupby("time.month"), reduction)(**option)


def test_methods_that_are_not_pushed_down_say_what_to_call(mixed):
    ours, _ = pair(mixed)
    for active in (ours.tas.active, ours.active, ours.tas.active.groupby("time.year")):
        with pytest.raises(AttributeError, match=r"call 'median' without \.active"):
            active.median("time")
        assert not hasattr(active, "quantile")


# -- datasets of everything ------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, {}])
@pytest.mark.parametrize("dim", [None, "time", "lat", ["lat", "lon"]])
def test_a_dataset_averages_dates_and_leaves_text_out(mixed, dim, chunks):
    ours, theirs = (ds.drop_vars("crs") for ds in pair(mixed, chunks))
    for keep_attrs in (True, False):
        mine = ours.active.mean(dim, keep_attrs=keep_attrs)
        expected = theirs.mean(dim, keep_attrs=keep_attrs)
        xr.testing.assert_allclose(mine, expected, rtol=1e-5)
        assert mine.when.dtype == expected.when.dtype
        for name in expected.data_vars:
            assert mine[name].attrs == expected[name].attrs


def test_text_that_is_reduced_is_refused_by_its_name(mixed):
    ours, theirs = pair(mixed)
    with pytest.raises(UnsupportedReduction, match=r"'station' holds text.*drop_vars"):
        ours.active.max("lat")
    with pytest.raises(TypeError, match="not compatible"):
        theirs.mean("lat")  # xarray cannot leave out a single word
    with pytest.raises(UnsupportedReduction, match=r"choose some first, as in ds\[\["):
        ours.active.mean("lat")
    # Text that keeps its dimension stays as it is, and one word is xarray's.
    xr.testing.assert_identical(ours.active.max("time"), theirs.max("time"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_real_datasets_have_every_variable_that_xarray_gives(path):
    ours = xr.open_dataset(path, engine="activecore", decode_timedelta=False)
    theirs = xr.open_dataset(path, engine="netcdf4", decode_timedelta=False).load()
    for dim in (None, *theirs.dims):
        ours, theirs = (
            ds.drop_vars("rotated_pole", errors="ignore") for ds in (ours, theirs)
        )
        mine, expected = ours.active.mean(dim), theirs.mean(dim)
        assert list(mine.data_vars) == list(expected.data_vars)
        xr.testing.assert_allclose(mine, expected, rtol=1e-4)


def test_a_mean_of_dates_is_exact_or_refused(tmp_path):
    time = np.datetime64("2020-01-01", "ns") + np.arange(9) * np.timedelta64(7, "ns")
    ds = xr.Dataset({"when": ("a", time)})
    ds.when.encoding = {"units": "nanoseconds since 1970-01-01", "dtype": "i8"}
    ds.to_netcdf(tmp_path / "t.nc", engine="netcdf4")
    ours, theirs = pair(tmp_path / "t.nc")
    assert ours.when.active.max() == theirs.when.max()
    with pytest.raises(UnsupportedDtype, match="too small for an exact mean"):
        ours.when.active.mean()


@pytest.mark.parametrize("same", [True, False])
def test_dates_of_files_that_count_from_different_dates_are_not_mixed_up(
    tmp_path, same
):
    for year in (2000, 2001, 2002):
        time = xr.date_range(f"{year}-01-01", periods=5, freq="D")
        ds = xr.Dataset(
            {"when": ("time", time + np.timedelta64(3, "h"))}, {"time": time}
        )
        since = 2000 if same else year
        ds.when.encoding = {"units": f"hours since {since}-01-01", "dtype": "i4"}
        ds.to_netcdf(tmp_path / f"{year}.nc", engine="netcdf4")
    files = sorted(tmp_path.glob("*.nc"))
    ours = xr.open_mfdataset(files, engine="activecore", combine="by_coords")
    theirs = xr.open_mfdataset(files, engine="netcdf4", combine="by_coords").load()
    assert ours.when.active.count() == theirs.when.count()
    for reduction in ("max", "min", "mean"):
        for ask in (lambda a: a, lambda a: a.groupby("time.year")):
            if same:
                mine = getattr(ask(ours.when.active), reduction)()
                xr.testing.assert_identical(
                    mine, getattr(ask(theirs.when), reduction)()
                )
                continue
            with pytest.raises(UnsupportedDtype, match="count 'when' from different"):
                getattr(ask(ours.when.active), reduction)()
    with pytest.raises(UnsupportedDtype) if not same else nullcontext():
        ours.when.active.max([])
