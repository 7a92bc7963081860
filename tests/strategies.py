"""Hypothesis strategies that several test modules share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def shapes(draw, max_dims=3, max_length=9):
    """Shapes of arrays, scalars and empty dimensions included."""
    return tuple(draw(st.lists(st.integers(0, max_length), max_size=max_dims)))


@st.composite
def dimension_keys(draw, length):
    """One index along a dimension of this length, as NumPy would take it."""
    kinds = ["slice", "list", "mask"] + (["int"] if length else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "int":
        return draw(st.integers(-length, length - 1))
    if kind == "slice":
        bound = st.one_of(st.none(), st.integers(-length - 2, length + 2))
        step = draw(
            st.one_of(st.none(), st.integers(-4, 4).filter(lambda step: step != 0))
        )
        return slice(draw(bound), draw(bound), step)
    if kind == "mask":
        return np.array(
            draw(st.lists(st.booleans(), min_size=length, max_size=length)), dtype=bool
        )
    positions = st.integers(-length, length - 1) if length else st.nothing()
    return draw(st.lists(positions, max_size=6)) if length else []


@st.composite
def keys(draw, shape):
    """An index into an array of this shape: a tuple, maybe shortened or with '...'."""
    items = [draw(dimension_keys(length)) for length in shape]
    how = draw(st.sampled_from(["whole", "short", "ellipsis"]))
    if how == "short" and items:
        return tuple(items[: draw(st.integers(0, len(items)))])
    if how == "ellipsis" and items:
        at = draw(st.integers(0, len(items)))
        until = draw(st.integers(at, len(items)))
        return (*items[:at], Ellipsis, *items[until:])
    return tuple(items)


def orthogonal(array, key):
    """NumPy's answer to an orthogonal index, one dimension at a time."""
    items = list(key) if isinstance(key, tuple) else [key]
    given = sum(item is not Ellipsis for item in items)
    rest = [slice(None)] * (array.ndim - given)
    if any(item is Ellipsis for item in items):
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = rest
    else:
        items += rest
    axis = 0
    for item in items:
        index = (
            (slice(None),) * axis
            + (np.asarray(item, dtype=int) if item == [] else item,)
            if isinstance(item, list)
            else (slice(None),) * axis + (item,)
        )
        array = array[index]
        axis += not isinstance(item, (int, np.integer))
    return array
