"""Partials to the one result, against NumPy: any grid, any boxes, any axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import keys, orthogonal, shapes

from activecore.combine import Combiner, merge_box
from activecore.elements import reduce_elements
from activecore.operations import OPERATION
from activecore.plan import make_plan
from activecore.selection import index_view, view_of

DIMS = ("a", "b", "c")


@st.composite
def cases(draw):
    shape = draw(shapes())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(-20, 20, shape).astype(draw(st.sampled_from(["i2", "f8"])))
    invalid = rng.random(shape) < draw(st.sampled_from([0, 0.3, 1]))
    key = draw(keys(shape))
    cells = tuple(draw(st.integers(1, 5)) for _ in shape)
    axes = tuple(
        sorted(draw(st.sets(st.sampled_from(range(len(shape)))))) if shape else ()
    )
    return values, invalid, key, cells, axes


def chunk_of(array, coords, cells, selection):
    """What is wanted of one chunk, cut from the array by plain NumPy."""
    chunk = array[
        tuple(slice(c * n, (c + 1) * n) for c, n in zip(coords, cells, strict=True))
    ]
    for axis, item in enumerate(selection):
        index = item if isinstance(item, slice) else np.array(item, dtype=int)
        chunk = chunk[(slice(None),) * axis + (index,)]
    return chunk


def combined(case, operation, most, weights=None):
    """Plan, reduce each chunk with NumPy arrays in place of a backend, combine."""
    values, invalid, key, cells, axes = case
    weights = weights or {}
    view = index_view(view_of(values.shape), key, DIMS)
    plan = make_plan(view, cells)
    # A dimension that an integer indexed ends at length one too.
    ends = sorted({*axes, *(a for a, item in enumerate(view) if isinstance(item, int))})
    along = {a: plan.sorted_along(a, weight) for a, weight in weights.items()}
    within = tuple(a for a in ends if a not in along)
    identity = OPERATION[operation].identity(values.dtype)
    if along:
        identity = (np.zeros((), "f8"), np.zeros((), "f8"))
    combiner = Combiner(plan, operation, identity, ends)
    for box in plan.boxes(most):
        cut = [
            (
                chunk_of(values, coords, cells, box.selection),
                chunk_of(invalid, coords, cells, box.selection),
            )
            for coords in box.coords().tolist()
        ]
        elements, missing = (np.stack(column) for column in zip(*cut, strict=True))
        parts, count = reduce_elements(elements, missing, within, operation)
        combiner.add(box, *merge_box(box, operation, parts, count, ends, along))
    found, count = combiner.result()
    return found, count, ends


def expected_of(case, ends):
    """The selection with all its dimensions, and which elements are kept."""
    values, invalid, key, *_ = case
    view = index_view(view_of(values.shape), key, DIMS)
    index = np.ix_(*[np.atleast_1d(np.asarray(item, dtype=int)) for item in view])
    return values[index], ~invalid[index], {"axis": tuple(ends), "keepdims": True}


REDUCING = ["count", "sum", "sum_f8", "min", "max", "extrema", "moments", "nonzero"]


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from(REDUCING), st.integers(1, 40))
def test_any_grid_and_any_boxes_give_what_numpy_gives(case, operation, most):
    found, count, ends = combined(case, operation, most)
    values, kept, along = expected_of(case, ends)
    n = kept.sum(**along)
    np.testing.assert_array_equal(count, n)
    floats = values.astype("f8")
    mean = np.where(kept, floats, 0).sum(**along) / np.maximum(n, 1)
    low = np.where(kept, floats, np.inf).min(**along, initial=np.inf)
    high = np.where(kept, floats, -np.inf).max(**along, initial=-np.inf)
    total = np.where(kept, floats, 0).sum(**along)
    expected = {
        "count": (),
        "sum": (total,),
        "sum_f8": (total,),
        "min": (low,),
        "max": (high,),
        "extrema": (low, high),
        "moments": (mean, np.where(kept, (floats - mean) ** 2, 0).sum(**along)),
        "nonzero": ((kept & (values != 0)).sum(**along),),
    }[operation]
    for value, wanted in zip(found, expected, strict=True):
        assert value.shape == n.shape
        np.testing.assert_allclose(
            value[n > 0].astype("f8"), wanted[n > 0], rtol=1e-12, atol=1e-9
        )


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 40))
def test_selected_elements_come_to_their_places(case, most):
    values, invalid, key, cells, _ = case
    if any(
        isinstance(item, int) for item in index_view(view_of(values.shape), key, DIMS)
    ):
        key = ...
    (elements,), kept, _ = combined((values, invalid, key, cells, ()), "select", most)
    np.testing.assert_array_equal(elements, orthogonal(values, key))
    np.testing.assert_array_equal(kept, ~orthogonal(invalid, key))


@settings(max_examples=100, deadline=None)
@given(st.data(), cases(), st.integers(1, 40))
def test_weights_follow_their_elements_through_any_selection(data, case, most):
    values, _, key, _, axes = case
    view = index_view(view_of(values.shape), key, DIMS)
    free = [axis for axis in axes if not isinstance(view[axis], int)]
    if not free:
        return
    weights = {
        axis: np.arange(1.0, 1 + len(view[axis])) ** 2
        for axis in data.draw(st.sets(st.sampled_from(free), min_size=1))
    }
    (total, weight), count, ends = combined(case, "sum_f8", most, weights)
    selected, kept, along = expected_of(case, ends)
    factor = np.ones((1,) * selected.ndim)
    for axis, each in weights.items():
        factor = factor * each.reshape(
            [-1 if a == axis else 1 for a in range(selected.ndim)]
        )
    factor = np.broadcast_to(factor, selected.shape)
    np.testing.assert_array_equal(count, kept.sum(**along))
    np.testing.assert_allclose(total, np.where(kept, selected * factor, 0).sum(**along))
    np.testing.assert_allclose(weight, np.where(kept, factor, 0).sum(**along))


@pytest.mark.parametrize("operation", ["sum", "moments"])
def test_the_same_boxes_give_the_same_bits(operation):
    rng = np.random.default_rng(2)
    values = rng.normal(280, 15, (30, 17, 11))
    case = (values, rng.random(values.shape) < 0.1, ..., (4, 5, 3), (0, 2))
    first, *_ = combined(case, operation, 7)
    again, *_ = combined(case, operation, 7)
    for a, b in zip(first, again, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_every_subset_of_the_axes_is_combined(most):
    values = np.random.default_rng(6).normal(size=(9, 8, 7))
    nothing = np.zeros(values.shape, bool)
    for size in range(4):
        for axes in itertools.combinations(range(3), size):
            case = (values, nothing, ..., (4, 3, 5), axes)
            (total,), count, _ = combined(case, "sum", most)
            np.testing.assert_allclose(
                total, values.sum(axes, keepdims=True), rtol=1e-12
            )
            assert (count == np.prod([values.shape[a] for a in axes], dtype=int)).all()


@pytest.mark.parametrize("operation", ["sum", "max", "moments"])
@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("most", [1, 4, 100])
def test_reversed_unordered_and_stepped_selections_come_out_in_the_users_order(
    operation, axes, most
):
    # Hypothesis finds these as well, but not each time.
    rng = np.random.default_rng(7)
    values = rng.normal(size=(9, 8, 7))
    invalid = rng.random(values.shape) < 0.2
    key = (slice(None, None, -1), [5, 0, 5, 2, 7], slice(1, None, 3))
    found, count, ends = combined(
        (values, invalid, key, (4, 3, 2), axes), operation, most
    )
    selected, kept, along = expected_of((values, invalid, key), ends)
    n = kept.sum(**along)
    np.testing.assert_array_equal(count, n)
    total = np.where(kept, selected, 0).sum(**along)
    expected = {
        "sum": total,
        "max": np.where(kept, selected, -np.inf).max(**along),
        "moments": total / np.maximum(n, 1),
    }[operation]
    np.testing.assert_allclose(found[0][n > 0], expected[n > 0], rtol=1e-12)
