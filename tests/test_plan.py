"""The plan against brute force: every selected element has one place, and only one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import keys, shapes

from activecore.errors import SelectionError
from activecore.plan import make_plan
from activecore.selection import index_view, view_of, view_shape

DIMS = ("a", "b", "c")


@st.composite
def planned(draw):
    shape = draw(shapes())
    cells = tuple(draw(st.integers(1, 5)) for _ in shape)
    view = view_of(shape)
    for _ in range(draw(st.integers(0, 2))):
        view = index_view(view, draw(keys(view_shape(view))), DIMS)
    return shape, cells, view


def within(item):
    return (
        np.arange(item.start, item.stop, item.step)
        if isinstance(item, slice)
        else np.array(item, dtype=int)
    )


def positions(box, dimension):
    place = box.destination(dimension)
    return np.arange(place.start, place.stop) if isinstance(place, slice) else place


@given(planned(), st.integers(1, 30))
def test_boxes_give_each_selected_element_its_place_once(case, most):
    shape, cells, view = case
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    plan = make_plan(view, cells)
    found = np.full(plan.shape, -1)
    chunks = 0
    for box in plan.boxes(most):
        assert 0 < len(box) <= most
        assert len(box) == len(box.coords())
        chunks += len(box)
        stored = [
            (box.chunks[d][:, None] * cells[d] + within(box.selection[d])).ravel()
            for d in range(len(shape))
        ]
        places = np.ix_(*[positions(box, d) for d in range(len(shape))])
        assert (found[places] == -1).all()
        found[places] = array[np.ix_(*stored)]
        for item, cell in zip(box.selection, cells, strict=True):
            inside = within(item)
            assert (np.diff(inside) >= 0).all()
            assert inside.min() >= 0
            assert inside.max() < cell
    if 0 not in plan.shape:
        assert chunks == plan.chunks
    for axis, restore in enumerate(plan.restore):
        if isinstance(restore, slice):
            found = np.flip(found, axis)
        elif restore is not None:
            found = found.take(restore, axis=axis)
    expected = array[
        np.ix_(*[np.atleast_1d(np.asarray(item, dtype=int)) for item in view])
    ]
    np.testing.assert_array_equal(found, expected)


@given(planned())
def test_values_along_a_dimension_follow_its_sorting(case):
    _, cells, view = case
    plan = make_plan(view, cells)
    if 0 in plan.shape:
        return
    for axis, item in enumerate(view):
        users = np.atleast_1d(np.asarray(item, dtype=np.int64))
        np.testing.assert_array_equal(plan.sorted_along(axis, users), np.sort(users))


def test_a_slice_makes_three_classes_at_most():
    plan = make_plan(index_view(view_of((1000,)), slice(5, 995), DIMS), (10,))
    assert [c.selection for c in plan.classes[0]] == [
        slice(5, 10, 1),
        slice(0, 10, 1),
        slice(0, 5, 1),
    ]
    assert plan.chunks == 100


def test_planning_a_million_chunks_makes_few_objects():
    plan = make_plan(view_of((8_000_000, 8)), (8, 8))
    assert plan.chunks == 1_000_000
    assert [len(dimension) for dimension in plan.classes] == [1, 1]
    assert len(next(plan.boxes(4096))) == 4096


def test_neighbours_along_the_last_dimension_share_a_box():
    box = next(make_plan(view_of((100, 100, 100)), (10, 10, 10)).boxes(25))
    assert box.shape == (1, 2, 10)


def test_an_empty_selection_is_planned_however_long_the_rest_is():
    plan = make_plan(view_of((0, 2**60)), (1, 1))
    assert plan.chunks == 0
    assert list(plan.boxes(10)) == []


def test_more_chunks_than_can_be_planned_are_one_clear_error():
    with pytest.raises(
        SelectionError, match="spans 1152921504606846976 chunks along one"
    ):
        make_plan(view_of((2**60,)), (1,))
