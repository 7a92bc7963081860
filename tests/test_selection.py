"""Views against NumPy's own indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import keys, orthogonal, shapes

from activecore.errors import SelectionError
from activecore.selection import index_view, view_of, view_shape

DIMS = ("time", "lat", "lon", "level")


def taken(array, view):
    """The elements that a view selects, by plain NumPy."""
    axis = 0
    for item in view:
        array = array[
            (slice(None),) * axis
            + (item if isinstance(item, int) else np.asarray(item, dtype=int),)
        ]
        axis += not isinstance(item, int)
    return array


@given(st.data())
def test_a_view_selects_what_numpy_selects(data):
    shape = data.draw(shapes())
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    view, expected = view_of(shape), array
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(keys(expected.shape))
        view = index_view(view, key, DIMS)
        expected = orthogonal(expected, key)
        assert view_shape(view) == expected.shape
        np.testing.assert_array_equal(taken(array, view), expected)


def test_slices_of_slices_stay_ranges():
    view = index_view(view_of((100,)), slice(90, 10, -2), DIMS)
    assert index_view(view, slice(5, None, 3), DIMS) == (range(80, 10, -6),)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (12, "dimension 'time': index 12 is out of range for length 12"),
        (-13, "dimension 'time': index -13 is out of range"),
        ((0, 9), "dimension 'lat': index 9 is out of range for length 4"),
        (slice(None, None, 0), "dimension 'time': slice step cannot be zero"),
        ([0, 12], "dimension 'time': index 12 is out of range"),
        ([0.5], "dimension 'time': positions must be integers, not float64"),
        (1.5, "dimension 'time': 1.5 is no index"),
        (np.ones(3, bool), "dimension 'time': a mask of 3 for a length of 12"),
        (np.ones((12, 4), bool), "an index array must have one dimension, not 2"),
        ((0, 0, 0), "too many indices: 3 for 2 dimensions"),
        ((..., ...), "only one ellipsis"),
        ((None, 0), "new axes"),
        (True, "a single boolean is no index"),
        ("lat", "dimension 'time'"),
    ],
)
def test_a_wrong_index_is_one_clear_error(key, message):
    with pytest.raises(SelectionError, match="^[^\n]+$") as caught:
        index_view(view_of((12, 4)), key, DIMS)
    assert message in str(caught.value)
    assert isinstance(caught.value, IndexError)
