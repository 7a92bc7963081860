"""The engine ``"activecore"`` gives the dataset that xarray's own engines give."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from xarray_files import MADE, REAL, make

import activecore as ac
from activecore.errors import ConfigError, SourceNotFound, VariableNotFound

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*not have a Zarr V3 specification"),
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
    pytest.mark.filterwarnings("ignore:.*fixed_length_utf32|.*null_terminated_bytes"),
    pytest.mark.filterwarnings("ignore::xarray.SerializationWarning"),
    pytest.mark.filterwarnings("ignore:In a future version.*decode_timedelta"),
]

ENGINE = {"nc": "h5netcdf", "nc3": "netcdf4", "zarr2": "zarr", "zarr3": "zarr"}


def both(path, form="nc", **options):
    with_time = {"decode_timedelta": True, **options}
    ours = xr.open_dataset(path, engine="activecore", **with_time)
    if form == "zarr3":
        with_time["consolidated"] = False
    theirs = xr.open_dataset(path, engine=ENGINE[form], **with_time)
    return ours, theirs


def same(ours, theirs):
    """Identical, dtypes and chunks too."""
    assert dict(ours.sizes) == dict(theirs.sizes)
    assert set(ours.variables) == set(theirs.variables)
    for name in theirs.variables:
        assert ours[name].dtype.kind == theirs[name].dtype.kind, name
        if ours[name].dtype.kind != "U":  # its length is known once it is read
            assert ours[name].dtype == theirs[name].dtype, name
        assert ours[name].chunks == theirs[name].chunks, name
    xr.testing.assert_identical(ours.load(), theirs.load())


@pytest.mark.parametrize("form", list(ENGINE))
@pytest.mark.parametrize("name", list(MADE))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": {}},
        {"mask_and_scale": False},
        {"decode_times": False, "decode_timedelta": False},
        {"decode_cf": False},
        {"decode_coords": "all"},
        {"drop_variables": ["time", "salt"]},
        {"concat_characters": False},
    ],
    ids=str,
)
def test_the_dataset_is_that_of_the_formats_own_engine(tmp_path, name, form, options):
    path = make(name, tmp_path, form)
    if options.get("decode_cf") is False:
        options = {**options, "decode_timedelta": None}
    ours, theirs = both(path, form, **options)
    same(ours, theirs)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_files_are_the_same_dataset(path):
    try:
        theirs = xr.open_dataset(path, engine="netcdf4", decode_timedelta=True)
    except Exception as error:  # noqa: BLE001 - whatever xarray says of it, it says of ours
        with pytest.raises(type(error)):
            xr.open_dataset(path, engine="activecore", decode_timedelta=True)
        return
    ours = xr.open_dataset(path, engine="activecore", decode_timedelta=True)
    xr.testing.assert_identical(ours.load(), theirs.load())


def test_the_encoding_is_that_of_h5netcdf(tmp_path):
    for name in MADE:
        ours, theirs = both(make(name, tmp_path))
        for variable in theirs.variables:
            mine, other = ours[variable].encoding, theirs[variable].encoding
            # Older releases of xarray list fewer filters.
            assert {k: str(mine[k]) for k in other} == {
                k: str(v) for k, v in other.items()
            }
            more = mine.keys() - other.keys() - {"contiguous"}
            assert not any(mine[k] for k in more)
        assert ours.encoding == theirs.encoding


def test_what_was_opened_can_be_written_again(tmp_path):
    ours, theirs = both(make("air_temperature", tmp_path))
    ours.to_netcdf(tmp_path / "again.nc", engine="h5netcdf")
    again = xr.open_dataset(tmp_path / "again.nc", engine="netcdf4")
    xr.testing.assert_identical(again, theirs.load())
    assert again.air.encoding["scale_factor"] == 0.01


def test_nothing_but_coordinates_is_read_until_it_is_asked_for(tmp_path):
    path = make("air_temperature", tmp_path)
    with ac.record() as run:
        ds = xr.open_dataset(path, engine="activecore", chunks={})
        ds.air.isel(lat=0).mean("time")
    small = sum(ds[dim].nbytes for dim in ds.dims)
    assert run.bytes_read <= 2 * small  # xarray looks at both ends of time first
    ds = xr.open_dataset(path, engine="activecore")
    with ac.record() as run:
        ds.air.isel(time=5).values  # noqa: B018 - reading is the test
    assert run.chunks == 1


@pytest.mark.parametrize(
    "key", [0, -1, slice(5, 90, 7), slice(None, None, -3), [4, 4, 1], slice(0, 0)]
)
def test_every_kind_of_index_is_lazy_and_right(tmp_path, key):
    ours, theirs = both(make("rasm", tmp_path))
    for dim in ("time", "y"):
        xr.testing.assert_identical(
            ours.isel({dim: key}).load(), theirs.isel({dim: key}).load()
        )
    points = xr.DataArray([0, 3, 5], dims="p")
    xr.testing.assert_identical(
        ours.Tair.isel(time=points, x=points).load(),
        theirs.Tair.isel(time=points, x=points).load(),
    )


def test_dask_chunks_follow_those_of_the_store(tmp_path):
    ds = xr.open_dataset(make("rasm", tmp_path), engine="activecore", chunks={})
    assert ds.Tair.chunks == ((1,) * 36, (4, 3), (9,))


def test_datasets_and_variables_travel_by_pickle(tmp_path):
    path = make("roms", tmp_path)
    for options in ({}, {"chunks": {}}):
        ours, theirs = both(path, **options)
        again = pickle.loads(pickle.dumps(ours))
        path.rename(path.with_suffix(".moved"))
        with pytest.raises(ac.SourceError):
            again.salt.active.mean()
        path.with_suffix(".moved").rename(path)
        xr.testing.assert_identical(again.load(), theirs.load())


def test_groups_are_opened_by_name(tmp_path):
    ds = MADE["rasm"]()
    ds.to_netcdf(tmp_path / "g.nc", group="a/b", engine="netcdf4")
    ds.to_zarr(tmp_path / "g.zarr", group="a/b", zarr_format=2, consolidated=False,
               encoding={"Tair": {"chunks": (5, 7, 9)}})  # fmt: skip
    for path, engine in (
        (tmp_path / "g.nc", "h5netcdf"),
        (tmp_path / "g.zarr", "zarr"),
    ):
        more = {"consolidated": False} if engine == "zarr" else {}
        ours = xr.open_dataset(path, engine="activecore", group="a/b")
        theirs = xr.open_dataset(path, engine=engine, group="a/b", **more)
        xr.testing.assert_allclose(
            ours.Tair.active.mean("time"),
            theirs.Tair.astype("f8").mean("time"),
            atol=1e-6,
        )
        xr.testing.assert_identical(ours.load(), theirs.load())
        with pytest.raises(VariableNotFound, match="nowhere"):
            xr.open_dataset(path, engine="activecore", group="nowhere")


def test_all_groups_are_a_tree(tmp_path):
    path = tmp_path / "tree.nc"
    xr.Dataset({"top": ("n", [1.0, 2.0])}, attrs={"title": "t"}).to_netcdf(path)
    for group in ("a/b", "c"):
        MADE["rasm"]().to_netcdf(path, group=group, mode="a", engine="netcdf4")
    for group in (None, "a"):
        ours = xr.open_datatree(path, engine="activecore", group=group)
        theirs = xr.open_datatree(path, engine="h5netcdf", group=group)
        xr.testing.assert_identical(ours.load(), theirs.load())
    tree = xr.open_datatree(path, engine="activecore", chunks={})
    with ac.record() as run:
        tree["a/b"].to_dataset().Tair.active.mean()
    assert run.chunks == 72


def test_options_reach_the_core(tmp_path):
    path = make("rasm", tmp_path)
    ds = xr.open_dataset(
        path, engine="activecore", backend=["posix"], threads=1, reader="netcdf4",
        backend_kwargs={"storage_options": {}},
    )  # fmt: skip
    assert "posix" in repr(ds.Tair.active.arrays[0])
    with pytest.raises(ac.BackendNotInstalled):
        xr.open_dataset(path, engine="activecore", backend="nobody")
    with pytest.raises(ConfigError):
        xr.open_dataset(path, engine="activecore", storage_options={"kei": "x"})
    with pytest.raises(SourceNotFound):
        xr.open_dataset(tmp_path / "none.nc", engine="activecore")
    with pytest.raises(TypeError, match="paths and URLs"):
        xr.open_dataset(b"CDF\x01", engine="activecore")


def test_no_file_is_claimed_by_itself(tmp_path):
    from xarray.backends.plugins import guess_engine

    assert guess_engine(str(make("rasm", tmp_path))) != "activecore"


def test_unsigned_and_big_endian_numbers(tmp_path):
    import netCDF4

    with netCDF4.Dataset(tmp_path / "u.nc", "w") as ds:
        ds.createDimension("x", 6)
        a = ds.createVariable("a", "i1", ("x",), fill_value=-1)
        a._Unsigned = "true"
        a.set_auto_maskandscale(False)
        a[:] = [1, 100, -100, -1, 0, -128]
        b = ds.createVariable("b", ">f4", ("x",), endian="big")
        b[:] = np.linspace(0, 1, 6)
        c = ds.createVariable("c", "i8", ("x",), fill_value=2**53 + 1)
        c[:] = 2**53 + np.arange(6)
    ours, theirs = both(tmp_path / "u.nc")
    for name in ("a", "b"):
        for how in ("mean", "min", "max", "count"):
            xr.testing.assert_allclose(
                getattr(ours[name].active, how)(), getattr(theirs[name], how)()
            )
    xr.testing.assert_identical(ours.load(), theirs.load())


def test_a_dataset_that_is_closed_reads_no_more_but_knows_what_it_knew(tmp_path):
    ds = xr.open_dataset(make("rasm", tmp_path), engine="activecore")
    ds.Tair.active.count()
    ds.close()
    assert int(ds.Tair.active.count()) > 0
    with pytest.raises(ac.SourceError):
        ds.xc.active.mean()
