"""Reductions by xarray's rules, made of what activecore's reductions are made of.

Where the two differ, xarray's count here: NaN is left out of floats unless ``skipna``
is false, the sum of nothing is 0, what is missing is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedDtype
from activecore.groups import Groups
from activecore.operations import OPERATION
from activecore.xarray.locate import Located

__all__ = ["Asked", "Parts", "finished", "parts_of", "require_taken"]

Array: TypeAlias = NDArray[Any]

_MERGED_AS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "count": ("count", ()),
    "sum": ("sum", ("sum",)),
    "mean": ("sum", ("sum",)),
    "min": ("min", ("min",)),
    "max": ("max", ("max",)),
    "var": ("moments", ("mean", "m2")),
    "std": ("moments", ("mean", "m2")),
    "any": ("nonzero", ("nonzero",)),
    "all": ("nonzero", ("nonzero",)),
}
"""What several sources' parts of a reduction merge as, and what these are called."""

_OF_TIMES = ("count", "max", "mean", "min")
"""Reductions of stored times that mean the same for dates."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is asked of a variable."""

    reduction: str
    """Its name."""
    axes: tuple[int, ...]
    """The variable's axes that are reduced."""
    groups: Mapping[int, Groups] = field(default_factory=dict)
    """How positions along other axes are grouped; every position is in a group."""
    weights: Mapping[int, Array] = field(default_factory=dict)
    """1-D weights along reduced axes."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What an answer is made of. Reduced axes are gone, the others in order."""

    values: Mapping[str, Array]
    """By name, as ``ActiveArray.reduce(..., components=True)`` has them; anything where
    ``n`` is zero."""
    n: Array
    """How many values are behind each."""
    total: Array
    """How many there would be if none were missing."""


def require_taken(pieces: Sequence[Located], reduction: str) -> None:
    """Make sure that a reduction of stored numbers is one of what they stand for.

    Raises
    ------
    UnsupportedDtype
        They stand for dates or durations, and it is not; or they are counted from
        different dates in different files.
    """
    for piece in pieces:
        if piece.source.is_time and reduction not in _OF_TIMES:
            raise UnsupportedDtype(
                f"{piece.source.name!r} holds dates or durations, of which only "
                f"{', '.join(_OF_TIMES)} are taken where they lie; call the reduction "
                "without .active"
            )
    source = pieces[0].source
    if source.is_time and reduction != "count" and len({_epoch(p) for p in pieces}) > 1:
        raise UnsupportedDtype(
            f"the files count {source.name!r} from different dates, so their numbers "
            "cannot be compared where they lie; call the reduction without .active"
        )


def _epoch(piece: Located) -> tuple[Any, Any]:
    """Say from when, and in what, stored times are counted."""
    encoding = piece.source.variable.encoding
    return encoding.get("units"), encoding.get("calendar")


def parts_of(pieces: Sequence[Located], shape: tuple[int, ...], asked: Asked) -> Parts:
    """Ask each source for its part and put them together.

    Parameters
    ----------
    pieces
        What a variable selects.
    shape
        The variable's.
    """
    joined = pieces[0].joined
    found = [_parts(piece, shape, asked) for piece in pieces]
    if joined is None or len(found) == 1:
        return found[0]
    if joined in asked.axes or joined in asked.groups:
        return _merged(found, asked)
    axis = joined - sum(reduced < joined for reduced in asked.axes)
    return Parts(
        {
            name: np.concatenate([part.values[name] for part in found], axis=axis)
            for name in found[0].values
        },
        np.concatenate([part.n for part in found], axis=axis),
        np.concatenate([part.total for part in found], axis=axis),
    )


def _parts(piece: Located, shape: tuple[int, ...], asked: Asked) -> Parts:
    array, axes = piece.array, piece.axes
    lengths = list(shape)
    if piece.joined is not None:
        lengths[piece.joined] = piece.span.stop - piece.span.start
    groups = {
        axis: Groups(of.numbers[piece.span], of.count) if axis == piece.joined else of
        for axis, of in asked.groups.items()
    }
    weights = {
        axis: along[piece.span] if axis == piece.joined else along
        for axis, along in asked.weights.items()
    }
    factor = 1.0
    for axis, number in enumerate(axes):
        if number is None and axis in weights:
            factor *= float(weights.pop(axis)[0])
    reduced = [number for axis in asked.axes if (number := axes[axis]) is not None]
    answer = array.reduce(
        asked.reduction,
        reduced,
        skipna=True,
        components=True,
        weights={axes[axis]: along for axis, along in weights.items()} or None,
        groups={
            array.dims[number]: of
            for axis, of in groups.items()
            if (number := axes[axis]) is not None
        }
        or None,
    )
    n = np.asarray(answer.pop("n"))
    place = _Places(axes, asked.axes, lengths, groups)
    values = {name: place.of(np.ma.getdata(value)) for name, value in answer.items()}
    if asked.weights:
        values.setdefault("weight", np.asarray(place.of(n), dtype=np.float64))
        values = {name: value * factor for name, value in values.items()}
    return Parts(values, place.of(n), place.total())


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Puts the axes of an answer where the variable's are."""

    axes: tuple[int | None, ...]
    reduced: tuple[int, ...]
    lengths: Sequence[int]
    groups: Mapping[int, Groups]

    @property
    def _kept(self) -> list[int]:
        return [axis for axis in range(len(self.axes)) if axis not in self.reduced]

    def of(self, value: Array) -> Array:
        """Order an answer's axes as the variable's; put back those of length one."""
        there = [axis for axis in self._kept if self.axes[axis] is not None]
        numbers = sorted(self.axes[axis] for axis in there)  # type: ignore[type-var]
        ordered = np.transpose(value, [numbers.index(self.axes[a]) for a in there])
        for place, axis in enumerate(self._kept):
            if self.axes[axis] is None:
                ordered = np.expand_dims(ordered, place)
        for place, axis in enumerate(self._kept):
            if self.axes[axis] is None and axis in self.groups:
                # One position, which is of one group; the others have nothing.
                of = self.groups[axis]
                wide = np.zeros(
                    (*ordered.shape[:place], of.count, *ordered.shape[place + 1 :]),
                    dtype=ordered.dtype,
                )
                np.moveaxis(wide, place, 0)[int(of.numbers[0])] = np.moveaxis(
                    ordered, place, 0
                )[0]
                ordered = wide
        return np.asarray(ordered)

    def total(self) -> Array:
        """Count the positions behind each value."""
        counts = np.asarray(math.prod(self.lengths[axis] for axis in self.reduced))
        for axis in self._kept:
            one = np.ones(self.lengths[axis], dtype=np.int64)
            if axis in self.groups:
                of = self.groups[axis]
                one = np.bincount(of.numbers, minlength=of.count)
            counts = counts[..., np.newaxis] * one
        return np.asarray(counts, dtype=np.int64)


def _merged(found: Sequence[Parts], asked: Asked) -> Parts:
    """Merge the parts of several sources, one after another in their order."""
    operation, names = _MERGED_AS[asked.reduction]
    counts = np.stack([part.n for part in found])
    names = (*names, "weight") if asked.weights else names
    columns = [np.stack([part.values[name] for part in found]) for name in names]
    blanks = OPERATION[operation].identity(
        columns[0].dtype if columns else counts.dtype
    )
    if asked.weights:
        blanks = (*blanks, np.zeros(()))
    columns = [
        np.where(counts > 0, column, np.asarray(blank, dtype=column.dtype))
        for column, blank in zip(columns, blanks, strict=True)
    ]
    with np.errstate(over="ignore", invalid="ignore"):
        merged = OPERATION[operation].merge(tuple(columns), counts, (0,))
    return Parts(
        {name: value[0] for name, value in zip(names, merged, strict=True)},
        counts.sum(axis=0),
        np.sum([part.total for part in found], axis=0),
    )


def finished(
    parts: Parts,
    reduction: str,
    *,
    skipna: bool,
    ddof: float = 0,
    min_count: int | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Make the answer of its parts.

    Parameters
    ----------
    skipna
        Whether what is missing is left out; otherwise it makes the answer missing.
    min_count
        For sums: with fewer values than this the answer is missing.

    Returns
    -------
    values, valid
        The answer, and where it is one; elsewhere it is missing.
    """
    value, valid = _FINISH[reduction](parts, ddof)
    # A group that has no position has no answer, not even zero.
    valid = valid & (parts.total > 0)
    if reduction in ("count", "any", "all"):
        return value, valid
    if not skipna:
        valid = valid & (parts.n == parts.total)
    if min_count is not None:
        valid = valid & (parts.n >= min_count)
    return value, valid


def _sum(parts: Parts, _: float) -> tuple[Array, NDArray[np.bool_]]:
    total = parts.values["sum"]
    return np.where(parts.n > 0, total, 0).astype(total.dtype), np.ones(
        parts.n.shape, dtype=np.bool_
    )


def _mean(parts: Parts, _: float) -> tuple[Array, NDArray[np.bool_]]:
    divisor = parts.values.get("weight", parts.n)
    valid = (parts.n > 0) & (divisor != 0)
    with np.errstate(all="ignore"):
        return parts.values["sum"] / np.where(valid, divisor, 1), valid


def _var(parts: Parts, ddof: float) -> tuple[Array, NDArray[np.bool_]]:
    freedom = parts.n - ddof
    valid = (freedom > 0) & (parts.n > 0)
    with np.errstate(all="ignore"):
        return parts.values["m2"] / np.where(valid, freedom, 1), valid


def _std(parts: Parts, ddof: float) -> tuple[Array, NDArray[np.bool_]]:
    var, valid = _var(parts, ddof)
    return np.sqrt(np.where(valid, var, 0)), valid


def _extreme(name: str) -> Callable[[Parts, float], tuple[Array, NDArray[np.bool_]]]:
    return lambda parts, _: (parts.values[name], parts.n > 0)


def _always(value: Array) -> tuple[Array, NDArray[np.bool_]]:
    return value, np.ones(value.shape, dtype=np.bool_)


def _any(parts: Parts, _: float) -> tuple[Array, NDArray[np.bool_]]:
    # What is missing is NaN, and NaN is true: xarray leaves it in here.
    true = np.where(parts.n > 0, parts.values["nonzero"], 0)
    return _always(true + parts.total - parts.n > 0)


def _all(parts: Parts, _: float) -> tuple[Array, NDArray[np.bool_]]:
    true = np.where(parts.n > 0, parts.values["nonzero"], 0)
    return _always(true == parts.n)


_FINISH: Mapping[str, Callable[[Parts, float], tuple[Array, NDArray[np.bool_]]]] = {
    "count": lambda parts, _: _always(parts.n),
    "sum": _sum,
    "mean": _mean,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "var": _var,
    "std": _std,
    "any": _any,
    "all": _all,
}
