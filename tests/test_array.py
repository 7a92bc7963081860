"""``ActiveArray`` as users meet it: attributes, errors, NumPy's protocols, explain."""

from __future__ import annotations

import json

import numpy as np
import pytest
from memory import array_of

from activecore.errors import (
    SelectionError,
    UnsupportedDtype,
    UnsupportedReduction,
)
from activecore.model import Missing, Packing

FIELD = np.random.default_rng(5).normal(280, 15, (12, 6, 8)).astype("f4")
DIMS = ("time", "lat", "lon")


@pytest.fixture
def tas():
    return array_of(FIELD, (5, 4, 3), dims=DIMS)


def test_attributes_describe_what_is_selected(tas):
    part = tas[2:8, 0, ::-2]
    assert part.shape == (6, 4)
    assert part.dims == ("time", "lon")
    assert part.ndim == 2
    assert part.size == 24
    assert part.nbytes == 96
    assert part.dtype == np.float32
    assert part.chunks == (5, 4, 3)
    assert len(part) == 6
    assert tas.shape == (12, 6, 8)  # indexing gave a new array


def test_the_repr_says_what_it_is(tas):
    text = repr(tas[0:3])
    for part in (
        "'x'",
        "time: 3, lat: 6, lon: 8",
        "float32",
        "chunks (5, 4, 3)",
        "memory",
    ):
        assert part in text


def test_axes_go_by_name_or_number(tas):
    expected = FIELD.astype("f8").mean(axis=(1, 2))
    for axis in ((1, 2), (-1, -2), ("lat", "lon"), ["lon", 1]):
        np.testing.assert_allclose(tas.mean(axis=axis), expected, rtol=1e-12)
    np.testing.assert_allclose(tas.mean(dim=("lat", "lon")), expected, rtol=1e-12)
    np.testing.assert_allclose(tas[:, 2].max("lon"), FIELD[:, 2].max(1))


def test_isel_selects_by_name(tas):
    np.testing.assert_array_equal(
        tas.isel(time=3, lon=slice(None, None, -1)).read(), FIELD[3, :, ::-1]
    )


@pytest.mark.parametrize(
    ("question", "kind", "message"),
    [
        (
            lambda a: a.mean("tiem"),
            SelectionError,
            "there is no dimension 'tiem'; did you mean 'time'?",
        ),
        (lambda a: a.mean("depth"), SelectionError, "(dimensions: time, lat, lon)"),
        (lambda a: a.mean(3), SelectionError, "there is no axis 3 among 3"),
        (lambda a: a.mean((0, "time")), SelectionError, "named twice"),
        (lambda a: a.mean(0, dim="lat"), SelectionError, "two spellings"),
        (lambda a: a.mean(1.5), SelectionError, "an axis is a number or a name"),
        (lambda a: a[:, 0].mean("lat"), SelectionError, "there is no dimension 'lat'"),
        (lambda a: a.isel(tme=0), SelectionError, "did you mean 'time'?"),
        (lambda a: a.reduce("meen"), UnsupportedReduction, "did you mean 'mean'?"),
        (
            lambda a: a.reduce("median"),
            UnsupportedReduction,
            "there is no reduction 'median'",
        ),
        (
            lambda a: a.max(weights={"lat": np.ones(6)}),
            UnsupportedReduction,
            "max takes no weights",
        ),
        (lambda a: a.mean(weights=np.ones(6)), SelectionError, "given by dimension"),
        (
            lambda a: a.mean("time", weights={"lat": np.ones(6)}),
            SelectionError,
            "not among the dimensions reduced",
        ),
        (
            lambda a: a.mean(weights={"lat": np.ones(5)}),
            SelectionError,
            "shape (5,), but 6 elements",
        ),
        (
            lambda a: a.mean(weights={"lat": [1, 2, 3, 4, 5, np.nan]}),
            SelectionError,
            "not all finite",
        ),
        (
            lambda a: a.mean(weights={"lat": list("abcdef")}),
            SelectionError,
            "no numbers",
        ),
        (
            lambda a: a.mean(weights={"lat": np.ma.masked_less(np.arange(6), 2)}),
            SelectionError,
            "missing values",
        ),
        (
            lambda a: a.mean(weights={"lay": np.ones(6)}),
            SelectionError,
            "did you mean 'lat'",
        ),
    ],
)
def test_a_wrong_question_is_one_clear_line(tas, question, kind, message):
    with pytest.raises(kind) as caught:
        question(tas)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numpy_functions_reach_the_reductions(tas):
    assert np.mean(tas) == tas.mean()
    np.testing.assert_array_equal(np.max(tas, axis=0), FIELD.max(axis=0))
    np.testing.assert_allclose(
        np.std(tas, axis=(1, 2), ddof=1), FIELD.astype("f8").std(axis=(1, 2), ddof=1)
    )
    out = np.empty((6, 8))
    assert np.sum(tas, axis=0, out=out) is out
    np.testing.assert_allclose(out, FIELD.astype("f8").sum(0))
    np.testing.assert_array_equal(np.asarray(tas[0]), FIELD[0])
    assert np.asarray(tas[0, 0, 0], dtype="f8").dtype == np.float64


def test_missing_floats_become_nan_and_missing_integers_are_refused():
    floats = array_of(np.array([1.0, -9, 3]), (2,), missing=Missing((-9.0,)))
    np.testing.assert_array_equal(np.asarray(floats), [1, np.nan, 3])
    integers = array_of(np.array([1, -9, 3]), (2,), missing=Missing((-9,)))
    with pytest.raises(UnsupportedDtype, match=r"use \.read\(\)"):
        np.asarray(integers)


def test_iterating_is_refused_with_a_reason(tas):
    with pytest.raises(TypeError, match="piece by piece"):
        list(tas)
    with pytest.raises(TypeError, match="not one truth"):
        bool(tas)
    with pytest.raises(TypeError, match="no length"):
        len(tas[0, 0, 0])


def test_results_are_scalars_arrays_or_masked():
    values = np.array([[1, -9], [-9, -9]], dtype="i2")
    array = array_of(values, (1, 2), missing=Missing((np.int16(-9),)))
    assert isinstance(array.mean(), np.float64)
    assert isinstance(array.max(), np.int16)
    assert isinstance(array.sum(), np.int64)
    assert isinstance(array.any(), np.bool_)
    assert array[1].mean() is np.ma.masked
    assert array[1].count() == 0
    assert array[1].count() is not np.ma.masked
    assert array.count(0).tolist() == [1, 0]
    assert array.max(1).tolist() == [1, None]
    assert array.var(1, ddof=1).tolist() == [None, None]
    assert array.max(1, keepdims=True).shape == (2, 1)
    assert array.mean(dtype="f4").dtype == np.float32


def test_components_are_what_a_reduction_is_made_of():
    array = array_of(np.arange(12.0).reshape(3, 4), (2, 2), dims=("t", "x"))
    assert array.reduce("mean", components=True) == {"sum": 66.0, "n": 12}
    parts = array.reduce("var", "t", components=True)
    assert sorted(parts) == ["m2", "mean", "n"]
    np.testing.assert_allclose(parts["m2"], np.arange(12.0).reshape(3, 4).var(0) * 3)
    weighted = array.reduce("mean", weights={"t": [1, 2, 3]}, components=True)
    assert sorted(weighted) == ["n", "sum", "weight"]
    assert weighted["weight"] == 24
    packed = array_of(
        np.arange(4, dtype="i2"), (2,), packing=Packing(0.5, 10.0, np.dtype("i2"))
    )
    assert packed.reduce("mean", components=True) == {"sum": 43.0, "n": 4}
    assert packed.reduce("ptp", components=True) == {"min": 10.0, "max": 11.5, "n": 4}


def test_eight_byte_integers_do_not_wrap_in_a_mean():
    big = np.full(8, 2**62, dtype="i8")
    assert array_of(big, (3,)).mean() == 2.0**62
    assert array_of(np.full(8, 2**63, dtype="u8"), (3,)).mean() == 2.0**63
    assert array_of(np.array([-(2**63), 2**63 - 1]), (1,)).ptp() == 2**64 - 1


def test_variance_of_a_large_offset_keeps_its_digits():
    # Chunks' means are float64 numbers near 1e9, so exact to 1e-7: that is what is left.
    values = 1e9 + np.tile([0.0, 1.0], 500)
    assert array_of(values, (7,)).var() == pytest.approx(0.25, rel=1e-7)


def test_explain_says_who_and_how_much(tas):
    text = str(tas[0:5].explain("mean", "time"))
    for part in (
        "mean of x",
        "'sum'",
        "memory (6 chunks)",
        "chunks        6",
        "6 whole objects",
    ):
        assert part in text
    fields = json.loads(json.dumps(tas.explain("max").as_dict()))
    assert fields["chunks"] == 18
    assert fields["backends"] == {"memory": 18}
    assert fields["operation"] == "max"


def test_text_is_refused_by_name(tas):
    info = tas.info
    object.__setattr__(info, "dtype", np.dtype("S4"))
    with pytest.raises(UnsupportedDtype, match="variable 'x' holds |S4"):
        tas.mean()
    with pytest.raises(UnsupportedDtype):
        tas.read()
