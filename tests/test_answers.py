"""Whole reductions, in memory, against numpy.ma on the decoded array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import array_of
from oracle import agree, masked, oracle
from strategies import keys, orthogonal, shapes

from activecore.model import Missing, Packing
from activecore.reductions import REDUCTION

DTYPES = [
    "i1",
    "u1",
    "i2",
    "u2",
    "i4",
    "u4",
    "i8",
    "u8",
    "f2",
    "f4",
    "f8",
    "?",
    ">i2",
    ">f4",
]


@st.composite
def stored(draw):
    """An array, how it is cut, and its missing rules."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(shapes())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "b":
        values = rng.random(shape) < 0.5
    else:
        low = 0 if dtype.kind == "u" else -6
        values = rng.integers(low, 7, shape).astype(dtype)
    rules = st.integers(0 if dtype.kind in "ub" else -6, 6).map(
        lambda v: dtype.newbyteorder("=").type(v)
    )
    missing = Missing(
        tuple(draw(st.lists(rules, max_size=2))),
        draw(st.none() | rules) if dtype.kind != "b" else None,
        draw(st.none() | rules) if dtype.kind != "b" else None,
    )
    if dtype.kind == "f" and draw(st.booleans()):
        values[rng.random(shape) < 0.2] = np.nan
        if draw(st.booleans()):
            missing = missing.with_value(dtype.newbyteorder("=").type(np.nan))
    chunks = tuple(draw(st.integers(1, 5)) for _ in shape)
    return values, chunks, missing


@settings(max_examples=300)
@given(st.data())
def test_any_reduction_of_any_selection_is_what_numpy_gives(data):
    values, chunks, missing = data.draw(stored())
    key = data.draw(keys(values.shape))
    array = array_of(
        values,
        chunks,
        missing=missing,
        threads=data.draw(st.sampled_from([1, 2])),
        batch_chunks=data.draw(st.integers(1, 9)),
        order=data.draw(st.sampled_from("CF")),
    )[key]
    selected = orthogonal(values, key)
    mask = orthogonal(masked(values, missing), key)
    axes = tuple(
        sorted(
            data.draw(
                st.sets(st.sampled_from(range(selected.ndim)))
                if selected.ndim
                else st.just(set())
            )
        )
    )
    reduction = data.draw(st.sampled_from(sorted(REDUCTION)))
    ddof = data.draw(st.sampled_from([0, 1])) if reduction in ("var", "std") else 0
    skipna = data.draw(st.booleans())
    if skipna and selected.dtype.kind == "f":
        mask = mask | np.isnan(selected)
    keepdims = data.draw(st.booleans())
    expected, valid = oracle(reduction, selected, mask, axes, ddof)
    shape = (
        expected.shape
        if keepdims
        else tuple(n for a, n in enumerate(expected.shape) if a not in axes)
    )
    answer = array.reduce(reduction, axes, ddof=ddof, skipna=skipna, keepdims=keepdims)
    agree(answer, expected.reshape(shape), valid.reshape(shape))


@settings(max_examples=100)
@given(st.data())
def test_reading_gives_the_selected_elements(data):
    values, chunks, missing = data.draw(stored())
    key = data.draw(keys(values.shape))
    array = array_of(
        values, chunks, missing=missing, order=data.draw(st.sampled_from("CF"))
    )[key]
    read = array.read()
    expected = orthogonal(values, key)
    assert read.dtype == values.dtype.newbyteorder("=")
    mask = orthogonal(masked(values, missing), key)
    np.testing.assert_array_equal(np.ma.getmaskarray(read), mask)
    np.testing.assert_array_equal(read.data[~mask], expected[~mask])


@settings(max_examples=60)
@given(st.data())
def test_weights_give_numpys_average(data):
    values, chunks, missing = data.draw(stored())
    key = data.draw(keys(values.shape))
    selected = orthogonal(values, key)
    mask = orthogonal(masked(values, missing), key)
    if selected.ndim == 0:
        return
    axes = sorted(data.draw(st.sets(st.sampled_from(range(selected.ndim)), min_size=1)))
    weighted = data.draw(st.lists(st.sampled_from(axes), unique=True, min_size=1))
    array = array_of(values, chunks, missing=missing)[key]
    weights, factor = {}, np.ones((1,) * selected.ndim)
    for axis in weighted:
        along = np.array(
            data.draw(
                st.lists(
                    st.integers(0, 4),
                    min_size=selected.shape[axis],
                    max_size=selected.shape[axis],
                )
            ),
            float,
        )
        weights[array.dims[axis] if data.draw(st.booleans()) else axis] = along
        factor = factor * along.reshape(
            [-1 if a == axis else 1 for a in range(selected.ndim)]
        )
    factor = np.broadcast_to(factor, selected.shape)
    wide = selected.astype(float)
    total = np.where(mask, 0, wide * factor).sum(axis=tuple(axes))
    norm = np.where(mask, 0, factor).sum(axis=tuple(axes))
    n = (~mask).sum(axis=tuple(axes))
    agree(array.sum(tuple(axes), weights=weights), total, n > 0)
    agree(
        array.mean(tuple(axes), weights=weights),
        total / np.where(norm == 0, 1, norm),
        (n > 0) & (norm != 0),
    )


@pytest.mark.parametrize("scale", [0.1, -0.5, np.float32(0.01), 2])
@pytest.mark.parametrize("reduction", sorted(REDUCTION))
def test_packing_on_partials_is_packing_on_elements(reduction, scale):
    rng = np.random.default_rng(3)
    values = rng.integers(-300, 300, (7, 9)).astype("i2")
    values[rng.random(values.shape) < 0.2] = -999
    packing = Packing(scale, np.float64(5), np.dtype("i2"))
    array = array_of(
        values, (3, 4), missing=Missing((np.int16(-999),)), packing=packing
    )
    unpacked = values * scale + np.float64(5)
    expected, valid = oracle(reduction, unpacked, values == -999, (0,))
    if reduction in ("min", "max", "ptp"):
        data = np.ma.array(unpacked, mask=values == -999)
        expected = getattr(data, reduction)(axis=0)[np.newaxis]
    # Elements unpacked in float32 are rounded one by one; partials are not.
    rtol = 1e-6 if isinstance(scale, np.float32) else 1e-12
    agree(array.reduce(reduction, 0), expected[0], valid[0], rtol=rtol)


@settings(max_examples=60)
@given(st.data())
def test_absent_gone_and_inline_chunks_answer_like_stored_ones(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    values = rng.integers(-5, 5, (6, 7)).astype(
        data.draw(st.sampled_from(["i4", "f4", ">f8"]))
    )
    fill = data.draw(st.sampled_from([0, 3, None]))
    missing = data.draw(st.sampled_from([Missing(), Missing((3,))]))
    states = {}
    mask = np.zeros(values.shape, bool)
    for coords in [(i, j) for i in range(3) for j in range(3)]:
        state = data.draw(st.sampled_from(["absent", "gone", "inline", "stored"]))
        states[coords] = state
        if state in ("absent", "gone"):
            where = (
                slice(2 * coords[0], 2 * coords[0] + 2),
                slice(3 * coords[1], 3 * coords[1] + 3),
            )
            values[where] = 0 if fill is None else fill
            mask[where] = fill is None
    mask |= masked(values, missing)
    array = array_of(values, (2, 3), states=states, fill=fill, missing=missing)
    reduction = data.draw(st.sampled_from(sorted(REDUCTION)))
    axes = data.draw(st.sampled_from([(0,), (1,), (0, 1), ()]))
    expected, valid = oracle(reduction, values, mask, axes)
    shape = tuple(n for a, n in enumerate(expected.shape) if a not in axes)
    agree(array.reduce(reduction, axes), expected.reshape(shape), valid.reshape(shape))
    read = array.read()
    np.testing.assert_array_equal(np.ma.getmaskarray(read), mask)
    np.testing.assert_array_equal(
        read.filled(0), np.where(mask, read.fill_value * 0, values)
    )
