"""``.active`` gives xarray's own answers, by chunks that the backend reduced."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray_files import MADE, REAL, make

import activecore as ac
from activecore.errors import UnsupportedDtype, UnsupportedReduction

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*not have a Zarr V3 specification"),
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
    pytest.mark.filterwarnings("ignore::xarray.SerializationWarning"),
    pytest.mark.filterwarnings("ignore:In a future version.*decode_timedelta"),
    pytest.mark.filterwarnings("ignore:The specified chunks separate"),
    pytest.mark.filterwarnings("ignore:Mean of empty slice"),
    pytest.mark.filterwarnings("ignore:Degrees of freedom <= 0"),
    pytest.mark.filterwarnings("ignore:All-NaN slice"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide"),
]

REDUCTIONS = ("all", "any", "count", "max", "mean", "min", "std", "sum", "var")
NAN_AWARE = ("max", "mean", "min", "std", "sum", "var")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xarray")
    return {
        (name, form): make(name, folder, form)
        for name in MADE
        for form in ("nc", "nc3", "zarr2", "zarr3")
    }


def opened(path, **options):
    """The dataset by our engine, and in memory for xarray to reduce in float64."""
    ours = xr.open_dataset(path, engine="activecore", decode_timedelta=True, **options)
    theirs = xr.open_dataset(path, engine="activecore", decode_timedelta=True)
    return ours, theirs.load()


def agree(mine, expected, atol=1e-4):
    """The same to rounding (xarray adds float32 in float32), the same labels exactly."""
    assert mine.dims == expected.dims
    assert mine.dtype == expected.dtype
    xr.testing.assert_allclose(mine, expected, rtol=1e-4, atol=atol)
    xr.testing.assert_identical(mine.coords.to_dataset(), expected.coords.to_dataset())
    assert mine.name == expected.name
    assert mine.attrs == expected.attrs


VARIABLES = [("air_temperature", "air"), ("rasm", "Tair"), ("roms", "salt"), ("roms", "zeta"), ("roms", "mask"), ("roms", "count"), ("roms", "hc")]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "chunks"),
    [("nc", None), ("nc", {}), ("nc3", None), ("zarr2", None), ("zarr3", {})],
)
@pytest.mark.parametrize(("name", "variable"), VARIABLES)
def test_every_reduction_of_every_dimension(files, form, name, variable, chunks):
    ours, theirs = opened(files[name, form], chunks=chunks)
    array, expected = ours[variable], theirs[variable]
    for reduction in REDUCTIONS:
        for dim in (..., *array.dims[:1], list(array.dims[-2:])):
            with ac.record() as run:
                mine = getattr(array.active, reduction)(dim)
            agree(mine, getattr(expected, reduction)(dim))
            assert run.backends.get("posix", 0) + run.backends.get("", 0) == run.chunks
            assert run.chunks > 0


@pytest.mark.parametrize("reduction", NAN_AWARE)
@pytest.mark.parametrize("skipna", [None, True, False])
@pytest.mark.parametrize(("name", "variable"), VARIABLES[:6])
def test_skipna_is_xarrays(files, reduction, skipna, name, variable):
    ours, theirs = opened(files[name, "nc"])
    if reduction in ("min", "max") and variable == "mask" and skipna:
        return  # xarray itself cannot: NaN is no bool
    for dim in (None, ours[variable].dims[0]):
        mine = getattr(ours[variable].active, reduction)(dim, skipna=skipna)
        agree(mine, getattr(theirs[variable], reduction)(dim, skipna=skipna))


@pytest.mark.parametrize("keep_attrs", [None, True, False])
@pytest.mark.parametrize("keepdims", [True, False])
def test_options_are_xarrays(files, keep_attrs, keepdims):
    ours, theirs = opened(files["rasm", "nc"])
    options = {"keep_attrs": keep_attrs, "keepdims": keepdims}
    agree(ours.Tair.active.mean("y", **options), theirs.Tair.mean("y", **options))
    with xr.set_options(keep_attrs=not keep_attrs):
        agree(ours.Tair.active.mean("y"), theirs.Tair.mean("y"))
    agree(ours.Tair.active.sum("x", min_count=9), theirs.Tair.sum("x", min_count=9))
    agree(ours.Tair.active.std("time", ddof=1), theirs.Tair.std("time", ddof=1))
    agree(
        ours.Tair.active.var(axis=(0, 1), ddof=3), theirs.Tair.var(axis=(0, 1), ddof=3)
    )
    with pytest.raises(ValueError, match="not found"):
        ours.Tair.active.mean("tim")


SELECTIONS = {
    "slice": lambda d: d.isel(time=slice(2, 30, 3)),
    "backwards": lambda d: d[::-2],
    "list": lambda d: d.isel(y=[5, 0, 0], time=[7]),
    "mask": lambda d: d.isel(x=np.arange(9) % 2 == 0),
    "integer": lambda d: d.isel(y=3),
    "sel": lambda d: d.sel(time=slice("1981-01", "1982-06")),
    "nearest": lambda d: d.sel(time=d.indexes["time"][9], method="nearest"),
    "twice": lambda d: d.isel(time=slice(4, None)).isel(time=[3, 8, 9]),
    "transposed": lambda d: d.transpose("x", "time", "y"),
    "transposed part": lambda d: d.isel(x=slice(1, 8, 2)).transpose("x", ...).isel(y=[1, 4]),
    "renamed": lambda d: d.rename(time="t").rename("other"),
    "squeezed": lambda d: d.isel(x=[4]).squeeze(),
    "relabelled": lambda d: d.assign_coords(x=np.arange(9) * 2.0, more=5).assign_attrs(a=1),
    "sorted": lambda d: d.assign_coords(x=[3, 1, 2, 0, 8, 7, 6, 5, 4]).sortby("x"),
    "rolled": lambda d: d.isel(time=[*range(5, 36), *range(5)]),
    "swapped": lambda d: d.assign_coords(k=("x", np.arange(9))).swap_dims(x="k"),
    "dropped": lambda d: d.drop_vars(["xc", "time"]),
    "copied": lambda d: d.copy(deep=False),
}  # fmt: skip


@pytest.mark.parametrize("chunks", [None, {}, {"time": 7, "x": 4}])
@pytest.mark.parametrize("select", list(SELECTIONS))
def test_selections_are_pushed_down(files, select, chunks):
    ours, theirs = opened(files["rasm", "nc"], chunks=chunks)
    mine, expected = (SELECTIONS[select](ds.Tair) for ds in (ours, theirs))
    for dim in (None, *expected.dims[:2]):
        for reduction in ("mean", "count"):
            with ac.record() as run:
                answer = getattr(mine.active, reduction)(dim)
            agree(answer, getattr(expected, reduction)(dim))
            # No more chunks than the selection touches.
            assert run.chunks <= 2 * mine.sizes.get("time", mine.sizes.get("t", 1))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda d: d.expand_dims("z"),
        lambda d: d.chunk({"time": 5}),
        lambda d: d.roll(x=3),
        lambda d: xr.concat([d.isel(x=slice(4)), d.isel(x=slice(4, None))], "x"),
    ],
)
def test_what_dask_arranges_is_pushed_down(files, arrange):
    ours, theirs = opened(files["rasm", "nc"], chunks={})
    mine, expected = arrange(ours.Tair), arrange(theirs.Tair)
    for dim in (None, *mine.dims):
        agree(mine.active.mean(dim), expected.mean(dim).compute())


@pytest.mark.parametrize(
    "compute",
    [
        lambda d: d + 0,
        lambda d: d - d.mean("time"),
        lambda d: d.where(d > 0),
        lambda d: d.where(xr.DataArray(np.ones((7, 9), bool), dims=("y", "x"))),
        lambda d: d.fillna(0),
        lambda d: d.astype("f8"),
        lambda d: d.astype("f2"),
        lambda d: d.clip(-5, 5),
        lambda d: np.sqrt(abs(d)),
        lambda d: d.diff("time"),
        lambda d: d.shift(time=1),
        lambda d: d.rolling(time=3).mean(),
        lambda d: d.rolling(time=3).construct("window"),
        lambda d: d.coarsen(time=6).mean(),
        lambda d: d.coarsen(time=6).construct(time=("a", "b")),
        lambda d: d.pad(x=1),
        lambda d: d.round(1),
        lambda d: d > 0,
        lambda d: d.isnull(),
        lambda d: d.stack(z=("y", "x")),
        lambda d: d.broadcast_like(xr.DataArray(np.zeros(3), dims="new")),
        lambda d: d.isel(
            y=xr.DataArray([0, 1, 2], dims="p"), x=xr.DataArray([0, 1, 2], dims="p")
        ),
        lambda d: d.assign_coords(y=np.arange(7)).reindex(y=[0, 1, 20]),
        lambda d: d.compute(),
        lambda d: d.persist() if d.chunks else d.load(),
        lambda d: d.copy(deep=True) * 1,
        lambda d: xr.concat([d, d * 2], "time"),
        lambda d: xr.concat([d, xr.zeros_like(d)], "time"),
        lambda d: d.mean("time"),
    ],
)
@pytest.mark.parametrize("chunks", [None, {}, {"time": 36}])
def test_what_was_computed_on_is_refused_and_not_read(files, compute, chunks):
    # Read before, or not at all: asking does not read.
    ours, _ = opened(files["rasm", "nc"], chunks=chunks)
    array = compute(ours.Tair)
    with (
        ac.record() as run,
        pytest.raises(UnsupportedReduction, match="without .active"),
    ):
        array.active.mean()
    assert run.chunks == 0


def test_data_decoded_afterwards_is_refused(files):
    for chunks in (None, {}):
        for name, variable in (("air_temperature", "air"), ("rasm", "Tair")):
            ds = xr.open_dataset(
                files[name, "nc"], engine="activecore", decode_cf=False, chunks=chunks
            )
            raw = ds[variable].active.max()
            assert float(raw) == float(ds[variable].max())
            with pytest.raises(UnsupportedReduction, match="without .active"):
                xr.decode_cf(ds)[variable].active.max()


def test_asking_does_not_change_what_is_read_later(files):
    for chunks in (None, {}):
        ours, theirs = opened(files["rasm", "nc"], chunks=chunks)
        ours.Tair.active.mean()
        ours.yc.active.mean()
        ours.Tair.isel(time=3).active.mean("x")
        xr.testing.assert_identical(ours.load(), theirs)
        ours, theirs = opened(files["roms", "nc"], chunks=chunks)
        assert float(ours.hc.active.mean()) == 20.0
        ours["count"].active.mean()
        xr.testing.assert_identical(ours.load(), theirs)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_selection_of_any_chunks(files, data):
    name, variable = data.draw(st.sampled_from(VARIABLES[:4]))
    form = data.draw(st.sampled_from(["nc", "nc3", "zarr2", "zarr3"]))
    chunks = data.draw(st.sampled_from([None, {}]))
    ours, theirs = opened(files[name, form], chunks=chunks)
    mine, expected = ours[variable], theirs[variable]
    for _ in range(data.draw(st.integers(0, 3))):
        if mine.ndim == 0:
            break
        dim = data.draw(st.sampled_from(mine.dims))
        length = mine.sizes[dim]
        if length == 0:
            break
        key = data.draw(
            st.one_of(
                st.integers(-length, length - 1),
                st.builds(
                    slice,
                    st.one_of(st.none(), st.integers(-length, length)),
                    st.one_of(st.none(), st.integers(-length, length)),
                    st.sampled_from([None, 1, 2, -1, -3]),
                ),
                st.lists(st.integers(-length, length - 1), min_size=1, max_size=5),
            )
        )
        expected = expected.isel({dim: key})
        if isinstance(key, slice) and expected.sizes[dim] == 0:
            key = slice(0, 0)  # xarray cannot read backwards over nothing (2026.9)
        mine = mine.isel({dim: key})
        if data.draw(st.booleans()):
            order = data.draw(st.permutations(mine.dims))
            mine, expected = mine.transpose(*order), expected.transpose(*order)
    dims = data.draw(st.sets(st.sampled_from(mine.dims))) if mine.ndim else set()
    reduction = data.draw(
        st.sampled_from(["count", "max", "mean", "min", "sum", "any", "all"])
    )
    if expected.size == 0 and reduction in ("min", "max"):
        return
    answer = getattr(mine.active, reduction)(dims)
    # In float64: what is compared is not how xarray rounds.
    exact = expected.astype("f8") if expected.dtype == "f4" else expected
    wanted = getattr(exact, reduction)(dims)
    assert answer.dims == wanted.dims
    xr.testing.assert_allclose(
        answer.astype("f8"), wanted.astype("f8"), rtol=2e-6, atol=1e-5
    )


# -- weights -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "skipna", "keep_attrs"),
    [(None, None, None), (None, True, True), (None, False, True), ({}, None, None)],
)
def test_weighted_means_and_sums_are_xarrays(files, chunks, skipna, keep_attrs):
    ours, theirs = opened(files["air_temperature", "nc"], chunks=chunks)
    lat = np.cos(np.radians(theirs.lat))
    days = xr.DataArray(
        np.arange(theirs.sizes["time"]) % 31, dims="time", coords={"time": theirs.time}
    )
    for weights in (
        lat,
        days,
        lat * days,
        lat * days * xr.DataArray([0, 1, 2, 1, 0, 3.0], dims="lon"),
    ):
        mine, expected = ours.air.active.weighted(weights), theirs.air.weighted(weights)
        for dim in (None, "lat", ["time", "lat"]):
            how = {"skipna": skipna, "keep_attrs": keep_attrs}
            agree(mine.mean(dim, **how), expected.mean(dim, **how))
            agree(mine.sum(dim, **how), expected.sum(dim, **how), atol=1)
            agree(mine.sum_of_weights(dim), expected.sum_of_weights(dim))


def test_weighted_means_leave_out_what_is_missing(files):
    ours, theirs = opened(files["rasm", "zarr2"])
    weights = xr.DataArray(np.linspace(0, 1, 7), dims="y")
    agree(
        ours.Tair.active.weighted(weights).mean("y"),
        theirs.Tair.weighted(weights).mean("y"),
    )
    agree(
        ours.Tair.isel(time=5).active.weighted(weights).mean(),
        theirs.Tair.isel(time=5).weighted(weights).mean(),
    )


def test_weights_that_cannot_be_pushed_down_say_so(files):
    ours, _ = opened(files["rasm", "nc"])
    area = xr.DataArray(np.random.default_rng(0).random((7, 9)), dims=("y", "x"))
    with pytest.raises(UnsupportedReduction, match="no product"):
        ours.Tair.active.weighted(area)
    with pytest.raises(UnsupportedReduction, match="has not"):
        ours.Tair.active.weighted(area.rename(y="other"))
    with pytest.raises(UnsupportedReduction, match="weighted std"):
        ours.Tair.active.weighted(area[:, 0]).std("y")
    with pytest.raises(UnsupportedReduction, match="other 'time'"):
        ours.Tair.active.weighted(
            xr.DataArray(np.ones(36), {"time": np.arange(36)}, dims="time")
        )
    with pytest.raises(ValueError, match="missing values"):
        ours.Tair.active.weighted(area[:, 0].where(area[:, 0] > 0.5))
    with pytest.raises(TypeError, match="DataArray"):
        ours.Tair.active.weighted(np.ones(7))


# -- groups ------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, {}, {"time": 11}])
@pytest.mark.parametrize(
    "by", ["time.month", "time.season", "time.year", "time.dayofyear"]
)
@pytest.mark.parametrize("name", ["air_temperature", "rasm"])
def test_groups_of_dates_are_xarrays(files, chunks, by, name):
    variable = {"air_temperature": "air", "rasm": "Tair"}[name]
    ours, theirs = opened(files[name, "nc"], chunks=chunks)
    array, expected = (
        ours[variable].isel(time=slice(3, 900)),
        theirs[variable].isel(time=slice(3, 900)),
    )
    for reduction in ("mean", "std"):
        with ac.record() as run:
            mine = getattr(array.active.groupby(by), reduction)()
        agree(mine, getattr(expected.groupby(by), reduction)())
        with ac.record() as whole:
            array.active.count()
        assert 0 < run.chunks == whole.chunks
    agree(array.active.groupby(by).mean(...), expected.groupby(by).mean(...))


@pytest.mark.parametrize("freq", ["YS", "QS-DEC", "MS", "2MS", "5D", "YE"])
@pytest.mark.parametrize("name", ["air_temperature", "rasm"])
def test_resampling_is_xarrays(files, freq, name):
    variable = {"air_temperature": "air", "rasm": "Tair"}[name]
    ours, theirs = opened(files[name, "nc"], chunks={})
    array, expected = ours[variable], theirs[variable]
    for reduction in ("mean", "min", "sum"):
        mine = getattr(array.active.resample(time=freq), reduction)()
        agree(mine, getattr(expected.resample(time=freq), reduction)())
    agree(
        array.active.resample(time=freq).mean(["time", array.dims[-1]]),
        expected.resample(time=freq).mean(["time", array.dims[-1]]),
    )


def test_other_groups_are_xarrays(files):
    ours, theirs = opened(files["air_temperature", "nc"], chunks={})
    band = xr.DataArray(["n", "n", "t", "t", "s"], dims="lat", name="band")
    half = xr.DataArray([1, 1, np.nan, 2, 2, 2], dims="lon", name="half")
    for group in ("lat", band, half, theirs.time.dt.hour):
        agree(ours.air.active.groupby(group).mean(), theirs.air.groupby(group).mean())
    agree(
        ours.air.transpose("lon", "time", "lat")
        .active.groupby("time.month")
        .mean(["time", "lon"]),
        theirs.air.transpose("lon", "time", "lat")
        .groupby("time.month")
        .mean(["time", "lon"]),
    )
    bins = {"lat": xr.groupers.BinGrouper(bins=[0, 20, 50, 51, 90])}
    agree(ours.air.active.groupby(**bins).mean(), theirs.air.groupby(**bins).mean())


def test_groups_that_cannot_be_pushed_down_say_so(files):
    ours, _ = opened(files["rasm", "nc"])
    with pytest.raises(UnsupportedReduction, match="one dimension"):
        ours.Tair.active.groupby("xc")
    with pytest.raises(UnsupportedReduction, match="must be reduced too"):
        ours.Tair.active.groupby("time.month").mean("x")
    with pytest.raises(ValueError, match="no coordinate"):
        ours.Tair.active.groupby("tim.month")
    with pytest.raises(UnsupportedReduction, match="did you mean"):
        ours.Tair.active.groupby("time.month").reduce("meen")
    with pytest.raises(UnsupportedReduction, match="without .active"):
        ours.Tair.active.reduce("median")


# -- datasets, several files ----------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "count", "max", "std", "any"])
def test_datasets_are_reduced_variable_by_variable(files, reduction):
    for chunks in (None, {}):
        ours, theirs = opened(files["roms", "nc"], chunks=chunks)
        numbers = [n for n, v in theirs.data_vars.items() if v.dtype.kind in "biuf"]
        ours["extra"] = theirs["extra"] = ("s_rho", np.arange(4.0))
        for dim in (None, "ocean_time", ["eta_rho", "xi_rho"]):
            mine = getattr(ours[[*numbers, "extra"]].active, reduction)(dim)
            expected = getattr(theirs[[*numbers, "extra"]], reduction)(dim)
            xr.testing.assert_allclose(mine, expected, rtol=1e-4)
            xr.testing.assert_identical(
                mine.coords.to_dataset(), expected.coords.to_dataset()
            )
            assert mine.attrs == expected.attrs


def test_a_dataset_leaves_out_text_where_xarray_does(files):
    ours, theirs = opened(files["roms", "nc"])
    ours, theirs = ours.drop_vars("span"), theirs.drop_vars("span")
    xr.testing.assert_allclose(
        ours.active.mean("eta_rho"), theirs.mean("eta_rho"), rtol=1e-4
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """One dataset in five files, each packed in its own way."""
    folder = tmp_path_factory.mktemp("parts")
    ds = MADE["air_temperature"]().isel(time=slice(0, 1000))
    for number in range(5):
        part = ds.isel(time=slice(200 * number, 200 * number + 200)).copy()
        part.air.encoding = {
            "dtype": "i2",
            "scale_factor": 0.01 * (number + 1),
            "add_offset": 270.0 + number,
            "_FillValue": -32767,
            "chunksizes": (30, 5, 6),
        }
        part.air[3] = np.nan
        part.to_netcdf(folder / f"part{number}.nc", engine="netcdf4")
    return sorted(folder.glob("*.nc"))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_many_files_are_reduced_as_one(parts, reduction):
    ours = xr.open_mfdataset(parts, engine="activecore", combine="by_coords")
    theirs = xr.open_mfdataset(parts, engine="h5netcdf", combine="by_coords").load()
    cut = {"time": slice(150, 820, 3), "lat": [3, 0]}
    for select in (
        lambda d: d.isel(cut),
        lambda d: d.isel(time=5),
        lambda d: d[::-1],
    ):
        mine, expected = select(ours.air), select(theirs.air)
        for dim in (None, *expected.dims):
            with ac.record() as run:
                answer = getattr(mine.active, reduction)(dim)
            agree(answer, getattr(expected, reduction)(dim))
            assert run.backends.keys() == {"posix"}
    for mine, expected in (
        (ours.air.active.groupby("time.month"), theirs.air.groupby("time.month")),
        (ours.air.active.groupby("time.hour"), theirs.air.groupby("time.hour")),
        (ours.air.active.groupby("lat"), theirs.air.groupby("lat")),
        (ours.air.active.resample(time="10D"), theirs.air.resample(time="10D")),
    ):
        agree(getattr(mine, reduction)(), getattr(expected, reduction)())


def test_many_files_are_weighted_as_one(parts):
    ours = xr.open_mfdataset(parts, engine="activecore", combine="by_coords")
    theirs = xr.open_mfdataset(parts, engine="h5netcdf", combine="by_coords").load()
    weights = np.cos(np.radians(theirs.lat)) * xr.DataArray(
        np.arange(1000.0), dims="time"
    )
    for dim in (None, "time", ["lat", "time"]):
        agree(
            ours.air.active.weighted(weights).mean(dim),
            theirs.air.weighted(weights).mean(dim),
        )


# -- dates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, {}])
def test_least_greatest_and_mean_dates_and_durations(tmp_path, chunks):
    time = np.arange("2000-01-01", 40, dtype="M8[D]").astype("M8[ns]").reshape(8, 5)
    time[2, 1] = np.datetime64("NaT")
    ds = xr.Dataset(
        {
            "when": (("a", "b"), time),
            "long": ("a", np.arange(8) * np.timedelta64(6, "h").astype("m8[ns]")),
        }
    )
    ds.to_netcdf(tmp_path / "t.nc", engine="netcdf4")
    ours, theirs = opened(tmp_path / "t.nc", chunks=chunks)
    for reduction in ("min", "max", "mean", "count"):
        for dim in (None, "a", "b"):
            mine = getattr(ours.when.active, reduction)(dim)
            expected = getattr(theirs.when, reduction)(dim)
            xr.testing.assert_identical(mine, expected)
            assert mine.dtype == expected.dtype
        xr.testing.assert_identical(
            getattr(ours.long.active, reduction)(), getattr(theirs.long, reduction)()
        )
    with pytest.raises(UnsupportedDtype, match="dates or durations"):
        ours.when.active.std()


def test_least_dates_of_another_calendar(tmp_path):
    dates = xr.date_range(
        "1999-12-30", periods=6, freq="D", calendar="360_day", use_cftime=True
    )
    xr.Dataset({"when": ("a", dates)}).to_netcdf(tmp_path / "t.nc", engine="netcdf4")
    ours, theirs = opened(tmp_path / "t.nc")
    assert ours.when.active.max().item() == theirs.when.max().item()


# -- real files, other places --------------------------------------------------------------------


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_files(path):
    ours, theirs = opened(path)
    for name, array in ours.data_vars.items():
        if array.dtype.kind not in "iuf" or array.size == 0:
            continue
        expected = theirs[name]
        exact = expected.astype("f8") if expected.dtype == "f4" else expected
        scale = float(abs(exact).max())
        for reduction in ("mean", "max", "count"):
            for dim in (None, *array.dims):
                mine = getattr(array.active, reduction)(dim)
                wanted = getattr(exact, reduction)(dim)
                xr.testing.assert_allclose(
                    mine.astype("f8"), wanted.astype("f8"), rtol=1e-5, atol=1e-6 * scale
                )


def test_the_way_to_the_source_survives_a_pickle(files):
    for chunks in (None, {}):
        ours, theirs = opened(files["rasm", "nc"], chunks=chunks)
        again = pickle.loads(pickle.dumps(ours.Tair.isel(y=slice(2, 5))))
        agree(again.active.mean("time"), theirs.Tair.isel(y=slice(2, 5)).mean("time"))


def test_explain_reads_nothing(files):
    ours, _ = opened(files["rasm", "nc"])
    with ac.record() as run:
        (found,) = ours.Tair.isel(time=slice(0, 12)).active.explain("mean", "time")
    assert run.chunks == 0
    assert (found.chunks, list(found.backends)) == (24, ["posix"])


def test_what_comes_from_another_engine_is_refused(files):
    ds = xr.open_dataset(files["rasm", "nc"], engine="h5netcdf")
    with pytest.raises(UnsupportedReduction, match="without .active"):
        ds.Tair.active.mean()


def test_empty_selections_are_xarrays(files):
    ours, theirs = opened(files["rasm", "nc"])
    for reduction in ("mean", "sum", "count", "any"):
        agree(
            getattr(ours.Tair[:0].active, reduction)("time"),
            getattr(theirs.Tair[:0], reduction)("time"),
        )
