"""The Zarr reader against zarr-python and xarray: stores, names, grids, dtypes."""

from __future__ import annotations

import json
import logging
import pickle
import shutil

import fsspec
import numpy as np
import pytest
import zarr
from zarr_stores import (
    LOCAL,
    describe,
    open_reader,
    stored_values,
    writing,
)

from activecore.errors import (
    AuthenticationError,
    BackendError,
    SourceError,
    SourceNotFound,
    UnsupportedFormat,
    VariableNotFound,
)
from activecore.model import source_version
from activecore.readers.zarr.reader import ZarrReader

DTYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def numbers(shape, dtype):
    rng = np.random.default_rng(7)
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def make_array(path, values, chunks, **options):
    with writing():
        array = zarr.create_array(
            path, shape=values.shape, dtype=values.dtype, chunks=chunks, **options
        )
        array[...] = values
    return array


def edit(path, **changes):
    """Change fields of a JSON document; None as a value removes one."""
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps(document))


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def zarr_format(request):
    return request.param


@pytest.fixture
def grouped(tmp_path, zarr_format):
    """A store with arrays at the root and in groups within groups."""
    path = tmp_path / "store"
    with writing():
        root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        for name in ("tas", "one/pr", "one/two/ps"):
            array = root.create_array(name, shape=(4, 3), chunks=(3, 2), dtype="f4")
            array[...] = np.arange(12).reshape(4, 3)
            array.attrs["units"] = name
        root.create_group("empty")
    return path


class TestGrids:
    @pytest.mark.parametrize(
        ("shape", "chunks"),
        [((), ()), ((5,), (2,)), ((5, 4), (2, 4)), ((3, 2, 5), (4, 1, 2))],
    )
    def test_every_element_is_found_where_the_index_says(
        self, tmp_path, zarr_format, shape, chunks
    ):
        values = numbers(shape, "i4")
        make_array(tmp_path / "a", values, chunks, zarr_format=zarr_format)
        info = describe(tmp_path / "a")
        assert info.shape == shape
        assert info.chunks == chunks == info.index.chunk_shape
        assert np.array_equal(stored_values(info), values)

    @pytest.mark.parametrize("separator", [".", "/"])
    @pytest.mark.parametrize("name", ["v2", "default"])
    @pytest.mark.parametrize("shape", [(), (5, 4)])
    def test_both_key_encodings_and_separators_are_followed(
        self, tmp_path, name, separator, shape
    ):
        values = numbers(shape, "i4")
        make_array(
            tmp_path / "a",
            values,
            (2,) * len(shape),
            chunk_key_encoding={"name": name, "separator": separator},
        )
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    @pytest.mark.parametrize("separator", [".", "/"])
    def test_v2_separators_are_followed(self, tmp_path, separator):
        values = numbers((5, 4), "i4")
        make_array(
            tmp_path / "a",
            values,
            (2, 3),
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": separator},
        )
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    def test_a_chunk_key_encoding_may_be_a_bare_name(self, tmp_path):
        values = numbers((5, 4), "i4")
        make_array(tmp_path / "a", values, (2, 3))
        edit(tmp_path / "a" / "zarr.json", chunk_key_encoding="default")
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    def test_a_percent_sign_in_a_path_is_itself(self, tmp_path, zarr_format):
        values = numbers((5,), "i4")
        make_array(tmp_path / "100%d", values, (2,), zarr_format=zarr_format)
        assert np.array_equal(stored_values(describe(tmp_path / "100%d")), values)

    def test_a_dimension_of_length_zero_has_no_chunks(self, tmp_path, zarr_format):
        values = np.empty((0, 4), "f4")
        make_array(tmp_path / "a", values, (1, 2), zarr_format=zarr_format)
        info = describe(tmp_path / "a")
        assert info.shape == (0, 4)
        assert stored_values(info).shape == (0, 4)

    def test_no_chunk_asked_for_gives_empty_columns(self, tmp_path):
        make_array(tmp_path / "a", numbers((4,), "f4"), (2,))
        located = describe(tmp_path / "a").index.locate(np.empty((0, 1), np.int64))
        assert len(located.sources) == len(located.sizes) == 0

    def test_the_index_reads_and_lists_nothing(self, tmp_path, zarr_format):
        make_array(tmp_path / "a", numbers((4,), "f4"), (2,), zarr_format=zarr_format)
        info = describe(tmp_path / "a")
        shutil.rmtree(tmp_path / "a")
        assert len(info.index.locate(np.array([[0], [1]])).sources) == 2


class TestDtypes:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("byteorder", ["<", ">"])
    def test_each_dtype_in_both_byte_orders(
        self, tmp_path, zarr_format, dtype, byteorder
    ):
        values = numbers((5, 3), dtype)
        stored = np.dtype(dtype).newbyteorder(byteorder)
        options = {}
        if zarr_format == 3:
            endian = {"<": "little", ">": "big"}[byteorder]
            options["serializer"] = zarr.codecs.BytesCodec(endian=endian)
        else:
            values = values.astype(stored)
        make_array(tmp_path / "a", values, (2, 2), zarr_format=zarr_format, **options)
        info = describe(tmp_path / "a")
        assert info.dtype == np.dtype(dtype)
        assert info.layouts[0].dtype == stored
        assert np.array_equal(stored_values(info), values)

    @pytest.mark.parametrize(
        "dtype",
        ["c8", "M8[ns]", "m8[s]", "S4", "U3", [("x", "i4"), ("y", "f8")], "str"],
    )
    def test_what_is_no_number_is_listed_without_layouts(
        self, tmp_path, zarr_format, dtype
    ):
        with writing():
            root = zarr.open_group(tmp_path / "s", mode="w", zarr_format=zarr_format)
            root.create_array("a", shape=(4,), chunks=(2,), dtype=dtype)
        with open_reader(tmp_path / "s") as reader:
            listed = reader.variables()["a"].dtype
            info = reader.array("a")
        assert listed == info.dtype
        assert listed == (np.dtype(object) if dtype == "str" else np.dtype(dtype))
        assert info.layouts == ()
        assert info.shape == (4,)

    @pytest.mark.parametrize("data_type", ["bfloat16", "r24", {"name": "other.int128"}])
    def test_a_dtype_that_nobody_knows_hides_no_other_variable(
        self, grouped, zarr_format, data_type
    ):
        if zarr_format == 2:
            edit(grouped / "tas" / ".zarray", dtype="<f16")
        else:
            edit(grouped / "tas" / "zarr.json", data_type=data_type)
        with open_reader(grouped) as reader:
            assert reader.variables()["tas"].dtype == np.dtype(object)
            assert reader.array("tas").layouts == ()
            assert reader.array("one/pr").layouts != ()


class TestFillValues:
    @pytest.mark.parametrize(
        ("dtype", "fill"),
        [
            ("f4", np.nan),
            ("f8", np.inf),
            ("f4", -np.inf),
            ("f8", -0.1),
            ("i2", -7),
            ("u8", 2**64 - 1),
            ("bool", True),
            ("f2", 1.5),
        ],
    )
    def test_unwritten_chunks_hold_the_fill_value(
        self, tmp_path, zarr_format, dtype, fill
    ):
        with writing():
            array = zarr.create_array(
                tmp_path / "a",
                shape=(5,),
                chunks=(2,),
                dtype=dtype,
                fill_value=fill,
                zarr_format=zarr_format,
            )
            array[:2] = 1
        values = stored_values(describe(tmp_path / "a"))
        assert np.array_equal(values, array[...], equal_nan=dtype[0] == "f")

    @pytest.mark.parametrize(
        ("given", "bits"), [("0x7fc00001", 0x7FC00001), ("0xff800000", 0xFF800000)]
    )
    def test_a_hexadecimal_fill_value_keeps_every_bit(self, tmp_path, given, bits):
        make_array(tmp_path / "a", np.zeros(2, "f4"), (2,))
        edit(tmp_path / "a" / "zarr.json", fill_value=given)
        fill = describe(tmp_path / "a").layouts[0].fill_value
        assert fill.view("u4") == bits

    @pytest.mark.parametrize("dtype", ["f4", "i2", "bool"])
    def test_null_in_v2_means_zero_as_zarr_python_has_it(self, tmp_path, dtype):
        with writing():
            array = zarr.create_array(
                tmp_path / "a", shape=(3,), chunks=(2,), dtype=dtype, zarr_format=2
            )
        edit(tmp_path / "a" / ".zarray", fill_value=None)
        info = describe(tmp_path / "a")
        assert info.layouts[0].missing.values == ()
        expected = zarr.open_array(tmp_path / "a", mode="r")[...]
        assert np.array_equal(stored_values(info), expected)
        assert array.shape == expected.shape

    @pytest.mark.parametrize("given", ["abc", None, [1], 300])
    def test_a_fill_value_of_the_wrong_kind_is_refused(self, tmp_path, given):
        make_array(tmp_path / "a", np.zeros(2, "i1"), (2,))
        edit(tmp_path / "a" / "zarr.json", fill_value=given)
        with pytest.raises(UnsupportedFormat, match="fill value"):
            describe(tmp_path / "a")


class TestNames:
    @pytest.mark.parametrize("consolidated", [False, True])
    def test_variables_of_all_groups_are_listed(self, grouped, consolidated):
        if consolidated:
            with writing():
                zarr.consolidate_metadata(grouped)
        with open_reader(grouped) as reader:
            variables = reader.variables()
            assert list(variables) == ["one/pr", "one/two/ps", "tas"]
            for name, variable in variables.items():
                assert variable.name == name
                assert variable.attrs == {"units": name}
                values = stored_values(reader.array(name))
                assert np.array_equal(values, np.arange(12).reshape(4, 3))

    @pytest.mark.parametrize("consolidated", [False, True])
    def test_names_are_relative_to_the_group_that_is_opened(
        self, grouped, consolidated
    ):
        if consolidated:
            with writing():
                zarr.consolidate_metadata(grouped)
        with open_reader(grouped, group="/one/") as reader:
            assert list(reader.variables()) == ["pr", "two/ps"]
            info = reader.array("two/ps")
            assert info.name == "two/ps"
            assert info.attrs == {"units": "one/two/ps"}
            assert stored_values(info)[3, 2] == 11

    def test_consolidated_metadata_is_believed(self, grouped, zarr_format):
        with writing():
            zarr.consolidate_metadata(grouped)
            root = zarr.open_group(grouped, mode="r+", use_consolidated=False)
            root.create_array("later", shape=(2,), dtype="f4")
        with open_reader(grouped) as reader:
            assert "later" not in reader.variables()
            with pytest.raises(VariableNotFound, match="'later'"):
                reader.array("later")

    def test_a_store_that_is_an_array_is_named_like_the_store(
        self, tmp_path, zarr_format
    ):
        values = numbers((4,), "f4")
        make_array(tmp_path / "tas.zarr", values, (2,), zarr_format=zarr_format)
        with open_reader(tmp_path / "tas.zarr") as reader:
            assert list(reader.variables()) == ["tas"]
            for name in ("tas", ""):
                info = reader.array(name)
                assert info.name == "tas"
                assert np.array_equal(stored_values(info), values)
            with pytest.raises(VariableNotFound, match="'pr'"):
                reader.array("pr")

    def test_an_unknown_variable_names_close_ones(self, grouped):
        match = "did you mean 'tas'"
        with (
            open_reader(grouped) as reader,
            pytest.raises(VariableNotFound, match=match) as caught,
        ):
            reader.array("taz")
        assert isinstance(caught.value, KeyError)

    def test_a_group_is_no_variable_and_an_array_no_group(self, grouped):
        with (
            open_reader(grouped) as reader,
            pytest.raises(VariableNotFound, match="is a group"),
        ):
            reader.array("one")
        with pytest.raises(VariableNotFound, match="no group 'tas'"):
            open_reader(grouped, group="tas")
        with pytest.raises(VariableNotFound, match="no group 'three'"):
            open_reader(grouped, group="three")

    @pytest.mark.parametrize("name", ["../store/tas", "one/../tas", "..", "./tas"])
    def test_a_name_that_leaves_the_store_is_refused(self, grouped, name):
        with open_reader(grouped) as reader, pytest.raises(UnsupportedFormat):
            reader.array(name)
        with pytest.raises(UnsupportedFormat, match="leaves the store"):
            open_reader(grouped, group=name)

    def test_consolidated_names_that_leave_the_store_are_refused(
        self, grouped, zarr_format
    ):
        with writing():
            zarr.consolidate_metadata(grouped)
        key = "zarr.json" if zarr_format == 3 else ".zmetadata"
        text = (grouped / key).read_text()
        old = '"one/pr' if zarr_format == 3 else '"one/pr/'
        (grouped / key).write_text(text.replace(old, old.replace("one", "..")))
        with pytest.raises(UnsupportedFormat, match="leaves the store"):
            open_reader(grouped)

    def test_a_closed_reader_answers_no_more_but_its_arrays_do(self, grouped):
        reader = open_reader(grouped)
        info = reader.array("tas")
        reader.close()
        reader.close()
        assert stored_values(info)[3, 2] == 11
        with pytest.raises(SourceError, match="closed"):
            reader.array("tas")
        with pytest.raises(SourceError, match="closed"):
            reader.variables()

    def test_links_that_lead_in_circles_are_refused(self, grouped):
        (grouped / "one" / "again").symlink_to(grouped)
        with open_reader(grouped) as reader, pytest.raises(UnsupportedFormat):
            reader.variables()


class TestDimensionsAndAttributes:
    def test_v3_dimension_names(self, tmp_path):
        make_array(
            tmp_path / "a",
            numbers((2, 3), "f4"),
            (2, 3),
            dimension_names=("y", None),
            attributes={"units": "K", "_ARRAY_DIMENSIONS": ["kept"]},
        )
        info = describe(tmp_path / "a")
        assert info.dims == ("y", "dim_1")
        assert info.attrs == {"units": "K", "_ARRAY_DIMENSIONS": ["kept"]}

    def test_v2_dimensions_are_an_attribute_that_is_hidden(self, tmp_path):
        make_array(
            tmp_path / "a",
            numbers((2, 3), "f4"),
            (2, 3),
            zarr_format=2,
            attributes={
                "units": "K",
                "_ARRAY_DIMENSIONS": ["y", "x"],
                "_NCProperties": "",
            },
        )
        info = describe(tmp_path / "a")
        assert info.dims == ("y", "x")
        assert info.attrs == {"units": "K"}

    def test_dimensions_as_the_netcdf_library_writes_them(self, tmp_path):
        make_array(tmp_path / "a", numbers((2, 3), "f4"), (2, 3), zarr_format=2)
        names = {"dimrefs": ["/y", "/one/x"]}
        edit(tmp_path / "a" / ".zarray", _NCZARR_ARRAY=names)
        assert describe(tmp_path / "a").dims == ("y", "x")

    @pytest.mark.parametrize("names", [["y"], "yx", 5])
    def test_dimension_names_that_do_not_fit_are_not_used(self, tmp_path, names):
        make_array(
            tmp_path / "a",
            numbers((2, 3), "f4"),
            (2, 3),
            zarr_format=2,
            attributes={"_ARRAY_DIMENSIONS": names},
        )
        assert describe(tmp_path / "a").dims == ("dim_0", "dim_1")


class TestRecognition:
    def test_a_store_is_told_by_its_metadata(self, grouped):
        assert ZarrReader.recognises(LOCAL, str(grouped), b"")
        assert ZarrReader.recognises(LOCAL, str(grouped / "one" / "pr"), b"")
        assert ZarrReader.recognises(LOCAL, f"{grouped}/", b"")

    def test_consolidated_metadata_alone_is_enough(self, tmp_path):
        with writing():
            root = zarr.open_group(tmp_path / "s", mode="w", zarr_format=2)
            root.create_array("one/tas", shape=(2,), dtype="f4")
            zarr.consolidate_metadata(tmp_path / "s")
        (tmp_path / "s" / ".zgroup").unlink()
        assert ZarrReader.recognises(LOCAL, str(tmp_path / "s"), b"")
        assert list(open_reader(tmp_path / "s").variables()) == ["one/tas"]

    def test_what_is_no_store_is_not_recognised(self, tmp_path):
        (tmp_path / "named.zarr").mkdir()
        (tmp_path / "empty.zarr.zip").write_bytes(b"")
        assert not ZarrReader.recognises(LOCAL, str(tmp_path / "named.zarr"), b"")
        assert not ZarrReader.recognises(LOCAL, str(tmp_path / "empty.zarr.zip"), b"")
        assert not ZarrReader.recognises(LOCAL, str(tmp_path), b"\x89HDF\r\n\x1a\n")

    def test_a_directory_without_metadata_is_no_store(self, tmp_path):
        with pytest.raises(UnsupportedFormat, match="no Zarr store"):
            open_reader(tmp_path)

    def test_nothing_is_not_found(self, tmp_path):
        with pytest.raises(SourceNotFound, match="nothing at"):
            open_reader(tmp_path / "none")

    def test_v3_is_meant_where_both_are_there(self, tmp_path):
        values = numbers((4,), "f4")
        make_array(tmp_path / "a", values, (2,))
        (tmp_path / "a" / ".zgroup").write_text("not even JSON")
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    def test_any_filesystem_serves(self, grouped):
        memory = fsspec.filesystem("memory")
        memory.put(str(grouped), "/copy", recursive=True)
        try:
            with ZarrReader(memory, "/copy") as reader:
                assert list(reader.variables()) == ["one/pr", "one/two/ps", "tas"]
                located = reader.array("tas").index.locate(np.array([[1, 1]]))
                assert memory.exists(located.sources[0])
        finally:
            memory.rm("/copy", recursive=True)


class TestVersions:
    @pytest.mark.parametrize("consolidated", [False, True])
    def test_the_version_is_that_of_the_metadata_object(
        self, grouped, zarr_format, consolidated
    ):
        names = {2: ".zarray", 3: "zarr.json"}
        expected = grouped / "tas" / names[zarr_format]
        if consolidated:
            with writing():
                zarr.consolidate_metadata(grouped)
            expected = grouped / {2: ".zmetadata", 3: "zarr.json"}[zarr_format]
        info = describe(grouped, "tas")
        assert info.version_source == str(expected)
        assert info.version == source_version(LOCAL.info(str(expected)))
        edit(expected)
        assert describe(grouped, "tas").version != info.version

    def test_an_array_is_described_as_it_is_now(self, grouped, zarr_format):
        with open_reader(grouped) as reader:
            before = reader.array("tas")
            with writing():
                zarr.open_array(grouped / "tas").resize((9, 3))
            after = reader.array("tas")
        assert (before.shape, after.shape) == ((4, 3), (9, 3))
        assert before.version != after.version

    def test_an_array_survives_pickling(self, grouped):
        info = pickle.loads(pickle.dumps(describe(grouped, "one/pr")))
        assert np.array_equal(stored_values(info), np.arange(12).reshape(4, 3))


class TestBrokenMetadata:
    @pytest.mark.parametrize("text", ["{", "[1]", "", "[" * 100000, "\xff"])
    def test_broken_json_is_refused_in_one_line(self, tmp_path, zarr_format, text):
        make_array(tmp_path / "a", numbers((4,), "f4"), (2,), zarr_format=zarr_format)
        name = {2: ".zarray", 3: "zarr.json"}[zarr_format]
        (tmp_path / "a" / name).write_text(text)
        with pytest.raises(UnsupportedFormat, match="JSON") as caught:
            describe(tmp_path / "a")
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)

    def test_a_broken_variable_does_not_hide_the_others(
        self, grouped, zarr_format, caplog
    ):
        name = {2: ".zarray", 3: "zarr.json"}[zarr_format]
        (grouped / "tas" / name).write_text("{")
        edit(grouped / "one" / "pr" / name, shape=[-1, "x"])
        with open_reader(grouped) as reader:
            with caplog.at_level(logging.WARNING):
                assert list(reader.variables()) == ["one/two/ps"]
            assert "tas" in caplog.text
            with pytest.raises(UnsupportedFormat, match="JSON"):
                reader.array("tas")
            with pytest.raises(UnsupportedFormat, match="shape"):
                reader.array("one/pr")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"zarr_format": 4}, "zarr_format 4"),
            ({"node_type": "table"}, "neither a group nor an array"),
            ({"shape": [4.5]}, "shape"),
            ({"shape": 4}, "shape"),
            ({"shape": [2**63]}, "shape"),
            ({"chunk_grid": {"name": "rectilinear"}}, "rectilinear"),
            ({"chunk_grid": 3}, "chunk_grid"),
            (
                {"chunk_grid": {"name": "regular", "configuration": {}}},
                "chunk shape",
            ),
            (
                {
                    "chunk_grid": {
                        "name": "regular",
                        "configuration": {"chunk_shape": [0]},
                    }
                },
                "empty",
            ),
            (
                {
                    "chunk_grid": {
                        "name": "regular",
                        "configuration": {"chunk_shape": [2, 2]},
                    }
                },
                "chunks of shape",
            ),
            ({"chunk_key_encoding": {"name": "morton"}}, "morton"),
            (
                {"chunk_key_encoding": {"name": "v2", "separator": "-"}},
                "separator",
            ),
            ({"storage_transformers": [{"name": "x"}]}, "transformers"),
            ({"novelty": {"must_understand": True}}, "novelty"),
            ({"novelty": 1}, "novelty"),
            ({"attributes": 3}, "neither"),
        ],
    )
    def test_what_v3_metadata_may_not_say(self, tmp_path, changes, message):
        make_array(tmp_path / "a", numbers((4,), "f4"), (2,))
        edit(tmp_path / "a" / "zarr.json", **changes)
        with pytest.raises(UnsupportedFormat, match=message):
            describe(tmp_path / "a")

    def test_what_need_not_be_understood_is_not(self, tmp_path):
        values = numbers((4,), "f4")
        make_array(tmp_path / "a", values, (2,))
        edit(tmp_path / "a" / "zarr.json", novelty={"must_understand": False})
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"zarr_format": 3}, "zarr_format 3"),
            ({"chunks": [2, 2]}, "chunks"),
            ({"dimension_separator": "-"}, "separator"),
            ({"order": "A"}, "order"),
            ({"filters": "delta"}, "filters"),
            ({"compressor": "zlib"}, "codec"),
            ({"compressor": {"level": 1}}, "codec"),
        ],
    )
    def test_what_v2_metadata_may_not_say(self, tmp_path, changes, message):
        make_array(tmp_path / "a", numbers((4,), "f4"), (2,), zarr_format=2)
        edit(tmp_path / "a" / ".zarray", **changes)
        with pytest.raises(UnsupportedFormat, match=message):
            describe(tmp_path / "a")

    @pytest.mark.parametrize(
        "document", [{}, {"metadata": 3}, {"metadata": {"tas/.zarray": 3}}]
    )
    def test_broken_consolidated_metadata_is_refused(
        self, grouped, zarr_format, document
    ):
        if zarr_format == 2:
            (grouped / ".zmetadata").write_text(json.dumps(document))
        else:
            edit(grouped / "zarr.json", consolidated_metadata=document)
        with pytest.raises(UnsupportedFormat, match="consolidated"):
            open_reader(grouped)


class TestFilesystemErrors:
    class Failing(fsspec.get_filesystem_class("file")):
        """A local filesystem of which some objects cannot be read."""

        cachable = False

        def __init__(self, ending, error):
            super().__init__()
            self._ending, self._error = ending, error

        def cat_file(self, path, start=None, end=None, **kwargs):
            if path.endswith(self._ending):
                raise self._error
            return super().cat_file(path, start, end, **kwargs)

        def ls(self, path, detail=False, **kwargs):
            if self._ending == "ls":
                raise self._error
            return super().ls(path, detail, **kwargs)

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (PermissionError("no"), AuthenticationError),
            (OSError("disk"), BackendError),
            (TimeoutError("slow"), BackendError),
        ],
    )
    def test_metadata_that_cannot_be_read_is_never_taken_for_absent(
        self, grouped, zarr_format, error, expected
    ):
        ending = {2: "tas/.zattrs", 3: "tas/zarr.json"}[zarr_format]
        reader = ZarrReader(self.Failing(ending, error), str(grouped))
        with pytest.raises(expected, match="tas"):
            reader.array("tas")
        with pytest.raises(expected, match="tas"):
            reader.variables()

    def test_a_store_that_cannot_be_listed_still_gives_arrays_by_name(self, grouped):
        reader = ZarrReader(self.Failing("ls", OSError("no list")), str(grouped))
        assert stored_values(reader.array("one/pr"))[0, 1] == 1
        with pytest.raises(VariableNotFound):
            reader.array("taz")
        with pytest.raises(BackendError, match="no list"):
            reader.variables()
        forbidden = ZarrReader(self.Failing("ls", PermissionError()), str(grouped))
        with pytest.raises(AuthenticationError):
            forbidden.variables()
