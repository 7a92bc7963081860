"""What the reader says of netCDF4 and HDF5 files, against netCDF4-python and h5py."""

import errno
import logging
import os
import pickle
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hdf5_files import LOCAL, assemble, describe

from activecore.errors import (
    AuthenticationError,
    BackendError,
    SourceError,
    SourceNotFound,
    UnsupportedCodec,
    UnsupportedDtype,
    UnsupportedFormat,
    VariableNotFound,
)
from activecore.model import ABSENT, Missing, source_version
from activecore.readers.hdf5 import storage as hdf5_storage
from activecore.readers.netcdf4 import NetCDF4Reader

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
REAL_FILES = sorted(DATA.glob("*.nc"))


def open_reader(path, **how):
    return NetCDF4Reader(LOCAL, str(path), **how)


def all_variables(group, path=""):
    """Every variable that netCDF4-python shows, groups after their parents."""
    found = {f"{path}{name}": variable for name, variable in group.variables.items()}
    for name, below in group.groups.items():
        found.update(all_variables(below, f"{path}{name}/"))
    return found


def assert_same_attribute(found, expected):
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype
        assert found.dtype.isnative


def assert_shown_as_by_netcdf4(path):
    with open_reader(path) as reader, netCDF4.Dataset(path) as file:
        expected = all_variables(file)
        found = reader.variables()
        assert list(found) == list(expected)
        for name, variable in expected.items():
            info = found[name]
            assert info.name == name
            assert info.shape == variable.shape, name
            assert info.dims == variable.dimensions, name
            assert list(info.attrs) == variable.ncattrs(), name
            for key in variable.ncattrs():
                assert_same_attribute(info.attrs[key], variable.getncattr(key))
            array = reader.array(name)
            assert (array.name, array.shape, array.dims, array.dtype) == (
                (info.name, info.shape, info.dims, info.dtype)
            )
            chunks = variable.chunking()
            assert array.chunks == (None if chunks == "contiguous" else tuple(chunks))


# --- what netCDF shows --------------------------------------------------------------


@pytest.mark.skipif(not REAL_FILES, reason="the real files are not here")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.stem)
def test_real_files_are_shown_as_netcdf4_python_shows_them(path):
    assert NetCDF4Reader.recognises(LOCAL, str(path), path.read_bytes()[:4096])
    assert_shown_as_by_netcdf4(path)


def test_groups_scales_and_coordinates_are_shown_as_netcdf4_python_shows_them(
    tmp_path,
):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("y", 3)
        file.createDimension("x", 4)
        file.createDimension("bounds", 2)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5)
        file.createVariable("y", "f4", ("y",))
        file.createVariable("x", "f4", ("x", "bounds"))  # a scale of two dimensions
        file.createVariable("bounds", "i4", ("y", "x"))  # named like a dimension
        file.createVariable("tas", "i2", ("time", "y", "x"))[:2] = 1
        file.createVariable("square", "i2", ("y", "y"))
        file.createVariable("scalar", "f8", ())[:] = 3
        inner = file.createGroup("forecast")
        inner.createVariable("tas", "f4", ("time", "x"))[:] = 1
        deep = inner.createGroup("day")
        deep.createDimension("x", 7)
        deep.createVariable("pr", "f4", ("x", "y"))
        deep.createVariable("x", "f4", ("x",))
        file.createGroup("empty")
    assert_shown_as_by_netcdf4(path)
    with h5py.File(path) as file:
        assert "_nc4_non_coord_bounds" in file


def test_a_dimension_alone_is_not_a_variable(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", 3)
        file.createVariable("v", "f4", ("y",))
    with open_reader(path) as reader:
        assert list(reader.variables()) == ["v"]
        with pytest.raises(VariableNotFound, match="'y' .* is a dimension"):
            reader.array("y")


def test_dimensions_are_made_up_as_netcdf4_python_makes_them_up(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros((3, 4))
        file["b"] = np.zeros((4, 4, 3))
        file.create_dataset("c", (3, 5), "f4", chunks=(1, 5), maxshape=(None, 5))
        file["d"] = np.zeros(5)
        file["scalar"] = 1.0
        file["g/a"] = np.zeros((3, 3))
        file["g/h/a"] = np.zeros((5, 3))
        scale = file.create_dataset("level", data=np.zeros(6))
        scale.make_scale("level")
        file["e"] = np.zeros((6, 4))
        file["f"] = np.zeros((6, 6))
        file["f"].dims[0].attach_scale(scale)
        file["f"].dims[1].attach_scale(scale)
    assert_shown_as_by_netcdf4(path)


def test_a_variable_with_scales_on_some_dimensions_is_shown_all_the_same(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["y"] = np.zeros(3)
        file["y"].make_scale("y")
        file["v"] = np.zeros((3, 4))
        file["v"].dims[0].attach_scale(file["y"])
        file["w"] = np.zeros(2)
    with open_reader(path) as reader:
        assert reader.variables()["v"].dims[0] == "y"
        assert reader.variables()["v"].shape == (3, 4)
        assert reader.variables()["w"].dims == ("phony_dim_1",)


def test_of_several_scales_the_last_names_the_dimension(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.zeros(3)
        for name in ("one", "two"):
            file[name] = np.zeros(3)
            file[name].make_scale(name)
            file["v"].dims[0].attach_scale(file[name])
    assert describe(path, "v").dims == ("two",)
    assert_shown_as_by_netcdf4(path)


@pytest.mark.parametrize("fill", [None, -5, False])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "f4"])
def test_a_variable_is_as_long_as_its_unlimited_dimension(tmp_path, fill, dtype):
    path = tmp_path / "a.nc"
    if dtype == "u1" and fill == -5:
        fill = 5
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        kind = {"fill_value": fill, "chunksizes": (4, 2)}
        short = file.createVariable("short", dtype, ("time", "x"), **kind)
        short[:6] = np.arange(18).reshape(6, 3)
        file.createVariable("nothing", dtype, ("time", "x"), **kind)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(11)
        file.createGroup("g").createVariable("late", dtype, ("time",))[:2] = 1
    with netCDF4.Dataset(path) as file:
        for name in ("short", "nothing", "g/late"):
            info = pickle.loads(pickle.dumps(describe(path, name)))
            expected = file[name][...]
            assert info.shape == expected.shape
            found = assemble(info)
            mask = np.ma.getmaskarray(found).copy()
            for value in info.layouts[0].missing.values:
                mask |= found.data == value
            np.testing.assert_array_equal(mask, np.ma.getmaskarray(expected))
            np.testing.assert_array_equal(found.data[~mask], expected.data[~mask])


def test_an_index_does_not_hold_a_large_part_of_the_array(tmp_path, monkeypatch):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        how = {"fill_value": False, "chunksizes": (4,)}
        file.createVariable("v", "i4", ("time",), **how)[:6] = 1
        file.createVariable("time", "f8", ("time",))[:] = np.arange(11)
    assert len(describe(path, "v").index.edges) == 1
    monkeypatch.setattr(hdf5_storage, "_INLINE_BYTES", 15)
    with pytest.raises(UnsupportedFormat, match="'v' is shorter"):
        describe(path, "v")


def test_what_lies_beyond_several_unlimited_dimensions_is_fill(tmp_path):
    # netCDF4-python returns memory that nobody wrote here.
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name in ("t", "u"):
            file.createDimension(name, None)
            count = {"t": 9, "u": 7}[name]
            file.createVariable(name, "f8", (name,))[:] = np.arange(count)
        short = file.createVariable("v", "f4", ("u", "t"), chunksizes=(2, 4))
        short[:3, :5] = np.arange(15).reshape(3, 5)
    found = assemble(describe(path, "v"))
    expected = np.full((7, 9), netCDF4.default_fillvals["f4"], "f4")
    expected[:3, :5] = np.arange(15).reshape(3, 5)
    np.testing.assert_array_equal(found.data, expected)


def test_attributes_have_the_types_that_netcdf4_python_gives_them(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        variable = file.createVariable("v", "f4", ())
        variable.units = "K"
        variable.greek = "\N{GREEK SMALL LETTER MU}m"
        variable.empty = ""
        variable.setncattr_string("text", "a string")
        variable.texts = ["one", "two"]
        variable.missing_value = np.float32(1e20)
        variable.integer = np.int16(3)
        variable.plain = 7
        variable.several = np.array([1, 2, 3], "i1")
        variable.one_of_several = np.array([4], "u8")
        variable.large = np.arange(20000)
    assert_shown_as_by_netcdf4(path)


def test_attributes_written_by_other_means_are_shown_too(tmp_path, caplog):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["v"] = 1.0
        attrs = file["v"].attrs
        attrs["big"] = np.array([1, 2], ">i4")
        attrs["one"] = np.array([5], ">f8")
        attrs["fixed"] = np.bytes_(b"fixed")
        attrs["latin"] = np.bytes_(b"\xe9t\xe9")
        attrs["fixeds"] = np.array([b"one", b"three"])
        attrs["flag"] = True
        attrs["nothing"] = h5py.Empty("f4")
        attrs["no_text"] = h5py.Empty("S5")
        attrs["reference"] = file["v"].ref
        attrs["record"] = np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])
        attrs["_FillValue"] = np.bytes_(b"x")
    with caplog.at_level(logging.DEBUG, logger="activecore"):
        shown = describe(path, "v").attrs
    assert_same_attribute(shown["big"], np.array([1, 2], "i4"))
    assert_same_attribute(shown["one"], np.float64(5))
    assert shown["fixed"] == "fixed"
    assert shown["latin"] == "\N{REPLACEMENT CHARACTER}t\N{REPLACEMENT CHARACTER}"
    assert shown["fixeds"] == ["one", "three"]
    assert shown["flag"] == 1
    assert len(shown["nothing"]) == 0
    assert shown["no_text"] == ""
    assert shown["_FillValue"] == b"x"
    assert "reference" not in shown
    assert "record" not in shown
    assert "'record' of '/v'" in caplog.text
    pickle.dumps(shown)


# --- rules, packing, versions -------------------------------------------------------


def test_rules_and_packing_are_in_the_layouts(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 6)
        packed = file.createVariable(
            "v", ">i2", ("x",), fill_value=-9, endian="big", chunksizes=(4,), zlib=True
        )
        packed.scale_factor = np.float32(0.5)
        packed.valid_range = np.array([0, 100], "i2")
        file.createVariable("off", "i1", ("x",), fill_value=False)
        file.createVariable("on", "i1", ("x",))
    info = describe(path, "v")
    assert info.dtype == np.dtype("i2")
    assert info.layouts[0].dtype == np.dtype(">i2")
    assert info.layouts[0].fill_value == -9
    assert info.layouts[0].missing == Missing(
        (np.int16(-9),), np.int16(0), np.int16(100)
    )
    assert info.packing.dtype == np.dtype("f4")
    assert not info.layouts[0].absent_is_fill
    off, on = describe(path, "off").layouts[0], describe(path, "on").layouts[0]
    assert (off.missing, off.fill_value) == (Missing(), None)
    assert (on.missing, on.fill_value) == (Missing((np.int8(-127),)), -127)


def test_a_fill_value_that_hdf5_does_not_define_means_missing(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2,))
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT32, space, plist)
        file.create_dataset("zero", (4,), "i4", chunks=(2,))
    assert describe(path, "v").layouts[0].fill_value is None
    assert describe(path, "zero").layouts[0].fill_value == 0
    located = describe(path, "v").index.locate(np.array([[0], [1]]))
    assert located.layouts.tolist() == [ABSENT, ABSENT]


def test_the_version_is_that_of_the_file_when_it_was_opened(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.arange(3)
    before = source_version(LOCAL.info(str(path)))
    with open_reader(path) as reader:
        os.utime(path, (1, 1))
        info = reader.array("v")
    assert info.version == before != source_version(LOCAL.info(str(path)))
    assert info.version_source == info.source == str(path)


def test_a_file_that_somebody_writes_to_can_be_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["v"] = np.arange(3)
        file.flush()
        assert describe(path, "v").shape == (3,)


# --- names --------------------------------------------------------------------------


@pytest.fixture
def grouped(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createVariable("tas", "f4", ("x",))
        file.createVariable("pr", "f4", ("x",))
        group = file.createGroup("forecast")
        group.createVariable("tas", "f8", ("x",))
    return path


@pytest.mark.parametrize("name", ["forecast/tas", "/forecast/tas"])
def test_groups_are_part_of_names(grouped, name):
    info = describe(grouped, name)
    assert info.name == "forecast/tas"
    assert info.dtype == np.dtype("f8")


def test_a_group_may_be_opened_by_itself(grouped):
    with open_reader(grouped, group="/forecast") as reader:
        assert list(reader.variables()) == ["tas"]
        assert reader.array("tas").dims == ("x",)
        assert reader.array("/tas").dtype == np.dtype("f8")


@pytest.mark.parametrize("group", ["/nowhere", "/forecast/day", "tas"])
def test_an_unknown_group_is_refused(grouped, group):
    with pytest.raises(VariableNotFound, match="group"):
        open_reader(grouped, group=group)


def test_an_unknown_variable_names_close_ones(grouped):
    with pytest.raises(VariableNotFound, match="did you mean 'forecast/tas'") as caught:
        describe(grouped, "forcast/tas")
    assert isinstance(caught.value, KeyError)
    assert str(grouped) in str(caught.value)
    with pytest.raises(VariableNotFound, match="'tas'"):
        describe(grouped, "tsa")


@pytest.mark.parametrize("name", ["forecast", "", "/"])
def test_a_group_is_no_variable(grouped, name):
    with pytest.raises(VariableNotFound, match="group"):
        describe(grouped, name)


def test_a_variable_has_nothing_below_it(grouped):
    with pytest.raises(VariableNotFound, match="tas/x"):
        describe(grouped, "tas/x")


def test_a_closed_reader_answers_no_more_but_its_arrays_do(grouped):
    reader = open_reader(grouped)
    info = reader.array("tas")
    reader.close()
    reader.close()
    assert info.index.locate(np.array([[0]])).layouts.tolist() == [ABSENT]
    for ask in (reader.variables, lambda: reader.array("tas")):
        with pytest.raises(SourceError, match="closed"):
            ask()


# --- links --------------------------------------------------------------------------


def test_soft_links_are_followed_within_the_file(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["g/v"] = np.arange(3)
        file["alias"] = h5py.SoftLink("/g/v")
        file["g/beside"] = h5py.SoftLink("v")
        file["other"] = h5py.SoftLink("g")
        file["again"] = h5py.SoftLink("/alias")
    with open_reader(path) as reader:
        for name in ("alias", "g/beside", "other/v", "other/beside", "again"):
            assert reader.array(name).shape == (3,)
        # A group that has two names is listed once.
        assert set(reader.variables()) == {"alias", "again", "g/v", "g/beside"}


def test_links_to_other_files_are_refused_and_hide_nothing(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["v"] = file["g/v"] = np.arange(3)
    with h5py.File(path, "w") as file:
        file["own"] = np.arange(3)
        file["v"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "/v")
        file["g"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "/g")
        file["soft"] = h5py.SoftLink("/g/v")
    with open_reader(path) as reader:
        assert list(reader.variables()) == ["own"]
        for name in ("v", "g/v", "soft"):
            with pytest.raises(UnsupportedFormat, match="link to another file"):
                reader.array(name)


def test_links_to_nowhere_and_in_circles_hide_nothing(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["own"] = np.arange(3)
        file["nowhere"] = h5py.SoftLink("/not/there")
        file["left"] = h5py.SoftLink("/right")
        file["right"] = h5py.SoftLink("/left")
        file["g/up"] = h5py.SoftLink("/")
        file["g/self"] = file["/g"]
        file["g/v"] = np.arange(2)
    with open_reader(path) as reader:
        assert set(reader.variables()) == {"own", "g/v"}
        assert reader.array("g/self/self/up/g/v").shape == (2,)
        with pytest.raises(VariableNotFound, match="nowhere"):
            reader.array("nowhere")
        with pytest.raises(UnsupportedFormat, match="circles"):
            reader.array("left")


# --- what holds no numbers ----------------------------------------------------------


@pytest.fixture
def zoo(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["text"] = ["a", "bc"]
        file["chars"] = np.array([b"a", b"b"], "S1")
        file["fixed"] = np.array([b"ab", b"cd"])
        file["record"] = np.zeros(3, [("a", "f4"), ("b", "i4")])
        file["complex"] = np.zeros(3, "c8")
        file["opaque"] = np.zeros(3, "V5")
        file.create_dataset("ragged", (3,), h5py.vlen_dtype("i4"))
        file.create_dataset("references", (2,), h5py.ref_dtype)
        file.create_dataset("arrays", (2,), np.dtype(("f4", (3,))))
        file["scalar text"] = "hello"
        file["null"] = h5py.Empty("f4")
        file["times"] = np.arange(3)
        space = h5py.h5s.create_simple((2,))
        h5py.h5d.create(file.id, b"time type", h5py.h5t.UNIX_D32LE, space)
    return path


def test_everything_is_listed(zoo):
    with open_reader(zoo) as reader, h5py.File(zoo) as file:
        variables = reader.variables()
        assert list(variables) == list(file)
        assert variables["time type"].dtype == np.dtype(object)
        assert variables["chars"].dtype == np.dtype("S1")
        assert variables["null"].shape == ()


@pytest.mark.parametrize(
    "name",
    [
        "text", "chars", "fixed", "record", "complex", "opaque", "ragged",
        "references", "scalar text", "time type", "arrays",
    ],
)  # fmt: skip
def test_what_holds_no_numbers_has_no_layout(zoo, name):
    info = describe(zoo, name)
    assert info.layouts == ()
    with pytest.raises(UnsupportedDtype):
        info.index.locate(np.zeros((1, len(info.shape)), np.int64))
    pickle.dumps(info)


def test_a_null_dataspace_is_refused(zoo):
    with pytest.raises(UnsupportedFormat, match="'null' .*null dataspace"):
        describe(zoo, "null")


def test_the_filter_of_numbers_of_any_width_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"v", kind, space, plist)
    with pytest.raises(UnsupportedCodec, match="'v' .*n-bit"):
        describe(path, "v")


# --- what is no such file -----------------------------------------------------------


def test_a_superblock_is_found_behind_any_user_block():
    fs = MemoryFileSystem()
    for before in (0, 512, 1024, 2048, 4096, 8192, 65536):
        data = bytes(before) + b"\x89HDF\r\n\x1a\n" + bytes(100)
        fs.pipe("/a", data)
        assert NetCDF4Reader.recognises(fs, "/a", data[:4096])
    for before in (1, 256, 513, 1536, 3 * 4096):
        data = bytes(before) + b"\x89HDF\r\n\x1a\n" + bytes(9000)
        fs.pipe("/a", data)
        assert not NetCDF4Reader.recognises(fs, "/a", data[:4096])


@pytest.mark.parametrize("head", [b"", b"x", b"CDF\x01", b"hello" * 1000, b"\x89HDF"])
def test_other_content_is_not_recognised(head):
    fs = MemoryFileSystem()
    fs.pipe("/a.nc", head)
    assert not NetCDF4Reader.recognises(fs, "/a.nc", head[:4096])


def test_little_is_read_of_what_is_somebody_elses():
    class Counting(MemoryFileSystem):
        cachable = False
        asked = 0

        def cat_file(self, path, start=None, end=None, **how):
            type(self).asked += end - start
            return super().cat_file(path, start=start, end=end, **how)

    fs = Counting()
    fs.pipe("/a", bytes(1 << 20))
    assert not NetCDF4Reader.recognises(fs, "/a", bytes(4096))
    assert Counting.asked <= 8 * 9
    fs.pipe("/b", bytes(3000))
    assert not NetCDF4Reader.recognises(fs, "/b", bytes(3000))
    assert Counting.asked <= 8 * 9


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(SourceNotFound, match=r"nothing at .*no\.nc") as caught:
        open_reader(tmp_path / "no.nc")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(UnsupportedFormat, match="directory"):
        open_reader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"CDF\x01\0\0\0\0", bytes(9000)])
def test_other_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.nc"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormat, match=r"a\.nc") as caught:
        open_reader(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [8, 40, 100, 500, 1500, 3000])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_truncated_files_are_refused_in_one_line(tmp_path, libver, kept):
    path = tmp_path / "a.nc"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("v", data=np.arange(1000), chunks=(10,))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnsupportedFormat, match=r"a\.nc") as caught:
        describe(path, "v")
    assert "\n" not in str(caught.value)


def test_damaged_metadata_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.nc"
    with h5py.File(path, "w", libver="latest") as file:
        file["v"] = np.arange(10)
        place = h5py.h5o.get_info(file["v"].id).addr
        file["w"] = np.arange(10)
    data = bytearray(path.read_bytes())
    data[place + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UnsupportedFormat, match=r"a\.nc.*checksum") as caught:
        describe(path, "v")
    assert "\n" not in str(caught.value)
    assert describe(path, "w").shape == (10,)


class Failing(MemoryFileSystem):
    """Fails to read the middle of a file, if it is told to.

    Each failure is a new error. One that the file held on to would hold, in its frames,
    HDF5's objects, which hold the file: HDF5 dies of such a circle at exit.
    """

    cachable = False
    make_error = None

    def cat_file(self, path, start=None, end=None, **how):
        size = self.info(path)["size"]
        if self.make_error is not None and start != 0 and end != size:
            raise self.make_error()
        return super().cat_file(path, start=start, end=end, **how)


@pytest.mark.parametrize(
    ("make_error", "kind"),
    [
        (lambda: PermissionError("no"), AuthenticationError),
        (lambda: FileNotFoundError("gone"), SourceNotFound),
        (lambda: OSError(errno.EIO, "the disk is on fire"), BackendError),
        (lambda: TimeoutError("too late"), BackendError),
    ],
)
def test_a_failing_filesystem_is_not_a_damaged_file(tmp_path, make_error, kind):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["before"] = np.zeros(1 << 20)
        for number in range(100):
            file[f"v{number}"] = np.arange(3)
        file["behind"] = np.zeros(1 << 20)
    fs = Failing()
    fs.pipe("/a.h5", path.read_bytes())
    with NetCDF4Reader(fs, "/a.h5") as reader:
        fs.make_error = make_error
        with pytest.raises(kind) as caught:
            reader.array("v50")
    assert type(caught.value) is kind
    assert repr(caught.value.__cause__) == repr(make_error())


def test_a_file_is_read_through_any_filesystem(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("v", data=np.arange(40), chunks=(10,), compression=1)
    fs = MemoryFileSystem()
    fs.pipe("/dir/a.h5", path.read_bytes())
    with NetCDF4Reader(fs, "/dir/a.h5") as reader:
        here = reader.array("v").index.locate(np.arange(4)[:, np.newaxis])
    there = describe(path, "v").index.locate(np.arange(4)[:, np.newaxis])
    np.testing.assert_array_equal(here.offsets, there.offsets)
    assert set(here.sources) == {"/dir/a.h5"}
