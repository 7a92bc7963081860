"""The netCDF classic reader against netCDF4-python and against the bytes themselves."""

import os
import pickle
import tracemalloc
import warnings
from itertools import pairwise
from pathlib import Path

import fsspec
import iris_sample_data
import netCDF4
import numpy as np
import pytest
from classic_files import (
    FORMATS,
    decode_chunks,
    dtypes_of,
    header,
    read_raw,
    some_values,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import activecore as ac
from activecore.errors import (
    ActiveCoreError,
    ChunkReadError,
    SourceChanged,
    SourceError,
    SourceNotFound,
    UnsupportedDtype,
    UnsupportedFormat,
    VariableNotFound,
)
from activecore.readers import classic, classic_words
from activecore.readers.choose import builtin_readers, find_reader, head_of
from activecore.readers.classic import ClassicReader
from activecore.readers.contiguous import ContiguousIndex

LOCAL = fsspec.filesystem("file")


def reader_of(path):
    return ClassicReader(LOCAL, str(path))


def describe(path, name):
    with reader_of(path) as reader:
        return reader.array(name)


def spell(path, **parts):
    path.write_bytes(header(**parts))
    return path


def refuses(path, match, error=UnsupportedFormat, name=None):
    with pytest.raises(error, match=match) as caught:
        describe(path, name) if name is not None else reader_of(path)
    assert "\n" not in str(caught.value)


# -- where the bytes lie ---------------------------------------------------------------


@pytest.mark.parametrize("version", FORMATS)
def test_every_dtype_lies_where_the_index_says(tmp_path, version):
    path = tmp_path / "x.nc"
    variables = {
        f"{dtype}_{kind}": (dtype, kind.startswith("rec"), rest)
        for dtype in dtypes_of(version)
        for kind, rest in {
            "scalar": (),
            "fixed": (3, 5),
            "record": (),
            "records": (5,),
        }.items()
    }
    written = write(path, version, variables)
    for name, values in written.items():
        info = describe(path, name)
        decoded = decode_chunks(info)
        np.testing.assert_array_equal(decoded, values)
        np.testing.assert_array_equal(decoded, read_raw(path, name))
        assert info.layouts[0].dtype == np.dtype(variables[name][0]).newbyteorder(">")
        assert info.dtype == np.dtype(variables[name][0])
        assert info.shape == values.shape


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mixture_of_variables_lies_where_the_index_says(tmp_path_factory, data):
    version = data.draw(st.sampled_from(FORMATS))
    kinds = st.tuples(
        st.sampled_from([*dtypes_of(version), "S1"]),
        st.booleans(),
        st.lists(st.integers(1, 7), max_size=3),
    )
    drawn = data.draw(st.lists(kinds, min_size=1, max_size=6))
    variables = {f"v{number}": kind for number, kind in enumerate(drawn)}
    path = tmp_path_factory.mktemp("mix") / "x.nc"
    records = data.draw(st.integers(0, 4))
    written = write(path, version, variables, records=records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            classic, "CELL_BYTES", data.draw(st.sampled_from([1, 24, 4 << 20]))
        )
        reader = reader_of(path)
        assert list(reader.variables()) == list(variables)
        for name, values in written.items():
            info = reader.array(name)
            assert info.shape == values.shape
            if values.dtype.kind == "S":
                assert info.layouts == ()
            else:
                np.testing.assert_array_equal(decode_chunks(info), values)


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "f8"])
@pytest.mark.parametrize("length", [1, 3, 4])
def test_records_of_one_variable_are_not_padded_and_are_one_piece(
    tmp_path, version, dtype, length
):
    path = tmp_path / "x.nc"
    written = write(
        path, version, {"f": ("i1", False, (3,)), "v": (dtype, True, (length,))},
        records=7,
    )  # fmt: skip
    info = describe(path, "v")
    assert isinstance(info.index, ContiguousIndex)
    assert info.chunks is None
    np.testing.assert_array_equal(decode_chunks(info), written["v"])


def test_records_of_several_variables_are_padded_and_are_chunks(tmp_path):
    path = tmp_path / "x.nc"
    variables = {"a": ("i1", True, (3,)), "b": ("i2", True, (1,))}
    written = write(path, FORMATS[0], variables, records=5)
    for name, chunks in {"a": (1, 3), "b": (1, 1)}.items():
        info = describe(path, name)
        assert info.chunks == info.index.chunk_shape == chunks
        located = info.index.locate(np.array([[0, 0], [1, 0], [4, 0]]))
        assert np.diff(located.offsets).tolist() == [8, 24]
        np.testing.assert_array_equal(decode_chunks(info), written[name])


def test_large_records_are_cut_into_virtual_chunks(tmp_path, monkeypatch):
    path = tmp_path / "x.nc"
    variables = {"a": ("f4", True, (5, 6, 7)), "b": ("i2", True, ())}
    written = write(path, FORMATS[1], variables, records=2)
    monkeypatch.setattr(classic, "CELL_BYTES", 2 * 42 * 4)
    info = describe(path, "a")
    assert info.chunks == (1, 5, 6, 7)
    assert info.index.chunk_shape == (1, 2, 6, 7)
    assert [layout.shape for layout in info.layouts] == [(1, 2, 6, 7), (1, 1, 6, 7)]
    np.testing.assert_array_equal(decode_chunks(info), written["a"])


def test_large_fixed_variables_are_cut_into_chunks_of_four_mebibytes(tmp_path):
    path = tmp_path / "x.nc"
    parts = [("v", (0, 1), 5, 100)]
    spelt = header(dims=[("y", 3000), ("x", 1000)], variables=parts)
    with path.open("wb") as file:
        file.write(spelt)
        file.truncate(100 + 3000 * 1000 * 4)
    info = describe(path, "v")
    assert info.chunks is None
    assert info.index.chunk_shape == (1048, 1000)
    assert [layout.shape for layout in info.layouts] == [(1048, 1000), (904, 1000)]


@pytest.mark.parametrize("version", FORMATS)
def test_no_records_and_scalars(tmp_path, version):
    path = tmp_path / "x.nc"
    variables = {
        "r": ("f4", True, (2,)),
        "time": ("f8", True, ()),
        "s": ("i2", False, ()),
    }
    written = write(path, version, variables, records=0)
    assert describe(path, "r").shape == (0, 2)
    assert describe(path, "time").shape == (0,)
    scalar = describe(path, "s")
    assert scalar.shape == scalar.index.chunk_shape == ()
    assert decode_chunks(scalar) == written["s"]
    for name in variables:
        array = ac.open(path, name, backend="posix")
        assert array.count() == (0 if name != "s" else 1)
        assert (array.sum() is np.ma.masked) == (name != "s")


@pytest.mark.parametrize("version", [2, 5])
def test_places_beyond_four_gibibytes(tmp_path, version):
    # CDF-1 and CDF-2 have room for 2**32 bytes in the size that they note of variables.
    large = 3 << 30
    first, second, records = 4096, 4096 + large, 4096 + 2 * large
    path = spell(
        tmp_path / "x.nc", version=version, records=3,
        dims=[("t", 0), ("z", 3 << 10), ("y", 1 << 10), ("x", 1 << 8)],
        variables=[
            ("a", (1, 2, 3), 5, first), ("b", (1, 2, 3), 5, second),
            ("r", (0, 3), 3, records), ("s", (0, 3), 3, records + 512),
        ],
    )  # fmt: skip
    with path.open("r+b") as file:
        file.seek(records - 1024)
        file.write(np.arange(256, dtype=">f4").tobytes())
        file.seek(records + 2 * 1024 + 512)  # and all the rest is sparse
        file.write(np.arange(256, dtype=">i2").tobytes())
    with netCDF4.Dataset(path) as ds:
        assert ds["b"][-1, -1].sum() == ds["s"][-1].sum() == 255 * 128
    a, b, s = (ac.open(path, name, backend="posix") for name in "abs")
    assert b[-1, -1].sum() == s[-1].sum() == 255 * 128
    assert b[-1, -2].max() == a[-1, -1].max() == s[1].max() == 0


# -- what is said of a variable --------------------------------------------------------


def test_attributes_are_those_that_netcdf4_shows(tmp_path):
    path = tmp_path / "x.nc"
    attrs = {
        "text": "é\0x",
        "empty": "",
        "none": np.array([], "f4"),
        "one": np.int8(3),
        "long_name": "abcde",
        "of_one": np.array([7], "i2"),
        "three": np.array([1, 2, 3], "i2"),
        "double": np.float64(0.1),
        "NAME": "nothing is hidden",
    }
    for version in FORMATS:
        write(path, version, {"v": ("i1", False, (2,))}, attrs={"v": attrs})
        found = reader_of(path).variables()["v"].attrs
        with netCDF4.Dataset(path) as ds:
            shown = {key: ds["v"].getncattr(key) for key in ds["v"].ncattrs()}
        assert list(found) == list(shown)
        for key, value in shown.items():
            assert type(found[key]) is type(value)
            assert np.asarray(found[key]).dtype == np.asarray(value).dtype
            np.testing.assert_array_equal(found[key], value)


def test_attributes_of_new_types(tmp_path):
    path = tmp_path / "x.nc"
    attrs = {
        dtype: some_values(dtype, n, seed=n)
        for n, dtype in enumerate(dtypes_of(FORMATS[2]), 1)
    }
    write(path, FORMATS[2], {"v": ("u8", False, (2,))}, attrs={"v": attrs})
    found = describe(path, "v").attrs
    for dtype, value in attrs.items():
        assert np.asarray(found[dtype]).dtype == np.dtype(dtype)
        np.testing.assert_array_equal(
            found[dtype], value if value.size > 1 else value[0]
        )


def test_a_listing_shows_names_dims_shapes_and_dtypes(tmp_path):
    path = tmp_path / "x.nc"
    variables = {
        "grün": ("i2", False, (2, 2)),
        "uns": ("i2", True, (3,)),
        "name": ("S1", True, (4,)),
    }
    write(path, FORMATS[0], variables, attrs={"uns": {"_Unsigned": "true"}})
    found = reader_of(path).variables()
    assert list(found) == ["grün", "uns", "name"]
    assert found["grün"].dims == ("n2", "n2")
    assert found["uns"].shape == (3, 3)
    assert [variable.dtype.str for variable in found.values()] == ["<i2", "<u2", "|S1"]


def test_text_is_listed_and_refused_by_name(tmp_path):
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w", format=FORMATS[0]) as ds:
        ds.createDimension("x", 4)
        ds.createVariable("name", "S1", ("x",), fill_value=b"-")
    info = describe(path, "name")
    assert info.layouts == ()
    assert info.attrs == {"_FillValue": b"-"}
    with pytest.raises(UnsupportedDtype, match="name"):
        ac.open(path, "name", backend="posix").max()


def test_arrays_outlive_the_reader_and_survive_pickling(tmp_path):
    path = tmp_path / "x.nc"
    variables = {
        "a": ("i4", True, (3,)),
        "b": ("i2", True, (5,)),
        "c": ("f8", False, (3,)),
    }
    written = write(path, FORMATS[2], variables)
    reader = reader_of(path)
    infos = {name: reader.array(name) for name in variables}
    reader.close()
    reader.close()
    for name, info in infos.items():
        again = pickle.loads(pickle.dumps(info))
        np.testing.assert_array_equal(decode_chunks(again), written[name])
        assert again.version == info.version
    for look_up in (reader.variables, lambda: reader.array("a")):
        with pytest.raises(SourceError, match="was closed"):
            look_up()


# -- answers ---------------------------------------------------------------------------


RULES = {
    "nothing": {},
    "fill": {"_FillValue": 3},
    "fill 0": {"_FillValue": 0},
    "missing list": {"missing_value": [1, 3]},
    "range": {"valid_range": [1, 4]},
    "minimum and fill": {"valid_min": 2, "_FillValue": 4},
}


def write_with_rules(path, version, rules, packed):
    """One fixed and one record variable of each dtype, under the same rules."""
    rules = dict(rules)
    fill_value = rules.pop("_FillValue", None)
    with netCDF4.Dataset(path, "w", format=version) as ds:
        ds.createDimension("t", None)
        ds.createDimension("x", 7)
        for dtype in dtypes_of(version):
            values = (np.arange(7) % 5).astype(dtype)
            values[6] = netCDF4.default_fillvals[dtype]
            for name, dims in {"fixed": ("x",), "record": ("t", "x")}.items():
                variable = ds.createVariable(
                    f"{name}_{dtype}", dtype, dims, fill_value=fill_value
                )
                variable.set_auto_maskandscale(False)
                for key, value in rules.items():
                    variable.setncattr(key, np.array(value, dtype))
                if packed:
                    variable.scale_factor = np.float32(-0.5)
                    variable.add_offset = np.float64(10)
                if name == "fixed":
                    variable[...] = values
                else:
                    variable[...] = np.stack([values, values[::-1]])
                    variable[3, 2:] = 2  # what was not written is filled


def assert_same(found, expected, *, rtol=0.0):
    found, expected = np.ma.asarray(found), np.ma.asarray(expected)
    np.testing.assert_array_equal(
        np.ma.getmaskarray(found), np.ma.getmaskarray(expected)
    )
    np.testing.assert_allclose(found.compressed(), expected.compressed(), rtol=rtol)


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("packed", [False, True])
def test_reductions_agree_with_netcdf4_masked_and_scaled(
    tmp_path, version, rules, packed
):
    path = tmp_path / "x.nc"
    write_with_rules(path, version, rules, packed)
    with netCDF4.Dataset(path) as ds:
        for name in ds.variables:
            expected = ds[name][...]
            array = ac.open(path, name, backend="posix")
            read = array.read()
            assert read.dtype == expected.dtype
            assert_same(read, expected)
            for axis in (None, 0, expected.ndim - 1):
                assert_same(array.count(axis=axis), expected.count(axis=axis))
                assert_same(array.min(axis=axis), expected.min(axis=axis))
                assert_same(array.max(axis=axis), expected.max(axis=axis))
                mean = expected.astype("f8").mean(axis=axis)
                assert_same(array.mean(axis=axis), mean, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4"])
def test_unsigned_storage_agrees_with_netcdf4(tmp_path, dtype):
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w", format=FORMATS[0]) as ds:
        ds.createDimension("x", 5)
        variable = ds.createVariable("v", dtype, ("x",), fill_value=-2)
        variable.set_auto_maskandscale(False)
        variable.setncatts({"_Unsigned": "true", "scale_factor": np.float32(2)})
        variable[:] = [-1, -2, -3, 0, 1]
    with netCDF4.Dataset(path) as ds:
        expected = ds["v"][...]
    array = ac.open(path, "v", backend="posix")
    assert array.max() == expected.max()
    assert array.count() == expected.count() == 4
    assert array.info.layouts[0].dtype == np.dtype(dtype.replace("i", ">u"))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "f4"])
def test_fill_mode_is_not_in_the_file_so_defaults_mask_even_bytes(tmp_path, dtype):
    path = tmp_path / "x.nc"
    default = netCDF4.default_fillvals[dtype]
    with netCDF4.Dataset(path, "w", format=FORMATS[2]) as ds:
        ds.set_fill_off()
        ds.createDimension("x", 3)
        variable = ds.createVariable("v", dtype, ("x",), fill_value=False)
        variable.set_auto_mask(False)
        variable[:] = [1, 2, default]
    with netCDF4.Dataset(path) as ds:
        assert ds["v"][...].count() == 2
    assert ac.open(path, "v", backend="posix").count() == 2


@pytest.mark.parametrize("threads", [1, 4])
def test_selections_and_axes_of_interleaved_records(tmp_path, threads):
    path = tmp_path / "x.nc"
    variables = {
        "a": ("i2", True, (3, 4)),
        "b": ("i1", True, (5,)),
        "c": ("f8", True, ()),
    }
    written = write(path, FORMATS[0], variables, records=50)
    for name, values in written.items():
        array = ac.open(path, name, backend="posix", threads=threads)
        for key in (slice(None), slice(40, 3, -3), [7, 7, 49, 0], 11):
            picked = values[key]
            with netCDF4.Dataset(path) as ds:
                mask = np.ma.getmaskarray(ds[name][...])[key]
            picked = np.ma.masked_array(picked, mask)
            assert array[key].max() == picked.max()
            wide = "f8" if values.dtype.kind == "f" else "i8"
            np.testing.assert_allclose(array[key].sum(), picked.astype(wide).sum())
            if picked.ndim:
                np.testing.assert_array_equal(
                    array[key].min(axis=0), picked.min(axis=0)
                )


def test_a_file_that_changes_is_noticed(tmp_path):
    path = tmp_path / "x.nc"
    write(path, FORMATS[0], {"v": ("i4", True, (3,)), "w": ("i4", True, (3,))})
    array = ac.open(path, "v", backend="posix")
    with netCDF4.Dataset(path, "a") as ds:
        ds["v"][3] = 1
    with pytest.raises(SourceChanged):
        array.max()


def real_files():
    folder = Path(iris_sample_data.path)
    heads = {path: head_of(LOCAL, str(path)) for path in sorted(folder.rglob("*.nc"))}
    found = [path for path, head in heads.items() if head.startswith(b"CDF")]
    assert len(found) >= 2
    return found


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.stem)
def test_real_files_agree(path):
    with warnings.catch_warnings(), netCDF4.Dataset(path) as ds:
        warnings.simplefilter("ignore")
        dataset = ac.open(path, backend="posix")
        assert dataset.format == "netcdf3"
        assert list(dataset) == list(ds.variables)
        for name, array in dataset.items():
            assert array.info.shape == ds[name].shape
            if array.info.dtype.kind == "S":
                continue
            expected = ds[name][...]
            assert array.count() == np.ma.count(expected)
            read = np.ma.asarray(array.read())
            np.testing.assert_array_equal(read.filled(-1), np.ma.filled(expected, -1))


# -- which files are its business ------------------------------------------------------


def test_files_are_known_by_content_whatever_their_name(tmp_path):
    path = tmp_path / "x.txt"
    write(path, FORMATS[1], {"v": ("i4", True, (3,))})
    with ac.open(path, backend="posix") as dataset:
        assert dataset.format == "netcdf3"
    path = tmp_path / "hdf5.nc"
    with netCDF4.Dataset(path, "w"):
        pass
    assert not ClassicReader.recognises(LOCAL, str(path), head_of(LOCAL, str(path)))
    for head in (b"", b"CDF", b"CDF\x03____", b"CDF\x04____", b"\x1f\x8b\x08\x00"):
        assert not ClassicReader.recognises(LOCAL, "x.nc", head)


class Counting(fsspec.implementations.local.LocalFileSystem):
    """Counts the reads of a file."""

    cachable = False

    def __init__(self):
        super().__init__()
        self.reads = []

    def cat_file(self, path, start=None, end=None, **options):
        self.reads.append((start, end))
        return super().cat_file(path, start=start, end=end, **options)


def test_a_file_is_recognised_by_the_head_that_was_read_already(tmp_path):
    path = tmp_path / "x.nc"
    write(path, FORMATS[0], {"v": ("i4", False, (100_000,))})
    fs = Counting()
    head = head_of(fs, str(path))
    assert find_reader(fs, str(path), head, builtin_readers()) is ClassicReader
    assert len(fs.reads) == 1


def test_a_header_is_read_in_one_go_and_a_long_one_in_few(tmp_path):
    path = tmp_path / "x.nc"
    fs = Counting()
    write(path, FORMATS[0], {"v": ("i4", False, (100_000,))})
    ClassicReader(fs, str(path))
    assert fs.reads == [(0, 64 << 10)]
    many = {f"v{number}": ("i4", True, (3,)) for number in range(50)}
    attrs = {name: {"history": "x" * 20_000} for name in many}
    written = write(path, FORMATS[2], many, attrs=attrs)
    fs.reads.clear()
    with ClassicReader(fs, str(path)) as reader:
        np.testing.assert_array_equal(
            decode_chunks(reader.array("v49")), written["v49"]
        )
    assert len(fs.reads) == 5
    assert all(before[1] == after[0] for before, after in pairwise(fs.reads))


def test_what_is_not_there_is_named(tmp_path):
    path = tmp_path / "x.nc"
    write(path, FORMATS[0], {"temperature": ("i4", True, (3,))})
    refuses(tmp_path / "y.nc", "there is nothing at", SourceNotFound)
    refuses(tmp_path, "is a directory")
    refuses(path, "did you mean 'temperature'", VariableNotFound, name="temprature")
    assert describe(path, "/temperature").name == "temperature"
    for group in ("", "/"):
        ClassicReader(LOCAL, str(path), group=group)
    with pytest.raises(VariableNotFound, match="have no groups"):
        ClassicReader(LOCAL, str(path), group="forecast")


# -- files that end too early ----------------------------------------------------------


def test_records_of_a_stream_are_counted_by_the_size_of_the_file(tmp_path):
    # The netCDF library takes the mark for a number: 4294967295 records.
    for version, width in zip(FORMATS, (4, 4, 8), strict=True):
        for variables in (
            {"f": ("i4", False, (3,)), "v": ("i1", True, (3,))},
            {
                "f": ("i4", False, (3,)),
                "v": ("i1", True, (3,)),
                "w": ("f8", True, (2,)),
            },
            {"f": ("i4", False, (3,))},
        ):
            path = tmp_path / "x.nc"
            written = write(path, version, variables, records=4)
            raw = bytearray(path.read_bytes())
            raw[4 : 4 + width] = b"\xff" * width
            for part, records in ((raw, 4), (raw[:-4], 3)):
                path.write_bytes(part)
                for name, values in written.items():
                    if values.ndim == 1 and part is not raw and len(variables) == 1:
                        continue
                    expected = values[:records] if variables[name][1] else values
                    if name == "v" and len(variables) == 2 and part is not raw:
                        expected = values[: (12 - 4) // 3]
                    np.testing.assert_array_equal(
                        decode_chunks(describe(path, name)), expected
                    )


def test_a_variable_beyond_the_end_is_refused_and_others_are_not(tmp_path):
    path = tmp_path / "x.nc"
    variables = {"a": ("i4", False, (3,)), "b": ("i4", False, (30,))}
    written = write(path, FORMATS[0], variables)
    path.write_bytes(path.read_bytes()[:-4])
    assert read_raw(path, "b")[-1] == 0  # the netCDF library makes zeros of nothing
    np.testing.assert_array_equal(decode_chunks(describe(path, "a")), written["a"])
    assert set(reader_of(path).variables()) == {"a", "b"}
    refuses(path, r"is cut short: 'b' ends at byte \d+, the file at byte \d+", name="b")


@pytest.mark.parametrize("others", [{}, {"w": ("i2", True, (3,))}], ids=["one", "two"])
def test_an_incomplete_last_record_is_an_error_only_when_it_is_read(tmp_path, others):
    path = tmp_path / "x.nc"
    variables = {"v": ("i4", True, (4,))} | others
    written = write(path, FORMATS[0], variables, records=6)["v"]
    path.write_bytes(path.read_bytes()[: -4 if not others else -12])
    array = ac.open(path, "v", backend="posix")
    assert array.shape == (6, 4)
    assert array[:5].max() == written[:5].max()
    with pytest.raises(
        ChunkReadError, match=r"v chunk \(5, 0\).*the file ends at"
    ) as caught:
        array.max()
    assert str(path) in str(caught.value)
    path.write_bytes(path.read_bytes()[:-32])
    refuses(path, "is cut short: 'v'", name="v")


def test_every_header_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "x.nc"
    for version in FORMATS:
        write(path, version, {"v": ("i4", True, (3,)), "w": ("i2", False, (5,))},
              attrs={"w": {"units": "K", "valid_min": np.float64(1)}})  # fmt: skip
        with reader_of(path) as reader:
            end = reader.array("w").index.offset
        whole = path.read_bytes()
        for length in range(end):
            path.write_bytes(whole[:length])
            refuses(path, "is cut short|more than fit the file")


# -- headers that nobody wrote in good faith -------------------------------------------


def test_the_spelt_headers_of_these_tests_are_those_of_netcdf(tmp_path):
    for version in (1, 2, 5):
        path = spell(
            tmp_path / "x.nc", version=version, records=2,
            dims=[("t", 0), ("x", 3)], attrs=[("title", 2, 2, b"hi\0\0")],
            variables=[("f", (1,), 4, 400, [("a", 3, 1, b"\0\1\0\0")]), ("v", (0, 1), 3, 412)],
            size=500,
        )  # fmt: skip
        with netCDF4.Dataset(path) as ds:
            assert ds.title == "hi"
            assert ds["f"].a == describe(path, "f").attrs["a"] == 1
            assert ds["v"].shape == describe(path, "v").shape == (2, 3)


X = ("x", 3)
BROKEN = {
    "version 3": (b"CDF\x03" + b"\0" * 100, "not a netCDF classic file"),
    "text": (b"hello world", "not a netCDF classic file"),
    "nothing": (b"", "is cut short"),
    "magic alone": (b"CDF\x01", "is cut short"),
    "unknown tag": (header(tags=(9, 12, 11), dims=[X], size=99), "tag 9 in place of 10"),
    "absent list of some": (
        header(tags=(0, 12, 11), dims=[X], size=99), "tag 0 in place of 10",
    ),
    "more entries than bytes": (
        header()[:8] + b"\0\0\0\x0a\xff\xff\xff\xff" + b"\0" * 99,
        "a list of 4294967295 entries",
    ),
    "negative count": (
        header(5, records=b"\xf0" + b"\0" * 7, size=99), "the negative number",
    ),
    "name longer than the file": (
        header(dims=[X]).replace(b"\0\0\0\1x", b"\x7f\xff\xff\xffx"), "is cut short",
    ),
    "type 0": (header(attrs=[("a", 0, 1, b"1234")], size=99), "type 0"),
    "type 12": (header(5, attrs=[("a", 12, 1, b"1234")], size=99), "type 12"),
    "a type of CDF-5 in CDF-2": (
        header(2, variables=[("v", (), 11, 90)], size=99), "type 11",
    ),
    "attribute longer than the file": (
        header(attrs=[("a", 6, 1 << 31, b"")], size=99), "is cut short",
    ),
    "dimension that is not there": (
        header(dims=[X], variables=[("v", (1,), 4, 90)], size=199),
        "'v' with a dimension that is not there",
    ),
    "record dimension second": (
        header(dims=[X, ("t", 0)], variables=[("v", (0, 1), 4, 90)], size=199),
        "a record dimension that is not its first",
    ),
    "too many dimensions": (
        header(dims=[("x", 1)], variables=[("v", (0,) * 1025, 4, 90)], size=5000),
        "'v' with 1025 dimensions",
    ),
    "data in the header": (
        header(dims=[X], variables=[("v", (0,), 4, 40)], size=199), "'v' at byte 40",
    ),
    "data before the file": (
        header(2, variables=[("v", (), 4, -4)], size=199), "the negative number -4",
    ),
    "data in other data": (
        header(dims=[X], variables=[("v", (0,), 4, 120), ("w", (0,), 4, 128)], size=199),
        "'w' at byte 128",
    ),
    "fixed data among records": (
        header(
            dims=[("t", 0)], variables=[("v", (0,), 4, 120), ("w", (), 4, 128)], size=199
        ),
        "'v' at byte 120",
    ),
    "records that reach into the next": (
        header(
            dims=[("t", 0)], variables=[("v", (0,), 4, 120), ("w", (0,), 4, 128)], size=199
        ),
        "'v' at byte 128",
    ),
    "two of a name": (
        header(variables=[("v", (), 4, 120), ("v", (), 4, 124)], size=199),
        "two variables of the same name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "match"), BROKEN.values(), ids=BROKEN)
def test_broken_headers_are_refused_in_one_line(tmp_path, raw, match):
    path = tmp_path / "x.nc"
    path.write_bytes(raw)
    refuses(path, match)


def test_what_the_netcdf_library_overlooks_is_overlooked(tmp_path):
    path = spell(
        tmp_path / "x.nc", dims=[("x\0y", 3)], variables=[("v\0", (0,), 4, 100)], size=120
    )  # fmt: skip
    raw = bytearray(path.read_bytes())
    vsize = raw.rindex(b"\0\0\0\4" + b"\0\0\0\0") + 4
    raw[vsize : vsize + 4] = b"\xff" * 4
    no_attributes = raw.index(b"\0\0\0\x0b") - 8
    raw[no_attributes : no_attributes + 4] = b"\0\0\0\7"
    path.write_bytes(raw)
    with netCDF4.Dataset(path) as ds:
        assert ds["v"].dimensions == describe(path, "v").dims == ("x",)


def test_more_dimensions_than_numpy_has_are_listed_and_refused(tmp_path):
    path = spell(
        tmp_path / "x.nc", dims=[("x", 1)], variables=[("v", (0,) * 64, 4, 900)], size=999
    )  # fmt: skip
    assert len(reader_of(path).variables()["v"].shape) == 64
    refuses(path, "more than 63 dimensions", name="v")


@pytest.mark.parametrize("version", [2, 5])
def test_what_a_header_claims_takes_no_memory(tmp_path, version):
    path = tmp_path / "x.nc"
    huge = (1 << 31) if version == 2 else (1 << 62)
    claims = {
        "attribute": {"attrs": [("a", 2, huge, b"")]},
        "variable": {"dims": [("x", huge)], "variables": [("v", (0,) * 1000, 6, 9999)]},
        "records": {
            "records": huge - 1, "dims": [("t", 0)], "variables": [("v", (0,), 6, 999)],
        },
        "record": {
            "records": 1, "dims": [("t", 0), ("x", huge)],
            "variables": [("v", (0, 1), 6, 999)],
        },
    }  # fmt: skip
    for parts in claims.values():
        spell(path, version=version, **parts)
        os.truncate(path, 200 << 20)  # sparse
        tracemalloc.start()
        try:
            with pytest.raises(UnsupportedFormat):
                describe(path, "v")
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


def test_headers_larger_than_any_are_refused(tmp_path, monkeypatch):
    path = spell(tmp_path / "x.nc", dims=[(f"d{n}", 1) for n in range(50)], size=9999)
    monkeypatch.setattr(classic_words, "_MOST_ENTRIES", 50)
    reader_of(path)
    monkeypatch.setattr(classic_words, "_MOST_ENTRIES", 49)
    refuses(path, "more than 49 entries")
    spell(path, attrs=[("a", 2, 5000, b"x" * 5000)])
    monkeypatch.setattr(classic_words, "_MOST_BYTES", 5100)
    monkeypatch.setattr(classic_words, "_FIRST_BYTES", 16)
    reader_of(path)
    monkeypatch.setattr(classic_words, "_MOST_BYTES", 5000)
    refuses(path, "of more than 5000 bytes")


def test_a_filesystem_that_gives_too_little_or_says_too_little_is_refused(tmp_path):
    path = tmp_path / "x.nc"
    write(path, FORMATS[0], {"v": ("i4", True, (3,))})

    class Silent(Counting):
        def info(self, path, **options):
            return super().info(path, **options) | {"size": None}

    with pytest.raises(UnsupportedFormat, match="cannot be told"):
        ClassicReader(Silent(), str(path))

    class Short(Counting):
        def cat_file(self, path, start=None, end=None, **options):
            return super().cat_file(path, start=start, end=end, **options)[:-1]

    with pytest.raises(UnsupportedFormat, match=r"gave \d+ of the \d+ bytes"):
        ClassicReader(Short(), str(path))


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """The bytes of one file of each format, and where its data begins."""
    folder = tmp_path_factory.mktemp("good")
    found = []
    for version in FORMATS:
        path = folder / f"{version}.nc"
        variables = {
            "f": ("f4", False, (2, 3)),
            "text": ("S1", False, (3,)),
            "v": ("i2", True, (3,)),
            "w": ("f8", True, ()),
        }
        attrs = {"f": {"units": "K", "valid_range": np.array([1, 2], "f4")}}
        write(path, version, variables, attrs=attrs)
        found.append((path.read_bytes(), describe(path, "f").index.offset))
    return found


@settings(
    max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
@given(st.data())
def test_flipped_bytes_in_the_header_give_named_errors_or_bounded_arrays(
    good_files, tmp_path, data
):
    whole, header_bytes = data.draw(st.sampled_from(good_files))
    raw = bytearray(whole)
    flips = st.tuples(st.integers(4, header_bytes - 1), st.integers(0, 255))
    for at, byte in data.draw(st.lists(flips, min_size=1, max_size=4)):
        raw[at] = byte
    path = tmp_path / "x.nc"
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        try:
            reader = reader_of(path)
        except ActiveCoreError as error:
            assert "\n" not in str(error)  # noqa: PT017 - any of them will do
            return
        for name in reader.variables():
            try:
                info = reader.array(name)
                if info.layouts and 0 not in info.shape:
                    assert decode_chunks(info).nbytes <= len(raw)
            except ActiveCoreError as error:
                assert "\n" not in str(error)  # noqa: PT017 - any of them will do
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
