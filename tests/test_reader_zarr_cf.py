"""Missing values and packing of Zarr arrays, against ``xarray.open_zarr``."""

from __future__ import annotations

import base64
import json
import logging
import struct

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr_stores import (
    assert_means_what_xarray_reads,
    describe,
    meant_values,
    writing,
)

from activecore.errors import UnsupportedFormat
from activecore.model import Packing
from activecore.readers.zarr.cf import missing_rules, packing, stored_dtype

NAN = float("nan")


def coded(value):
    """``_FillValue`` as xarray writes it in Zarr v3."""
    return base64.b64encode(struct.pack("<d", value)).decode()


def make(path, values, attributes, fill_value=None, zarr_format=3):
    """Write a store of one variable ``x`` that xarray can open."""
    values = np.asarray(values)
    options = {}
    if zarr_format == 2:
        attributes = {"_ARRAY_DIMENSIONS": ["t"], **attributes}
    else:
        options["dimension_names"] = ["t"]
    with writing():
        root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        array = root.create_array(
            "x",
            shape=values.shape,
            chunks=(3,),
            dtype=values.dtype,
            fill_value=0 if fill_value is None else fill_value,
            attributes=attributes,
            **options,
        )
        array[...] = values
    if zarr_format == 2 and fill_value is None:
        document = json.loads((path / "x" / ".zarray").read_text())
        document["fill_value"] = None
        (path / "x" / ".zarray").write_text(json.dumps(document))
    return path


def values_of(path):
    return meant_values(describe(path, "x"))


@pytest.fixture
def store(tmp_path):
    return tmp_path / "s"


class TestMissing:
    @pytest.mark.parametrize(
        ("dtype", "fill"),
        [
            ("f4", 2.0),
            ("f4", NAN),
            ("f8", np.inf),
            ("f8", 0.0),
            ("f2", 2.0),
            ("i1", -2),
            ("i2", 0),
            ("u2", 2),
            ("i8", 2),
            ("bool", False),
            ("bool", True),
        ],
    )
    def test_the_fill_value_of_v2_is_missing(self, store, dtype, fill):
        values = np.array([0, 1, 2, 3, 2], dtype=dtype)
        if dtype == "i1":
            values[1] = -2
        make(store, values, {}, fill, zarr_format=2)
        assert_means_what_xarray_reads(store, "x")

    def test_the_fill_value_of_v2_overrides_the_attribute(self, store):
        make(store, np.array([0, 1, 2], "f4"), {"_FillValue": 1}, 2, zarr_format=2)
        assert_means_what_xarray_reads(store, "x")
        assert values_of(store).mask.tolist() == [False, False, True]

    @pytest.mark.parametrize("given", [1, 1.0, [1, 2], "text", None])
    def test_where_it_is_null_in_v2_the_attribute_counts(self, store, given):
        values = np.array([0, 1, 2], "f4")
        make(store, values, {"_FillValue": given}, None, zarr_format=2)
        assert_means_what_xarray_reads(store, "x")

    @pytest.mark.parametrize("fill", [0, 2])
    def test_the_fill_value_of_v3_is_a_value_like_any_other(self, store, fill):
        make(store, np.array([0, 1, 2], "f4"), {}, fill)
        assert_means_what_xarray_reads(store, "x")
        assert not values_of(store).mask.any()

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    @pytest.mark.parametrize("fill", [1.0, NAN, np.inf, 1e20, 0.1, 0.0])
    def test_the_attribute_of_v3_as_xarray_writes_it(self, store, dtype, fill):
        with np.errstate(over="ignore"):
            values = np.array([fill, 1, 3, 0, np.nan], dtype=dtype)
        make(store, values, {"_FillValue": coded(fill)})
        assert_means_what_xarray_reads(store, "x")

    def test_what_xarray_itself_writes_comes_back(self, store, tmp_path):
        data = np.array([1.5, np.nan, -3.0], "f4")
        dataset = xr.Dataset({"x": ("t", data)})
        for zarr_format in (2, 3):
            for encoding in (
                {"_FillValue": -999.0},
                {"_FillValue": 0},
                {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1},
                {
                    "dtype": "u1",
                    "scale_factor": 0.5,
                    "add_offset": -9.0,
                    "_FillValue": 0,
                },
                {"missing_value": -999.0},
            ):
                with writing():
                    dataset.to_zarr(
                        store,
                        mode="w",
                        encoding={"x": encoding},
                        zarr_format=zarr_format,
                    )
                assert_means_what_xarray_reads(store, "x")
                assert values_of(store).mask.tolist() == [False, True, False]

    @pytest.mark.parametrize("given", [1, 1.0, -0.5, 0.1, 1e20, -3.4028235e38])
    def test_a_plain_number_means_the_nearest_in_v3(self, store, given):
        values = np.array([7, given, 8], "f4")
        for attribute in (given, [given]):
            make(store, values, {"_FillValue": attribute})
            assert values_of(store).mask.tolist() == [False, True, False]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("NaN", [0, 0, 0, 1]),
            ("Infinity", [0, 1, 0, 0]),
            ("-Infinity", [0, 0, 1, 0]),
        ],
    )
    def test_a_number_by_name_is_understood_in_v3(self, store, text, expected):
        make(store, np.array([0, np.inf, -np.inf, np.nan]), {"_FillValue": text})
        assert values_of(store).mask.tolist() == [bool(flag) for flag in expected]

    @pytest.mark.parametrize("text", ["abc", "AAAA", "1.5", ""])
    @pytest.mark.parametrize("dtype", ["f4", "i4"])
    def test_text_that_means_no_number_is_refused_in_v3(self, store, text, dtype):
        make(store, np.zeros(3, dtype), {"_FillValue": text})
        with pytest.raises(UnsupportedFormat, match="_FillValue"):
            describe(store, "x")

    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize("dtype", ["f4", "i2", "u1", "i8"])
    @pytest.mark.parametrize(
        "attributes",
        [
            {"missing_value": 2},
            {"missing_value": 2.0},
            {"missing_value": [1, 2]},
            {"missing_value": 2.5},
            {"missing_value": -70000},
            {"missing_value": 1e30},
            {"missing_value": NAN},
            {"missing_value": [NAN, 3]},
            {"missing_value": []},
            {"missing_value": "two"},
            {"missing_value": None},
            {"missing_value": True},
        ],
    )
    def test_missing_value(self, store, dtype, zarr_format, attributes):
        values = np.array([0, 1, 2, 3, 1], dtype)
        make(store, values, attributes, None, zarr_format)
        assert_means_what_xarray_reads(store, "x")

    def test_all_rules_hold_together(self, store):
        attributes = {"missing_value": [1, 5], "_FillValue": 2}
        make(store, np.array([0, 1, 2, 5], "i4"), attributes)
        assert_means_what_xarray_reads(store, "x")
        assert values_of(store).mask.tolist() == [False, True, True, True]

    def test_valid_ranges_are_not_applied(self, store):
        attributes = {"valid_min": 1, "valid_max": 2, "valid_range": [1, 2]}
        make(store, np.array([0, 1, 2, 5], "i4"), attributes)
        assert_means_what_xarray_reads(store, "x")

    def test_a_rule_that_never_matches_is_dropped_with_a_line(self, store, caplog):
        make(store, np.array([0, 1], "i1"), {"missing_value": 300})
        with caplog.at_level(logging.WARNING):
            assert describe(store, "x").layouts[0].missing.values == ()
        assert "300" in caplog.text
        assert "'x'" in caplog.text

    def test_neighbours_of_a_large_integer_are_not_missing_with_it(self, store):
        values = np.array([2**62, 2**62 + 1, 0], "i8")
        make(store, values, {"_FillValue": 2**62})
        assert values_of(store).mask.tolist() == [True, False, False]


class TestUnsigned:
    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize(
        ("dtype", "flag"),
        [
            ("i1", "true"),
            ("i2", "true"),
            ("u1", "false"),
            ("i1", "True"),
            ("i1", True),
            ("u1", "true"),
            ("i4", "false"),
        ],
    )
    @pytest.mark.parametrize(
        "rules", [{}, {"missing_value": 255}, {"missing_value": -1}]
    )
    @pytest.mark.parametrize("fill", [None, 100])
    def test_unsigned(self, store, zarr_format, dtype, flag, rules, fill):
        values = np.array([0, 100, 127, 1, 5], dtype)
        values[4] = -1 if dtype[0] == "i" else 255
        attributes = {"_Unsigned": flag, **rules}
        if fill is not None and zarr_format == 3:
            attributes["_FillValue"] = fill
        make(store, values, attributes, fill, zarr_format)
        assert_means_what_xarray_reads(store, "x")

    def test_missing_value_is_in_units_of_the_numbers_read(self, store):
        values = np.array([0, 255], "u1")
        make(store, values, {"_Unsigned": "false", "missing_value": -1})
        assert_means_what_xarray_reads(store, "x")
        assert values_of(store).mask.tolist() == [False, True]

    @pytest.mark.parametrize("fill", [-1, 255])
    def test_the_fill_value_is_in_either_units(self, store, fill):
        make(store, np.array([0, -1], "i1"), {"_Unsigned": "true", "_FillValue": fill})
        info = describe(store, "x")
        assert info.dtype == np.dtype("u1")
        assert info.layouts[0].missing.values == (np.uint8(255),)

    def test_unwritten_chunks_are_read_as_unsigned(self, store):
        make(store, np.zeros(3, "i2"), {"_Unsigned": "true"}, -1)
        layout = describe(store, "x").layouts[0]
        assert layout.fill_value == 65535
        assert layout.dtype == np.dtype("<u2")

    def test_floats_have_no_sign_to_change(self):
        for byteorder in "<>":
            assert stored_dtype({"_Unsigned": "true"}, np.dtype(f"{byteorder}f4")) == (
                np.dtype(f"{byteorder}f4")
            )


class TestPacking:
    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8"])
    @pytest.mark.parametrize("fill", [None, 3, NAN])
    @pytest.mark.parametrize(
        "attributes",
        [
            {"scale_factor": 0.1},
            {"add_offset": 0.1},
            {"add_offset": 5},
            {"scale_factor": -0.1, "add_offset": 273.15},
            {"scale_factor": 2, "add_offset": 1},
            {"scale_factor": 2, "add_offset": 0.5},
            {"scale_factor": 1.0},
            {"scale_factor": None},
            {"scale_factor": [0.1], "add_offset": [1.5]},
        ],
    )
    def test_unpacking(self, store, zarr_format, dtype, fill, attributes):
        if fill != fill and dtype[0] != "f":
            return
        values = np.array([0, 1, 3, 7, 100], dtype)
        if fill is not None and zarr_format == 3:
            name = {"_FillValue": coded(fill) if dtype[0] == "f" else int(fill)}
            attributes = {**attributes, **name}
        make(store, values, attributes, fill, zarr_format)
        assert_means_what_xarray_reads(store, "x")

    def test_an_integer_factor_of_integers_gives_integers(self, store):
        make(store, np.array([0, 1, 3], "i2"), {"scale_factor": 2})
        assert_means_what_xarray_reads(store, "x")
        assert values_of(store).dtype == np.dtype("i8")

    def test_an_integer_factor_does_not_cut_fractions_off(self, store):
        make(store, np.array([0.5, 1.25], "f4"), {"scale_factor": 2})
        assert values_of(store).tolist() == [1.0, 2.5]

    def test_packed_unsigned_numbers(self, store):
        attributes = {"_Unsigned": "true", "scale_factor": 0.5, "_FillValue": -1}
        make(store, np.array([0, -1, -2, 3], "i2"), attributes)
        assert_means_what_xarray_reads(store, "x")

    def test_a_rule_between_two_floats_masks_as_in_xarray(self, store):
        for attributes in ({}, {"scale_factor": 2.0}):
            for rule in ({"_FillValue": coded(0.1)}, {"missing_value": 0.1}):
                make(store, np.array([0.1, 0.5], "f4"), {**attributes, **rule})
                assert_means_what_xarray_reads(store, "x")

    @pytest.mark.parametrize("given", ["two", [1, 2], [], True, {"a": 1}])
    @pytest.mark.parametrize("name", ["scale_factor", "add_offset"])
    def test_what_is_not_one_number_is_refused(self, store, name, given):
        make(store, np.zeros(3, "i2"), {name: given})
        with pytest.raises(UnsupportedFormat, match=name):
            describe(store, "x")

    def test_no_attributes_no_packing(self, store):
        make(store, np.zeros(3, "i2"), {"units": "K"})
        assert describe(store, "x").packing is None


numbers = st.one_of(
    st.integers(-300, 300), st.floats(width=32), st.sampled_from([0, 1e20, -1, 2.5])
)


@given(
    dtype=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]),
    unsigned=st.sampled_from([None, "true", "false"]),
    missing_value=st.none() | numbers | st.lists(numbers, max_size=3),
    scale=st.none() | st.sampled_from([0.1, -2.0, 1e-3]),
    offset=st.none() | st.sampled_from([0.5, 273.15, -4]),
    fill=st.none() | st.integers(-100, 100),
    data=st.data(),
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rules_and_packing_agree_with_the_coders_of_xarray(
    dtype, unsigned, missing_value, scale, offset, fill, data
):
    dtype = np.dtype(dtype)
    if dtype.kind != "f" and fill is not None:
        limits = np.iinfo(dtype)
        fill = min(max(fill, limits.min), limits.max)
    attrs = {
        "_Unsigned": unsigned,
        "missing_value": missing_value,
        "scale_factor": scale,
        "add_offset": offset,
    }
    attrs = {name: value for name, value in attrs.items() if value is not None}
    rules = [missing_value] if not isinstance(missing_value, list) else missing_value
    pool = [0, 1, 7, *(rule for rule in [*rules, fill] if rule is not None)]
    picked = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=6))
    with np.errstate(all="ignore"):
        values = np.array(picked, dtype="f8").astype(dtype)
    stored_fill = None if fill is None else dtype.type(fill)
    oracle_attrs = dict(attrs)
    if stored_fill is not None:
        oracle_attrs["_FillValue"] = stored_fill
    with writing(), np.errstate(all="ignore"):
        variable = xr.Variable("t", values, oracle_attrs)
        theirs = xr.conventions.decode_cf_variable("x", variable).values
        args = (stored_fill, 2, "x")
        read = stored_dtype(attrs, dtype)
        missing = missing_rules(attrs, dtype, *args)
        unpack = packing(attrs, read, *args) or Packing(stored=read)
        stored = values.view(read)
        ours = unpack.unpack(stored)
    mask = np.zeros(len(stored), dtype=bool)
    for rule in missing.values:
        assert np.asarray(rule).dtype == read
        mask |= (stored == rule) | ((stored != stored) & (rule != rule))
    if theirs.dtype.kind == "f":
        assert np.array_equal(mask | np.isnan(ours), np.isnan(theirs))
    else:
        assert not mask.any()
    assert np.array_equal(
        ours[~mask], theirs[~mask], equal_nan=theirs.dtype.kind == "f"
    )
    if ours.dtype.kind == "f" and theirs.dtype.kind == "f":
        assert ours.dtype == theirs.dtype
