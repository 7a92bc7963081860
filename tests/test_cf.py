"""The CF rules against netCDF4-python, which reads the same files by itself."""

import itertools
import logging
import warnings

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activecore.model import Missing, Packing
from activecore.readers.cf import (
    default_fill_value,
    missing_rules,
    packing,
    stored_dtype,
)

INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
DTYPES = (*INTEGERS, "f4", "f8")


def interesting_values(dtype):
    """Stored values on and beside everything that a rule may name."""
    if dtype.kind == "f":
        values = [0, 1, -1, 5, 1e30, -999, 3, 0.1, np.nan, np.inf, -np.inf]
        values.append(netCDF4.default_fillvals[dtype.str[1:]])
    else:
        span = np.iinfo(dtype)
        values = [0, 1, 2, 3, 5, 100, span.min, span.max, span.min + 1, span.max - 1]
        values.append(netCDF4.default_fillvals[dtype.str[1:]])
        if dtype.kind == "i":
            values += [-1, -5, -127]
    return np.array(values, dtype=dtype)


def read_by_netcdf4(path, dtype, attrs, *, fill_mode=True):
    """Store raw values with these attributes, then read them masked and scaled."""
    values = interesting_values(np.dtype(dtype))
    attrs = dict(attrs)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", len(values))
        fill = attrs.pop("_FillValue", None) if fill_mode else False
        variable = file.createVariable(
            "v",
            np.dtype(dtype),
            ("x",),
            fill_value=fill,
            endian="native" if np.dtype(dtype).isnative else "big",
        )
        variable.set_auto_maskandscale(False)
        variable[:] = values
        for name, value in attrs.items():
            variable.setncattr(name, value)
    with netCDF4.Dataset(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        variable = file["v"]
        shown = {name: variable.getncattr(name) for name in variable.ncattrs()}
        variable.set_auto_maskandscale(True)
        try:
            expected = variable[:]
        except TypeError as error:
            # Its default fill of signed numbers does not fit what _Unsigned made.
            if "Cannot convert fill_value" not in str(error):
                raise
            pytest.skip("netCDF4-python fails on this itself")
        variable.set_auto_maskandscale(False)
        return variable[:], shown, expected


def read_by_rules(raw, attrs, *, fill_mode=True):
    """Mask and unpack raw values by the rules under test."""
    dtype = raw.dtype
    missing = missing_rules(attrs, dtype, default_fill=fill_mode, variable="v")
    stored = raw.view(stored_dtype(attrs, dtype))
    mask = np.zeros(raw.shape, dtype=bool)
    for value in missing.values:
        mask |= np.isnan(stored) if value != value else stored == value
    if missing.valid_min is not None:
        mask |= stored < missing.valid_min
    if missing.valid_max is not None:
        mask |= stored > missing.valid_max
    how = packing(attrs, stored.dtype)
    with np.errstate(all="ignore"):
        values = stored if how is None else how.unpack(stored)
    return np.ma.masked_array(values, mask=mask)


def assert_same(found, expected):
    np.testing.assert_array_equal(
        np.ma.getmaskarray(found), np.ma.getmaskarray(expected)
    )
    assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    valid = ~np.ma.getmaskarray(expected)
    np.testing.assert_array_equal(
        np.asarray(found.data)[valid], np.asarray(expected.data)[valid]
    )


def assert_agrees(path, dtype, attrs, *, fill_mode=True):
    raw, shown, expected = read_by_netcdf4(path, dtype, attrs, fill_mode=fill_mode)
    found = read_by_rules(raw, shown, fill_mode=fill_mode)
    assert_same(found, expected)
    return raw, shown


def one(value):
    return lambda dtype: np.array(value).astype(dtype)[()]


RULES = {
    "nothing": {},
    "fill": {"_FillValue": one(5)},
    "fill 0": {"_FillValue": one(0)},
    "missing scalar": {"missing_value": one(3)},
    "missing list": {"missing_value": one([1, 3, 5])},
    "fill and missing": {"_FillValue": one(5), "missing_value": one(1)},
    "valid_min 0": {"valid_min": one(0)},
    "valid_max": {"valid_max": one(3)},
    "valid_range": {"valid_range": one([1, 5])},
    "valid_range overrides": {
        "valid_range": one([1, 5]), "valid_min": one(3), "valid_max": one(3),
    },
    "valid_range of three is none": {
        "valid_range": one([1, 2, 3]), "valid_min": one(2),
    },
    "everything": {
        "_FillValue": one(5), "missing_value": one([1, 2]), "valid_min": one(0),
        "valid_max": one(100),
    },
    "wider missing that fits": {"missing_value": lambda _: np.float64(3)},
    "missing that does not fit": {"missing_value": lambda _: np.float64(0.1)},
    "missing of which one does not fit": {
        "missing_value": lambda _: np.array([3, 1e300]),
    },
    "missing NaN": {"missing_value": lambda _: np.float64("nan")},
    "valid_range that does not fit": {
        "valid_range": lambda _: np.array([0.5, 1e300]), "valid_max": one(3),
    },
    "valid_min NaN": {"valid_min": lambda _: np.float64("nan")},
    "valid_max inf": {"valid_max": lambda _: np.float64("inf")},
    "missing text": {"missing_value": lambda _: "n/a"},
    "missing text of a number": {"missing_value": lambda _: "3"},
    "missing texts": {"missing_value": lambda _: ["1", "3"]},
    "unsigned": {"_Unsigned": lambda _: "true"},
    "Unsigned": {"_Unsigned": lambda _: "True"},
    "not unsigned": {"_Unsigned": lambda _: "false"},
    "unsigned with a fill": {"_Unsigned": lambda _: "true", "_FillValue": one(-1)},
    "unsigned with a range": {
        "_Unsigned": lambda _: "true", "valid_range": one([1, -5]),
    },
    "unsigned with its bounds": {
        "_Unsigned": lambda _: "true", "valid_min": one(2), "valid_max": one(-2),
        "missing_value": one([100, -1]),
    },
    "unsigned with an unsigned fill": {
        "_Unsigned": lambda _: "true", "missing_value": lambda _: np.uint64(255),
    },
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RULES)
def test_missing_rules_are_those_of_netcdf4_python(tmp_path, dtype, name):
    with np.errstate(all="ignore"):
        attrs = {key: make(np.dtype(dtype)) for key, make in RULES[name].items()}
    assert_agrees(tmp_path / "a.nc", dtype, attrs)


@pytest.mark.parametrize("dtype", [">i2", ">u4", ">f4", ">i8"])
@pytest.mark.parametrize("name", ["everything", "unsigned with a range", "nothing"])
def test_big_endian_storage_has_the_same_rules(tmp_path, dtype, name):
    attrs = {key: make(np.dtype(dtype[1:])) for key, make in RULES[name].items()}
    raw, shown = assert_agrees(tmp_path / "a.nc", dtype, attrs)
    missing = missing_rules(shown, raw.dtype, default_fill=True, variable="v")
    for value in missing.values:
        assert value.dtype.isnative
    assert stored_dtype(shown, raw.dtype).str[0] == ">"


@pytest.mark.parametrize("dtype", DTYPES)
def test_default_fill_masks_bytes_only_while_fill_mode_is_on(tmp_path, dtype):
    assert_agrees(tmp_path / "on.nc", dtype, {}, fill_mode=True)
    assert_agrees(tmp_path / "off.nc", dtype, {}, fill_mode=False)


def test_a_nan_fill_matches_every_nan(tmp_path):
    assert_agrees(tmp_path / "a.nc", "f4", {"_FillValue": np.float32("nan")})


PACKINGS = {
    "scale": {"scale_factor": np.float64(0.5)},
    "scale f4": {"scale_factor": np.float32(0.1)},
    "offset": {"add_offset": np.float64(-10)},
    "offset f4": {"add_offset": np.float32(3)},
    "both": {"scale_factor": np.float64(-0.01), "add_offset": np.float64(273.15)},
    "both f4": {"scale_factor": np.float32(0.01), "add_offset": np.float32(273.15)},
    "mixed": {"scale_factor": np.float32(0.01), "add_offset": np.float64(1)},
    "trivial scale": {"scale_factor": np.float64(1)},
    "trivial offset": {"add_offset": np.float64(0)},
    "trivial both": {"scale_factor": np.float64(1), "add_offset": np.float64(0)},
    "trivial both f4": {"scale_factor": np.float32(1), "add_offset": np.float32(0)},
    "one of both trivial": {
        "scale_factor": np.float32(1), "add_offset": np.float64(5),
    },
    "integers": {"scale_factor": np.int16(2), "add_offset": np.int16(7)},
    "trivial integers": {"scale_factor": np.int32(1), "add_offset": np.int32(0)},
    "NaN": {"scale_factor": np.float32("nan")},
    "text": {"scale_factor": "ten"},
    "text and number": {"scale_factor": np.float64(2), "add_offset": "none"},
    "two numbers": {"scale_factor": np.array([1.0, 2.0])},
}  # fmt: skip


@pytest.mark.parametrize("dtype", [*DTYPES, ">i2", ">f4"])
@pytest.mark.parametrize("name", PACKINGS)
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_packing_is_that_of_netcdf4_python(tmp_path, dtype, name):
    with np.errstate(all="ignore"):
        assert_agrees(tmp_path / "a.nc", dtype, PACKINGS[name])


@pytest.mark.parametrize(
    "packed", [PACKINGS["both f4"], PACKINGS["trivial both"], PACKINGS["scale"]]
)
@pytest.mark.parametrize("name", ["everything", "unsigned with a range", "valid_max"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "u1"])
def test_rules_of_packed_variables_are_in_stored_units(tmp_path, dtype, name, packed):
    attrs = {key: make(np.dtype(dtype)) for key, make in RULES[name].items()}
    assert_agrees(tmp_path / "a.nc", dtype, {**attrs, **packed})


numbers = st.one_of(
    st.sampled_from([0, 1, 2, 3, 5, 100, -1, 255, 65535, 0.1, 1e30, -999.0]),
    st.floats(width=32),
    st.integers(-(2**31), 2**31 - 1),
)


@st.composite
def attribute(draw, *, lists=True):
    kind = np.dtype(draw(st.sampled_from(DTYPES)))
    given_numbers = draw(st.lists(numbers, min_size=1, max_size=3 if lists else 1))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.array(given_numbers).astype(kind)
    return values if len(values) > 1 else values[0]


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from(DTYPES))
    attrs = {}
    for name in ("missing_value", "valid_min", "valid_max", "valid_range"):
        if draw(st.booleans()):
            attrs[name] = draw(attribute(lists=name not in ("valid_min", "valid_max")))
    for name in ("scale_factor", "add_offset"):
        if draw(st.integers(0, 3)) == 0:
            attrs[name] = draw(attribute(lists=False))
    if draw(st.booleans()):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attrs["_FillValue"] = np.array(draw(numbers)).astype(dtype)[()]
    # Without a _FillValue netCDF4-python fails on unsigned variables.
    if draw(st.booleans()) and ("_FillValue" in attrs or dtype[0] == "u"):
        attrs["_Unsigned"] = draw(st.sampled_from(["true", "True", "false", "TRUE"]))
    return dtype, attrs


@settings(max_examples=150, deadline=None)
@given(cases())
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_any_mixture_of_attributes_reads_as_netcdf4_python_reads_it(
    tmp_path_factory, case
):
    dtype, attrs = case
    path = tmp_path_factory.mktemp("cf") / "a.nc"
    with np.errstate(all="ignore"):
        assert_agrees(path, dtype, attrs)


def test_what_is_ignored_is_logged_with_the_variable_and_the_attribute(caplog):
    with caplog.at_level(logging.WARNING):
        missing = missing_rules(
            {"missing_value": 0.5}, np.dtype("i2"), default_fill=True, variable="tas"
        )
    assert missing == Missing(values=(np.int16(-32767),))
    (line,) = caplog.messages
    assert "tas" in line
    assert "missing_value" in line


def test_a_scale_that_is_no_number_is_logged_and_nothing_is_unpacked(caplog):
    with caplog.at_level(logging.WARNING):
        assert packing({"scale_factor": "ten"}, np.dtype("i2")) is None
    assert "scale_factor" in caplog.text


def test_attributes_may_be_plain_python_numbers():
    missing = missing_rules(
        {"_FillValue": -9, "valid_range": [0, 4]},
        np.dtype("i2"),
        default_fill=True,
        variable="v",
    )
    assert missing == Missing((np.int16(-9),), np.int16(0), np.int16(4))
    assert packing({"scale_factor": 2.0}, np.dtype("i2")) == Packing(
        np.float64(2.0), None, np.dtype("i2")
    )


def test_a_number_too_large_for_any_dtype_is_ignored():
    missing = missing_rules(
        {"missing_value": 2**70}, np.dtype("i2"), default_fill=True, variable="v"
    )
    assert missing == Missing((np.int16(-32767),))


@pytest.mark.parametrize("dtype", ["?", "f2"])
def test_types_that_netcdf_lacks_have_no_default_fill(dtype):
    assert default_fill_value(np.dtype(dtype)) is None
    rules = missing_rules({}, np.dtype(dtype), default_fill=True, variable="v")
    assert rules == Missing()


def test_two_byte_floats_have_rules_all_the_same():
    attrs = {"_FillValue": np.float16("nan"), "valid_max": np.float32(2)}
    rules = missing_rules(attrs, np.dtype(">f2"), default_fill=True, variable="v")
    assert rules == Missing((np.float16("nan"),), None, np.float16(2))


@pytest.mark.parametrize("dtype", ["S1", "O", "c8", "M8[s]"])
def test_what_is_no_number_has_no_rules(dtype):
    attrs = {"_FillValue": b"x", "scale_factor": 2.0}
    rules = missing_rules(attrs, np.dtype(dtype), default_fill=True, variable="v")
    assert rules == Missing()
    assert packing(attrs, np.dtype(dtype)) is None


@pytest.mark.parametrize("code", DTYPES)
def test_default_fills_are_the_librarys(code):
    expected = np.array(netCDF4.default_fillvals[code], dtype=code)
    for order in "<>":
        fill = default_fill_value(np.dtype(order + code))
        assert fill == expected
        assert fill.dtype == expected.dtype


def test_unsigned_is_a_word_and_not_a_number():
    for flag, dtype in itertools.product([1, True, b"true", "yes", None], INTEGERS):
        assert stored_dtype({"_Unsigned": flag}, np.dtype(dtype)) == np.dtype(dtype)
