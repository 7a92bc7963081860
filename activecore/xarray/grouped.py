"""Reductions by group: ``da.active.groupby("time.month").mean()``, and resampling."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from xarray import DataArray

from activecore.errors import UnsupportedReduction
from activecore.groups import NOWHERE, Groups
from activecore.xarray.answers import Asked, require_taken
from activecore.xarray.labels import dims_of, empty_of
from activecore.xarray.locate import locate
from activecore.xarray.named import Dims, NamedReductions
from activecore.xarray.pushed import options_of, push, require_known

__all__ = ["ActiveGroupBy", "grouped_by", "resampled"]


class ActiveGroupBy(NamedReductions):
    """A DataArray whose positions along one dimension are grouped.

    xarray says which position belongs to which group, and what the groups are called;
    each chunk is read once, however the groups lie.
    """

    def __init__(
        self, array: DataArray, dim: Hashable, group: Callable[[DataArray], Any]
    ) -> None:
        # xarray cannot group by a coordinate that is Dask's.
        lazy = {
            name: coordinate.compute()
            for name, coordinate in array.coords.items()
            if coordinate.dims == (dim,) and coordinate.chunks is not None
        }
        self._array = array.assign_coords(lazy)
        self._dim = dim
        self._group = group

    def reduce(
        self,
        reduction: str,
        dim: Dims = None,
        *,
        skipna: bool | None = None,
        min_count: int | None = None,
        ddof: float = 0,
        keep_attrs: bool | None = None,
    ) -> DataArray:
        """Reduce each group, as ``getattr(da.groupby(...), reduction)`` would.

        Parameters
        ----------
        dim
            What to reduce; None: the grouped dimension. It must be among them.

        Others are those of ``ActiveDataArray.reduce``.

        Raises
        ------
        UnsupportedReduction
            It cannot be asked of the source. Nothing was read.
        """
        require_known(reduction, skipna, min_count, ddof)
        array, grouped = self._array, self._dim
        dims = (grouped,) if dim is None else dims_of(array, dim)
        if grouped not in dims:
            raise UnsupportedReduction(
                f"groups lie along {grouped!r}, which must be reduced too; "
                "call the reduction without .active"
            )
        if array.size == 0:
            options = options_of(reduction, skipna, min_count, ddof)
            nothing: DataArray = getattr(self._group(empty_of(array)), reduction)(
                dim, keep_attrs=keep_attrs, **options
            )
            return nothing
        labels, numbers = self._labels(keep_attrs)
        (new,) = labels.dims
        others = tuple(name for name in dims if name != grouped)
        if new in set(array.dims) - {grouped, *others}:
            raise UnsupportedReduction(
                f"groups along {grouped!r} are called {new!r}, as a dimension of "
                f"{array.name!r} is: rename what you group by"
            )
        keeps = numbers != NOWHERE
        if not keeps.all():
            array = array.isel({grouped: np.flatnonzero(keeps)})
        pieces = locate(array.variable, array.name)
        require_taken(pieces, reduction)
        groups = Groups(numbers[keeps], labels.sizes[new])
        labelled = self._labelled(labels, others, reduction)
        axes = tuple(sorted(array.dims.index(name) for name in others))
        asked = Asked(reduction, axes, {array.dims.index(grouped): groups})
        return push(
            array,
            pieces,
            asked,
            labelled,
            skipna=skipna,
            min_count=min_count,
            ddof=ddof,
        )

    def _labels(self, keep_attrs: bool | None) -> tuple[DataArray, Any]:
        """Let xarray group the positions themselves.

        Returns
        -------
        labels
            One element for each group, with the coordinates that it has.
        numbers
            The group of each position; NOWHERE: none.
        """
        array, grouped = self._array, self._dim
        length = array.sizes[grouped]
        along = {
            name: coordinate
            for name, coordinate in array.coords.items()
            if set(coordinate.dims) <= {grouped}
        }
        line = DataArray(
            np.zeros(length),
            dims=(grouped,),
            coords=along,
            name=array.name,
            attrs=array.attrs,
        )
        found = [
            np.arange(length)[where] for where in self._group(line).groups.values()
        ]
        groups = [positions for positions in found if len(positions) > 0]
        if sum(map(len, groups)) > len(set().union(*groups)):
            raise UnsupportedReduction(
                f"groups along {grouped!r} overlap, and where data lies each position "
                "is of one group; call .groupby without .active"
            )
        # One position of each group says which it is: their sums show xarray's order.
        marks = np.zeros(length)
        for mark, positions in enumerate(groups, 1):
            marks[positions[0]] = mark
        labels = self._group(line.copy(data=marks)).sum(keep_attrs=keep_attrs)
        numbers = np.full(length, NOWHERE, dtype=np.int64)
        for number, mark in enumerate(np.nan_to_num(labels.values).tolist()):
            if mark > 0:
                numbers[groups[int(mark) - 1]] = number
        return labels, numbers

    def _labelled(
        self, labels: DataArray, others: tuple[Hashable, ...], reduction: str
    ) -> DataArray:
        """Give zeros with the dimensions and coordinates that the answer has."""
        array, grouped = self._array, self._dim
        (new,) = labels.dims
        gone = {grouped, *others}
        dims = [
            new if name == grouped else name
            for name in array.dims
            if name not in others
        ]
        sizes = {**array.sizes, new: labels.sizes[new]}
        one = DataArray(np.zeros(1, dtype=array.dtype))
        kept = {
            name: coordinate
            for name, coordinate in array.coords.items()
            if not gone & set(coordinate.dims) and name not in labels.coords
        }
        return DataArray(
            np.zeros([sizes[name] for name in dims], getattr(one, reduction)().dtype),
            dims=dims,
            coords={**labels.coords, **kept},
            name=array.name,
            attrs=labels.attrs,
        )


def grouped_by(
    array: DataArray, group: Any, options: Mapping[str, Any]
) -> ActiveGroupBy:
    """Group as ``array.groupby(group, **options)`` does.

    Raises
    ------
    UnsupportedReduction
        Groups do not lie along one dimension.
    """
    wanted = [group] if group is not None else list(options)
    dims = {dim for each in wanted for dim in _dims(array, each)}
    if len(wanted) != 1 or len(dims) != 1 or not dims <= set(array.dims):
        raise UnsupportedReduction(
            "groups must lie along one dimension to be reduced where data lies; "
            "call .groupby without .active"
        )
    (dim,) = dims
    if group is None:
        return ActiveGroupBy(array, dim, lambda line: line.groupby(**options))
    return ActiveGroupBy(array, dim, lambda line: line.groupby(group, **options))


def resampled(
    array: DataArray, indexer: Any, options: Mapping[str, Any]
) -> ActiveGroupBy:
    """Resample as ``array.resample(indexer, **options)`` does.

    Raises
    ------
    UnsupportedReduction
        What is resampled has more than one dimension.
    TypeError
        No dimension is named.
    """
    if indexer is not None and not isinstance(indexer, Mapping):
        raise TypeError(f"resample a dimension, as in resample(time={indexer!r})")
    named = [*(indexer or {}), *(name for name in options if name in array.coords)]
    dims = {dim for name in named for dim in _dims(array, name)}
    if len(dims) != 1:
        known = ", ".join(map(repr, array.dims))
        raise UnsupportedReduction(
            "resample along one dimension with a coordinate, as in "
            f"resample(time='YS'); {array.name!r} has {known}"
        )
    (dim,) = dims

    def resample(line: DataArray) -> Any:
        return line.resample(indexer, **options)

    return ActiveGroupBy(array, dim, resample)


def _dims(array: DataArray, group: Any) -> tuple[Hashable, ...]:
    """Name the dimensions along which groups lie: ``"time.month"`` lies along time."""
    if isinstance(group, DataArray):
        return group.dims
    if isinstance(group, Mapping):
        return tuple(dim for each in group for dim in _dims(array, each))
    if isinstance(group, str) and group not in array.coords:
        group = group.partition(".")[0]
    if group in array.coords or group in array.dims:
        found: tuple[Hashable, ...] = array[group].dims
        return found
    if hasattr(group, "dims"):
        return tuple(group.dims)
    raise ValueError(f"{group!r} is no coordinate of {array.name!r}")
