"""What opening something far away costs in round trips, and that it is read right."""

import pickle
import warnings
import zipfile

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from hdf5_files import LOCAL, create
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_files import (
    ConditionalFarFileSystem,
    FarBackend,
    FarFileSystem,
    objects_below,
    open_far,
)

from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    SourceChanged,
    SourceNotFound,
    UnsupportedFormat,
)
from activecore.readers.netcdf4 import NetCDF4Reader
from activecore.readers.remote.filesystem import lasting, remembering
from activecore.readers.remote.intervals import Intervals, merged

PLENTY = (240, 240, 240)
"""An array of 27,000 chunks of 8 x 8 x 8."""


def far(path, **how):
    return FarFileSystem({f"bucket/{path.name}": path.read_bytes()}, **how)


def opened(monkeypatch, path, variable="tas"):
    """Open a file far away, and give the filesystem, which has counted."""
    fs = far(path)
    array = open_far(monkeypatch, fs, f"bucket/{path.name}", variable)
    return array, fs


def assert_read_right(array, path, variable="tas"):
    with NetCDF4Reader(LOCAL, str(path)) as reader:
        near = reader.array(variable)
    info = array._info
    grid = [-(-n // c) for n, c in zip(near.shape, near.index.chunk_shape, strict=True)]
    coords = np.stack([axis.ravel() for axis in np.indices(grid)], axis=1)
    here, there = near.index.locate(coords), info.index.locate(coords)
    for column in ("offsets", "sizes", "layouts"):
        np.testing.assert_array_equal(getattr(here, column), getattr(there, column))
    assert info.layouts == near.layouts
    assert (info.dims, info.shape) == (near.dims, near.shape)
    assert str(info.attrs) == str(near.attrs)


def write_netcdf4(path, *, attrs, unlimited, chunks=100, late=False):
    """Write what netCDF4-python writes of itself: a tree of chunks of version 1."""
    rng = np.random.default_rng(1)
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("time", None if unlimited else chunks)
        ds.createDimension("lat", 90)
        ds.createDimension("lon", 144)
        if attrs:
            for name in ("time", "lat", "lon"):
                variable = ds.createVariable(name, "f8", (name,))
                variable.setncatts({f"{name}_{n}": "x" * 60 for n in range(12)})
            ds.setncatts({f"global_{n}": "y" * 300 for n in range(40)})
            ds["lat"][:] = np.arange(90)
            ds["lon"][:] = np.arange(144)
        tas = ds.createVariable(
            "tas",
            "f4",
            ("time", "lat", "lon"),
            zlib=True,
            shuffle=True,
            chunksizes=(1, 90, 144),
        )
        if attrs:
            tas.setncatts({f"tas_{n}": "z" * 60 for n in range(12)})
        for step in range(chunks):
            tas[step] = rng.normal(size=(90, 144))
            if attrs and unlimited:
                ds["time"][step] = step
        if late:
            ds.setncatts({f"late_{n}": "y" * 300 for n in range(40)})
            tas.setncatts({f"late_{n}": "z" * 60 for n in range(12)})


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("unlimited", [False, True])
@pytest.mark.parametrize("attrs", [False, True])
def test_a_hundred_chunks_of_netcdf4_take_four_rounds(
    monkeypatch, tmp_path, attrs, unlimited, late
):
    path = tmp_path / "tas.nc"
    write_netcdf4(path, attrs=attrs, unlimited=unlimited, late=late)
    assert path.stat().st_size > 4 << 20
    array, fs = opened(monkeypatch, path)
    assert len(fs.rounds) <= 4, fs.rounds
    assert fs.bytes_read < 2 << 20
    assert_read_right(array, path)


def test_both_ends_come_with_what_an_object_is_where_the_store_can_give_them(
    monkeypatch, tmp_path
):
    path = tmp_path / "tas.nc"
    write_netcdf4(path, attrs=True, unlimited=True)
    array, plain = opened(monkeypatch, path)
    fs = ConditionalFarFileSystem({"bucket/tas.nc": path.read_bytes()})
    array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas")
    assert len(fs.rounds) == len(plain.rounds) - 1 <= 3
    assert_read_right(array, path)


@pytest.mark.parametrize("when", [0, 1])
def test_bytes_of_two_versions_are_never_read_together(monkeypatch, tmp_path, when):
    path = tmp_path / "tas.nc"
    write_netcdf4(path, attrs=True, unlimited=True)

    class Changing(ConditionalFarFileSystem):
        def _ask(self, *asked):
            super()._ask(*asked)
            if len(self.rounds) == when + 1:
                self.objects["bucket/tas.nc"] += b"!"

    fs = Changing({"bucket/tas.nc": path.read_bytes()})
    with pytest.raises(SourceChanged):
        open_far(monkeypatch, fs, "bucket/tas.nc", "tas").mean()


def write_hdf5(path, libver, maxshape, shape, chunks):
    rng = np.random.default_rng(2)
    with h5py.File(path, "w", libver=libver) as file:
        tas = file.create_dataset(
            "tas",
            shape,
            "f4",
            chunks=chunks,
            maxshape=maxshape,
            compression=1,
            shuffle=True,
        )
        for start in range(0, shape[0], chunks[0]):
            tas[start : start + chunks[0]] = rng.normal(size=(chunks[0], *shape[1:]))


MAXSHAPES = {
    "fixed array": lambda shape: shape,
    "extensible array": lambda shape: (None, *shape[1:]),
    "extensible array turned": lambda shape: (*shape[:-1], None),
    "version-2 B-tree": lambda shape: (None, None, *shape[2:]),
}


@pytest.mark.parametrize("kind", MAXSHAPES)
@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_a_hundred_chunks_of_any_index_take_four_rounds(
    monkeypatch, tmp_path, libver, kind
):
    path, shape = tmp_path / "tas.h5", (100, 90, 144)
    write_hdf5(path, libver, MAXSHAPES[kind](shape), shape, (1, 90, 144))
    array, fs = opened(monkeypatch, path)
    assert len(fs.rounds) <= 4, fs.rounds
    assert_read_right(array, path)


@pytest.mark.parametrize("kind", ["version-1 B-tree", *MAXSHAPES, "implicit"])
def test_27000_chunks_take_few_rounds_whatever_the_index(monkeypatch, tmp_path, kind):
    path, cell = tmp_path / "tas.h5", (8, 8, 8)
    if kind == "implicit":
        with h5py.File(path, "w", libver="latest") as file:
            create(file, PLENTY, name="tas", dtype="f4", chunks=cell, early=True)
    elif kind == "version-1 B-tree":
        write_hdf5(path, "earliest", None, PLENTY, cell)
    else:
        write_hdf5(path, "latest", MAXSHAPES[kind](PLENTY), PLENTY, cell)
    array, fs = opened(monkeypatch, path)
    # Fifteen are allowed; these are what it takes.
    most = {"version-1 B-tree": 5, "fixed array": 4, "version-2 B-tree": 6}
    assert len(fs.rounds) <= most.get(kind, 5), [len(asked) for asked in fs.rounds]
    assert fs.bytes_read < 4 << 20
    assert_read_right(array, path)


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_many_variables_take_a_bounded_number_of_rounds(monkeypatch, tmp_path, engine):
    path, names = tmp_path / "many.nc", [f"v{n}" for n in range(60)]
    rng = np.random.default_rng(3)
    ds = xr.Dataset(
        {
            name: (("time", "lat", "lon"), rng.normal(size=(6, 90, 144)), {"a": "b"})
            for name in names
        },
        coords={"time": np.arange(6.0), "lat": np.arange(90.0)},
    )
    for name in names:
        ds[name].attrs.update({f"attr_{n}": "x" * 50 for n in range(12)})
    encoding = {name: {"zlib": True, "chunksizes": (1, 90, 144)} for name in names}
    ds.to_netcdf(path, engine=engine, encoding=encoding, unlimited_dims=["time"])
    for name in ("v0", "v30", "v59"):
        array, fs = opened(monkeypatch, path, name)
        assert len(fs.rounds) <= 14, [asked[:2] for asked in fs.rounds]
        assert fs.bytes_read < 4 << 20
        assert_read_right(array, path, name)


def test_listing_many_variables_takes_a_bounded_number_of_rounds(monkeypatch, tmp_path):
    path = tmp_path / "many.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("time", None)
        ds.createDimension("x", 100_000)
        for number in range(50):
            variable = ds.createVariable(f"v{number}", "f4", ("time", "x"))
            variable.setncatts({f"attr_{n}": "x" * 50 for n in range(12)})
            variable[0] = np.arange(100_000)
            ds.sync()
    fs = far(path)
    with open_far(monkeypatch, fs, "bucket/many.nc") as ds:
        with NetCDF4Reader(LOCAL, str(path)) as reader:
            near = reader.variables()
        assert list(ds) == list(near)
        assert {n: v.attrs for n, v in ds.variables.items()} == {
            n: v.attrs for n, v in near.items()
        }
    assert len(fs.rounds) <= 14, [asked[:2] for asked in fs.rounds]


def test_a_file_of_less_than_a_mebibyte_takes_two_rounds(monkeypatch, tmp_path):
    path = tmp_path / "small.nc"
    write_netcdf4(path, attrs=True, unlimited=True, chunks=10)
    assert path.stat().st_size < 1 << 20
    _, fs = opened(monkeypatch, path)
    assert [len(asked) for asked in fs.rounds] == [1, 1]


def test_a_classic_file_takes_two_rounds(monkeypatch, tmp_path):
    path = tmp_path / "tas.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as ds:
        ds.createDimension("time", None)
        ds.createDimension("x", 100_000)
        for name in ("tas", "pr"):
            ds.createVariable(name, "f4", ("time", "x"))[:] = np.ones((10, 100_000))
    array, fs = opened(monkeypatch, path)
    assert len(fs.rounds) == 2
    assert array.shape == (10, 100_000)
    assert array.mean() == 1


def zarr_objects(path, **how):
    """Write a Zarr store, and give its objects by key."""
    group = zarr.open_group(path, mode="w", zarr_format=how["format"])
    array = group.create_array(
        "tas", shape=(40, 30), chunks=(10, 10), dtype="f4", shards=how.get("shards")
    )
    array[:] = np.arange(1200).reshape(40, 30)
    if how["consolidated"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that v3 does not have that yet
            zarr.consolidate_metadata(path)
    return objects_below(path, "bucket/x.zarr")


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_takes_six_rounds(monkeypatch, tmp_path, version, consolidated):
    objects = zarr_objects(tmp_path / "x", format=version, consolidated=consolidated)
    fs = FarFileSystem(objects)
    array = open_far(monkeypatch, fs, "bucket/x.zarr", "tas")
    # Two of them say that it is a prefix: it is no object, and has something below it.
    assert len(fs.rounds) <= 6, fs.rounds
    assert array.sum() == 1200 * 1199 / 2


@pytest.mark.parametrize(("consolidated", "most"), [(True, 3), (False, 5)])
@pytest.mark.parametrize("version", [2, 3])
def test_documents_come_with_their_versions_where_the_store_can_give_them(
    monkeypatch, tmp_path, version, consolidated, most
):
    objects = zarr_objects(tmp_path / "x", format=version, consolidated=consolidated)
    fs = ConditionalFarFileSystem(objects)
    array = open_far(monkeypatch, fs, "bucket/x.zarr", "tas")
    assert len(fs.rounds) <= most, fs.rounds  # two of them by ``info``
    assert array.max() == 1199
    with open_far(monkeypatch, fs, "bucket/x.zarr") as ds, pytest.raises(KeyError):
        ds["absent"]


def test_a_document_without_an_etag_is_read_after_its_version_was_asked_for(
    monkeypatch, tmp_path
):
    objects = zarr_objects(tmp_path / "x", format=3, consolidated=True)
    fs = ConditionalFarFileSystem(objects, etags=False)
    open_far(monkeypatch, fs, "bucket/x.zarr", "tas")
    name = "bucket/x.zarr/zarr.json"
    whole = (0, len(objects[name]))
    asked = fs.rounds.index((("info", name),))
    assert any(whole in round_ for round_ in fs.rounds[asked:]), fs.rounds


class Rewritten(ConditionalFarFileSystem):
    """One document is written anew in some round; notes what was read of it last."""

    def __init__(self, objects, name, when):
        super().__init__(objects)
        self.name, self.when, self.read = name, when, None

    def _ask(self, *asked):
        super()._ask(*asked)
        if len(self.rounds) == self.when:
            self.objects[self.name] += b" "  # as JSON it is the same

    def read_with_info(self, paths):
        found = super().read_with_info(paths)
        if self.name in paths:
            self.read = found[paths.index(self.name)][1]
        return found

    def cat_ranges(self, paths, *args, **kwargs):
        found = super().cat_ranges(paths, *args, **kwargs)
        if self.name in paths:
            self.read = found[paths.index(self.name)]
        return found


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_a_document_that_changes_after_it_was_read_is_noticed(
    monkeypatch, tmp_path, version, consolidated
):
    objects = zarr_objects(tmp_path / "x", format=version, consolidated=consolidated)
    names = {2: ".zmetadata", 3: "zarr.json"} if consolidated else {}
    name = names.get(version, {2: "tas/.zarray", 3: "tas/zarr.json"}[version])
    outcomes, when = [], 0
    while len(outcomes) == when:
        when += 1
        fs = Rewritten(dict(objects), f"bucket/x.zarr/{name}", when)
        array = open_far(monkeypatch, fs, "bucket/x.zarr", "tas")
        if len(fs.rounds) < when:
            break
        if fs.read == fs.objects[fs.name]:
            assert array.max() == 1199
            outcomes.append("read anew")
        else:
            with pytest.raises(SourceChanged):
                array.max()
            outcomes.append("noticed")
    assert set(outcomes) == {"read anew", "noticed"}


@pytest.mark.parametrize("etag", ['W/"a"', '""', None, 3])
def test_a_store_is_not_held_to_an_etag_that_is_not_strong(etag):
    class Weak(ConditionalFarFileSystem):
        def info(self, path, **how):
            found = super().info(path, **how) | {"ETag": etag}
            return {key: value for key, value in found.items() if value is not None}

        def info_and_ends(self, path, head_bytes, tail_bytes):
            return self.info(path), []

        def cat_ranges(self, *args, **kwargs):
            assert "if_match" not in kwargs
            return super().cat_ranges(*args, **kwargs)

    near = remembering(Weak({"b/x": b"0123456789"}), "b/x")
    assert near.cat_file("b/x", start=3) == b"3456789"


def test_a_zipped_zarr_store_takes_few_rounds(monkeypatch, tmp_path):
    objects = zarr_objects(tmp_path / "x", format=3, consolidated=False)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in objects.items():
            archive.writestr(key.removeprefix("bucket/x.zarr/"), data)
        archive.writestr("filler", bytes(3 << 20))
    array, fs = opened(monkeypatch, path)
    # One of them finds out that it is no HDF5 file, one that it is no directory.
    assert len(fs.rounds) <= 4, fs.rounds
    assert array.sum() == 1200 * 1199 / 2
    assert pickle.loads(pickle.dumps(lasting(fs))).objects == fs.objects


def test_the_tables_of_many_shards_come_together(monkeypatch, tmp_path):
    group = zarr.open_group(tmp_path / "x", mode="w", zarr_format=3)
    array = group.create_array(
        "tas", shape=(200, 20), chunks=(2, 10), shards=(4, 20), dtype="f4"
    )
    values = np.arange(4000.0).reshape(200, 20)
    array[:] = values
    fs = FarFileSystem(objects_below(tmp_path / "x", "bucket/x.zarr"))
    # Boxes of one chunk each: 200 of them, in 50 shards.
    monkeypatch.setattr(FarBackend, "batch_chunks", 1)
    tas = open_far(monkeypatch, fs, "bucket/x.zarr", "tas")
    fs.rounds.clear()
    np.testing.assert_array_equal(tas.max(axis=0), values.max(axis=0))
    tables = [asked for asked in fs.rounds if asked[0][0] != "info"]
    # Once when they are looked up, and once more to see that they still hold.
    assert [len(asked) for asked in tables] == [50, 50]


def test_an_empty_object_that_marks_a_prefix_hides_no_store(monkeypatch, tmp_path):
    objects = zarr_objects(tmp_path / "x", format=3, consolidated=False)
    objects["bucket/x.zarr"] = b""
    array = open_far(monkeypatch, FarFileSystem(objects), "bucket/x.zarr", "tas")
    assert array.max() == 1199


class Unlisted(FarFileSystem):
    """A store that lists nothing: every prefix is nothing by itself, or a page."""

    page = None

    def info(self, path, **how):
        if path not in self.objects and self.page is None:
            raise FileNotFoundError(path)
        if path not in self.objects:
            return {"name": path, "size": len(self.page), "type": "file"}
        return super().info(path, **how)

    def cat_ranges(self, paths, *args, **how):
        if self.page is not None and paths[0] == "bucket/x.zarr":
            return [self.page] * len(paths)
        return super().cat_ranges(paths, *args, **how)


@pytest.mark.parametrize("page", [None, b"<html>Index of x.zarr</html>"])
def test_a_zarr_store_that_cannot_be_listed_is_found(monkeypatch, tmp_path, page):
    fs = Unlisted(zarr_objects(tmp_path / "x", format=3, consolidated=True))
    fs.page = page
    assert open_far(monkeypatch, fs, "bucket/x.zarr", "tas").max() == 1199


# --- what goes wrong ----------------------------------------------------------------


def test_nothing_far_away_is_not_found(monkeypatch):
    with pytest.raises(SourceNotFound, match="nothing at bucket/x"):
        open_far(monkeypatch, FarFileSystem(), "bucket/x", "tas")


class Forbidden(FarFileSystem):
    def info(self, path, **how):
        raise PermissionError(path)


def test_what_may_not_be_looked_at_is_said_to_be_so(monkeypatch):
    with pytest.raises(AuthenticationError, match="bucket/x may not be read"):
        open_far(monkeypatch, Forbidden(), "bucket/x", "tas")


class Careless(FarFileSystem):
    """Sends the whole object whatever was asked for, or too little of it."""

    whole = True

    def cat_ranges(self, paths, starts, ends, **how):
        if self.whole:
            return [self.objects[path] for path in paths]
        return [data[:-1] for data in super().cat_ranges(paths, starts, ends, **how)]


@pytest.mark.parametrize("whole", [True, False])
def test_other_bytes_than_were_asked_for_are_never_taken(monkeypatch, tmp_path, whole):
    path = tmp_path / "tas.nc"
    write_netcdf4(path, attrs=False, unlimited=True)
    fs = Careless({"bucket/tas.nc": path.read_bytes()})
    fs.whole = whole
    with pytest.raises((BackendError, OSError), match="asked for"):
        open_far(monkeypatch, fs, "bucket/tas.nc", "tas")


def test_what_is_no_hdf5_costs_one_round_to_find_out(monkeypatch):
    fs = FarFileSystem({"bucket/x": bytes(40 << 20)})
    with pytest.raises(UnsupportedFormat, match="no reader recognises"):
        open_far(monkeypatch, fs, "bucket/x", "tas")
    assert len(fs.rounds) <= 4


def test_a_file_behind_a_large_user_block_is_found(monkeypatch, tmp_path):
    path = tmp_path / "tas.h5"
    with h5py.File(path, "w", userblock_size=4 << 20) as file:
        file.create_dataset("tas", data=np.arange(1000.0), chunks=(100,))
    array, fs = opened(monkeypatch, path)
    assert array.max() == 999
    assert len(fs.rounds) <= 4


def test_a_file_that_changed_while_it_was_opened_is_noticed(monkeypatch, tmp_path):
    path = tmp_path / "tas.nc"
    write_netcdf4(path, attrs=False, unlimited=True, chunks=10)
    array, fs = opened(monkeypatch, path)
    fs.objects["bucket/tas.nc"] += b"!"
    with pytest.raises(SourceChanged):
        array.mean()


@settings(max_examples=150)
@given(st.data())
def test_damage_anywhere_is_refused_or_read_as_it_is_near(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "a.h5"
    libver = data.draw(st.sampled_from(["earliest", "latest"]))
    maxshape = data.draw(st.sampled_from([(None, 12), (None, None), (24, 12)]))
    with h5py.File(path, "w", libver=libver, track_order=True) as file:
        for number in range(12):  # so many are not stored in the header
            dataset = file.create_dataset(
                f"v{number}", (24, 12), "i2", chunks=(2, 2), maxshape=maxshape
            )
            dataset.attrs.update({f"a{n}": n for n in range(12)})
        file["v5"][:] = 1
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    def described(fs, name):
        try:
            with NetCDF4Reader(fs, name) as reader:
                info = reader.array("v5")
        except ActiveCoreError as error:
            return type(error)
        coords = np.argwhere(np.ones((12, 6), dtype=bool))
        located = info.index.locate(coords)
        return info.shape, located.offsets.tolist(), located.sizes.tolist()

    fs = FarFileSystem({"a.h5": bytes(content)})
    assert described(fs, "a.h5") == described(LOCAL, str(path))


# --- the pieces ---------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_intervals_hold_what_was_put(pieces):
    content, held, known = bytes(range(100)), Intervals(), set()
    for start, length in pieces:
        gaps = held.missing(start, start + length)
        missing = [n for first, stop in gaps for n in range(first, stop)]
        assert missing == [n for n in range(start, start + length) if n not in known]
        held.put(start, content[start : start + length])
        known.update(range(start, start + length))
        assert held.get(start, start + length) == content[start : start + length]
    assert held.nbytes == len(known)
    for start in range(80):
        if set(range(start, start + 5)) <= known:
            assert held.get(start, start + 5) == content[start : start + 5]
        else:
            with pytest.raises(LookupError):
                held.get(start, start + 5)


def test_ranges_are_joined_over_small_gaps_only():
    assert merged([(20, 30), (0, 5), (7, 9), (9, 9), (25, 40)], 2) == [(0, 9), (20, 40)]
    assert merged([(0, 5), (8, 9)], 2) == [(0, 5), (8, 9)]


def test_a_filesystem_that_remembers_is_the_inner_one_elsewhere(tmp_path):
    fs = FarFileSystem({"b/x": b"0123456789", "b/y": b"other"})
    near = remembering(fs, "b/x")
    assert near.cat_file("b/x", start=-3) == b"789"
    assert near.cat_ranges(["b/x", "b/x"], [0, 4], [2, None]) == [b"01", b"456789"]
    with near.open("b/x") as file:
        assert file.seek(-4, 2) == 6
        assert file.read(2) == b"67"
        assert file.read() == b"89"
    assert len(fs.rounds) == 2
    assert near.info("b/x")["size"] == 10
    assert (near.isfile("b/x"), near.exists("b/z")) == (True, False)
    assert near.cat_file("b/y") == b"other"
    assert near.ls("b", detail=False) == ["b/x", "b/y"]
    assert isinstance(pickle.loads(pickle.dumps(near)), FarFileSystem)
    assert remembering(LOCAL, str(tmp_path)) is LOCAL
