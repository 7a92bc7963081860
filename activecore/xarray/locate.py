"""What a variable of xarray selects of which source, however it came about."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Variable

from activecore.array import ActiveArray
from activecore.errors import UnsupportedReduction
from activecore.xarray.decoded import DecodedArray
from activecore.xarray.probe import PLACE, probing

__all__ = ["Located", "holds_dates", "locate"]

Array: TypeAlias = NDArray[Any]

_INSTEAD = (
    "only selections of what engine 'activecore' opened can be reduced where they lie "
    "(isel, sel, [], transpose, rename, squeeze, expand_dims, concat). Reduce first "
    "and compute on the result, or call the reduction without .active, which reads "
    "the data"
)


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A selection of one source: part of a variable, or all of it."""

    source: DecodedArray
    """What it is selected of."""
    array: ActiveArray
    """The selection itself; its dimensions are in the source's order."""
    axes: tuple[int | None, ...]
    """For each of the variable's dimensions, which of the selection's it is; None: it
    has length one and is none of them."""
    span: slice
    """Which part of the variable along ``joined``."""
    joined: int | None = None
    """The dimension of the variable along which several sources were joined."""


def locate(variable: Variable, name: object) -> list[Located]:
    """Find what a variable selects; reads nothing.

    Parameters
    ----------
    variable
        Not empty, lazy or of Dask's.
    name
        What messages call it.

    Returns
    -------
    list of Located
        One; several in order where sources were joined along one dimension.

    Raises
    ------
    UnsupportedReduction
        It was loaded, or computed on, or selected in a way that is not orthogonal.
    """
    lines = _lines(variable, 0, name)
    if len(lines.sources) == 0 and variable.dtype.kind in "OSTU":
        raise UnsupportedReduction(
            f"{name!r} holds text, which is not reduced where data lies: leave it out "
            "(drop_vars), or reduce it without .active"
        )
    if len(lines.sources) == 0:
        raise UnsupportedReduction(
            f"{name!r} is in memory, or does not come from engine 'activecore': "
            "reduce it without .active"
        )
    joined = [axis for axis, of in enumerate(lines.numbers) if (of != of[0]).any()]
    if len(joined) > 1:
        raise _not_orthogonal(name)
    if len(joined) == 0:
        return [_located(variable, name, slice(None), None, lines)]
    (axis,) = joined
    numbers = lines.numbers[axis]
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    found = []
    for start, stop in itertools.pairwise(cuts):
        part = variable[(slice(None),) * axis + (slice(start, stop),)]
        of_part = _lines(part, 0, name)
        found.append(_located(part, name, slice(start, stop), axis, of_part))
    return found


def holds_dates(array: DataArray) -> bool:
    """Tell whether objects are dates of a calendar of their own; reads none of them.

    False for what is in memory, and for text.
    """
    if array.dtype.kind != "O":
        return False
    sources = _lines(array.variable, 0, array.name).sources
    return any(source.is_time for source in sources)


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """A variable followed along each of its axes, from its first element."""

    sources: list[Any]
    """The sources that answered."""
    numbers: list[Array]
    """Along each axis the number of the source of each element."""
    positions: list[Array]
    """And its position along one dimension there."""


def _lines(variable: Variable, dimension: int, name: object) -> _Lines:
    keys = [
        tuple(
            slice(None) if number == axis else slice(0, 1)
            for number in range(variable.ndim)
        )
        for axis in range(max(1, variable.ndim))
    ]
    sources, places = _places(variable, keys, dimension, name)
    lines = [place.ravel() for place in places]
    return _Lines(
        sources,
        [line["source"] for line in lines],
        [line["position"] for line in lines],
    )


def _places(
    variable: Variable, keys: Sequence[tuple[Any, ...]], dimension: int, name: object
) -> tuple[list[Any], list[Array]]:
    """Read places instead of parts of a variable; and which sources answered."""
    try:
        with probing(dimension) as probe:
            # Indexed first, always: what is remembered is remembered by the part. By
            # slices: of a lazily transposed variable xarray cannot take one element.
            parts = [variable[(*key, ...)] for key in keys]
            if variable.chunks is None:
                places = [part.values for part in parts]
            else:
                from dask.base import compute

                # All at once: optimising Dask's graph is what takes the time.
                data = [part.data for part in parts]
                places = list(compute(*data))  # type: ignore[no-untyped-call]
    except Exception as error:
        # Places are no numbers: whatever computes with them fails, in its own way.
        raise UnsupportedReduction(f"{name!r} was computed on: {_INSTEAD}") from error
    if len(probe.sources) == 0:
        return [], [np.zeros(place.shape, dtype=PLACE) for place in places]
    if any(place.dtype != PLACE for place in places):
        raise UnsupportedReduction(f"{name!r} was computed on: {_INSTEAD}")
    return probe.sources, places


def _not_orthogonal(name: object) -> UnsupportedReduction:
    return UnsupportedReduction(
        f"{name!r} does not select each dimension by itself (points, stacked, "
        f"broadcast or windowed): {_INSTEAD}"
    )


def _located(
    variable: Variable, name: object, span: slice, joined: int | None, first: _Lines
) -> Located:
    """Find the selection of a variable that has one source.

    ``first`` are its lines as the source's first dimension sees them.
    """
    if len(first.sources) != 1:
        raise _not_orthogonal(name)
    (source,) = first.sources
    ndim = len(source.shape)
    of_axis: list[int | None] = [None] * variable.ndim
    seen = [first] + [_lines(variable, d, name) for d in range(1, ndim)]
    # Positions along each dimension of the source, as seen along each axis.
    positions = [lines.positions for lines in seen[:ndim]]
    keys: list[Any] = [int(along[0][0]) for along in positions]
    repeated = []
    for axis, length in enumerate(variable.shape):
        if length == 1:
            continue
        moving = [
            d
            for d, along in enumerate(positions)
            if (along[axis] != along[axis][0]).any()
        ]
        if len(moving) == 0:
            repeated.append(axis)
            continue
        if len(moving) > 1 or not isinstance(keys[moving[0]], int):
            raise _not_orthogonal(name)
        of_axis[axis] = moving[0]
        keys[moving[0]] = _key(np.asarray(positions[moving[0]][axis], np.int64))
    # One position again and again: along whichever dimension is left, it is the same.
    fixed = [d for d, key in enumerate(keys) if isinstance(key, int)]
    if len(repeated) > len(fixed):
        raise _not_orthogonal(name)
    for axis, d in zip(repeated, fixed, strict=False):
        of_axis[axis] = d
        keys[d] = np.full(variable.shape[axis], keys[d], dtype=np.int64)
    _check_inside(variable, name, keys, of_axis)
    kept = [d for d in range(ndim) if not isinstance(keys[d], int)]
    axes = tuple(None if d is None else kept.index(d) for d in of_axis)
    return Located(source, source.active()[tuple(keys)], axes, span, joined)


def _check_inside(
    variable: Variable, name: object, keys: list[Any], of_axis: list[int | None]
) -> None:
    """Make sure that the edges tell what is inside: in the middle and at the end."""
    picked = [np.unique([length // 2, length - 1]) for length in variable.shape]
    for dimension, key in enumerate(keys):
        _, (place,) = _places(variable, [tuple(picked)], dimension, name)
        found = place["position"]
        expected = np.asarray(key) if isinstance(key, int) else None
        if expected is None:
            axis = of_axis.index(dimension)
            shape = [1] * variable.ndim
            shape[axis] = -1
            expected = _positions(key)[picked[axis]].reshape(shape)
        if (found != expected).any():
            raise _not_orthogonal(name)


def _key(positions: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Give evenly spaced positions as a slice: a slice stays one however it is cut."""
    steps = np.diff(positions)
    step, first = int(steps[0]), int(positions[0])
    if step == 0 or not (steps == step).all():
        return positions
    stop = int(positions[-1]) + step
    return slice(first, None if stop < 0 else stop, step)


def _positions(key: slice | NDArray[np.int64]) -> NDArray[np.int64]:
    if not isinstance(key, slice):
        return key
    step = int(key.step)
    stop = key.stop if key.stop is not None else -1
    return np.arange(int(key.start), int(stop), step, dtype=np.int64)
