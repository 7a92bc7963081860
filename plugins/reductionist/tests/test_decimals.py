"""Numbers in requests are read exactly, by exact parsers and by the server's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reductionist_standin import rough

from activecore_reductionist.decimals import exact_text

DOUBLE = np.dtype("f8")


@settings(max_examples=2000, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float64_is_read_exactly_by_both_or_not_written_at_all(value):
    text = exact_text(value, DOUBLE)
    if text is None:
        return  # how often that happens is looked at below
    assert float(text) == value
    assert rough(text) == value


def test_hardly_any_float64_is_not_written():
    values = np.random.default_rng(1).random(2000) * 10.0 ** np.arange(-200, 200, 0.2)
    written = [exact_text(value, DOUBLE) is not None for value in values]
    assert sum(written) > 0.99 * len(written)


@settings(max_examples=1000, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float32_is_written_so_that_both_read_it_exactly(value):
    text = exact_text(np.float32(value), np.dtype("f4"))
    assert text is not None
    assert np.float32(float(text)) == np.float32(value)
    assert np.float32(rough(text)) == np.float32(value)


@pytest.mark.parametrize(
    "fill", [9.969209968386869e36, 1e20, -9999.0, -32767.0, 0.1, 1e36, -1e34]
)
def test_the_usual_fill_values_are_written(fill):
    text = exact_text(fill, DOUBLE)
    assert text is not None
    assert rough(text) == float(text) == fill


def test_python_s_own_way_of_writing_netcdf_s_fill_value_would_be_misread():
    fill = 9.969209968386869e36
    assert rough(repr(fill).replace("+", "")) != fill


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_hold_is_not_written(value):
    assert exact_text(value, DOUBLE) is None


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0])
def test_integers_are_written_as_integers(value):
    assert exact_text(np.int64(value), np.dtype("i8")) == str(value)


def test_whole_floats_are_written_as_integers():
    assert exact_text(-0.0, DOUBLE) == "0"
    assert exact_text(-32767.0, DOUBLE) == "-32767"
