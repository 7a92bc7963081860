"""``da.active`` and ``ds.active``: xarray's reductions, pushed to where data lies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from xarray import (
    DataArray,
    Dataset,
    register_dataarray_accessor,
    register_dataset_accessor,
)

from activecore.array import ActiveArray
from activecore.errors import UnsupportedReduction
from activecore.explain import Explanation
from activecore.xarray.answers import Asked, require_taken
from activecore.xarray.grouped import ActiveGroupBy, grouped_by, resampled
from activecore.xarray.labels import blank_of, dims_of, empty_of
from activecore.xarray.locate import Located, holds_dates, locate
from activecore.xarray.named import Dims, NamedReductions
from activecore.xarray.pushed import options_of, push, require_known
from activecore.xarray.weighted import ActiveWeighted

__all__ = ["ActiveDataArray", "ActiveDataset"]


@register_dataarray_accessor("active")  # type: ignore[no-untyped-call]
class ActiveDataArray(NamedReductions):
    """Reductions of a DataArray that engine ``"activecore"`` opened.

    They are answered chunk by chunk by the backend, whatever was selected before, and
    give what xarray's own would, labels and dtypes included.
    """

    def __init__(self, array: DataArray) -> None:
        self._array = array

    @property
    def arrays(self) -> list[ActiveArray]:
        """What is selected of each source: one, or several that were joined.

        Raises
        ------
        UnsupportedReduction
            It is in memory, was computed on, or comes from elsewhere.
        """
        return [piece.array for piece in self._located()]

    def reduce(
        self,
        reduction: str,
        dim: Dims = None,
        *,
        axis: Any = None,
        skipna: bool | None = None,
        min_count: int | None = None,
        ddof: float = 0,
        keep_attrs: bool | None = None,
        keepdims: bool = False,
    ) -> DataArray:
        """Reduce as ``getattr(array, reduction)`` would.

        Parameters
        ----------
        reduction
            ``"mean"``, ``"sum"``, ``"min"``, ``"max"``, ``"std"``, ``"var"``,
            ``"count"``, ``"any"`` or ``"all"``.
        dim, axis
            What to reduce, by name or number; all if neither is given.
        skipna
            Whether NaN and what is missing is left out; None: in floats it is.
        min_count
            For sums: with fewer values than this the answer is NaN.
        ddof
            For std and var.
        keep_attrs, keepdims
            As in xarray.

        Raises
        ------
        UnsupportedReduction
            The array is in memory or was computed on, so nothing can be asked of its
            source. Nothing was read.
        ActiveCoreError
            What went wrong, as from ``ActiveArray.reduce``.
        """
        require_known(reduction, skipna, min_count, ddof)
        array = self._array
        dims = dims_of(array, dim, axis)
        labels = {"keep_attrs": keep_attrs, "keepdims": keepdims}
        if array.size == 0:
            options = options_of(reduction, skipna, min_count, ddof)
            nothing: DataArray = getattr(empty_of(array), reduction)(
                dims or dim, **labels, **options
            )
            return nothing
        pieces = self._located()
        require_taken(pieces, reduction)
        # Of no dimension at all xarray makes something else than of an empty list.
        labelled = getattr(blank_of(array, dims), reduction)(dims or dim, **labels)
        axes = tuple(sorted(array.dims.index(name) for name in dims))
        return push(
            array,
            pieces,
            Asked(reduction, axes),
            labelled,
            skipna=skipna,
            min_count=min_count,
            ddof=ddof,
        )

    def weighted(self, weights: DataArray) -> ActiveWeighted:
        """Weigh: ``da.active.weighted(w).mean("lat")``.

        Parameters
        ----------
        weights
            1-D, or the product of 1-D weights along several dimensions.

        Raises
        ------
        UnsupportedReduction
            They are no such product.
        """
        return ActiveWeighted(self._array, weights)

    def groupby(self, group: Any = None, **groupers: Any) -> ActiveGroupBy:
        """Group along one dimension: ``da.active.groupby("time.month").mean()``.

        Takes what ``da.groupby`` takes, as long as the groups lie along one dimension.
        """
        return grouped_by(self._array, group, groupers)

    def resample(self, indexer: Any = None, **options: Any) -> ActiveGroupBy:
        """Resample: ``da.active.resample(time="YS").mean()``, as ``da.resample``."""
        return resampled(self._array, indexer, options)

    def explain(self, reduction: str = "mean", dim: Dims = None) -> list[Explanation]:
        """Say for each source who would answer and what it costs; reads no chunk."""
        array = self._array
        axes = {array.dims.index(name) for name in dims_of(array, dim)}
        return [
            piece.array.explain(
                reduction,
                [number for a in axes if (number := piece.axes[a]) is not None],
            )
            for piece in self._located()
        ]

    def _located(self) -> list[Located]:
        return locate(self._array.variable, self._array.name)


@register_dataset_accessor("active")  # type: ignore[no-untyped-call]
class ActiveDataset(NamedReductions):
    """Reductions of every variable of a Dataset that engine ``"activecore"`` opened.

    Variables in memory are reduced by xarray: there is nothing left to read of them.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def reduce(self, reduction: str, dim: Dims = None, **options: Any) -> Dataset:
        """Reduce as ``getattr(dataset, reduction)`` would.

        Each variable is reduced along those of the dimensions that it has. See
        ``ActiveDataArray.reduce`` for the options.

        Raises
        ------
        UnsupportedReduction
            A variable was computed on lazily, or holds text or dates that have no such
            reduction. Nothing was read.
        """
        require_known(reduction)
        dataset = self._dataset
        wanted = dataset.dims if dim is None or dim is ... else _listed(dim)
        small = dataset.isel(
            {name: slice(0, 2) for name in wanted}, missing_dims="ignore"
        )
        blank = small.assign(
            {name: _blank(array) for name, array in small.data_vars.items()}
        )
        labels = {k: v for k, v in options.items() if k in ("keep_attrs", "keepdims")}
        try:
            labelled: Dataset = getattr(blank, reduction)(
                None if dim is ... else dim, **labels
            )
        except TypeError as error:
            # xarray leaves out some text and some dates, but not all.
            raise UnsupportedReduction(
                f"xarray itself gives no {reduction} of all these variables ({error}): "
                f"choose some first, as in ds[['tas']].active.{reduction}()"
            ) from error
        asked = {
            name: [each for each in dataset[name].dims if each in wanted]
            for name in labelled.data_vars
        }
        answers = {
            name: _one(dataset[name], reduction, dims, options)
            for name, dims in asked.items()
        }
        answer = labelled.assign(answers)
        for name in answers:
            answer[name].attrs = labelled[name].attrs
        return answer


_KEEPING = ("max", "mean", "min", "sum")
"""Reductions that over no dimension give what there was."""


def _blank(array: DataArray) -> DataArray:
    """Give zeros, or dates for dates: xarray tells objects by what they are."""
    blank = blank_of(array, ())
    if not holds_dates(array):
        return blank
    import cftime

    some = cftime.datetime(1, 1, 1, calendar="standard")
    return blank.copy(deep=False, data=np.full(blank.shape, some, dtype=object))


def _listed(dim: Any) -> list[Hashable]:
    return [dim] if isinstance(dim, str) else list(dim)


def _one(
    array: DataArray,
    reduction: str,
    dims: list[Hashable],
    options: Mapping[str, Any],
) -> DataArray:
    """Reduce one variable of a dataset.

    What is in memory, or is one text or date, is xarray's to reduce. Text and dates
    that keep their dimensions stay as they are.
    """
    is_number = array.dtype.kind in "biufc"
    in_memory = array.variable._in_memory  # noqa: SLF001 - there is no public way to ask
    if not in_memory and (is_number or array.ndim > 0):
        if len(dims) == 0 and not is_number and reduction in _KEEPING:
            return array
        return ActiveDataArray(array).reduce(reduction, dims, **options)
    known = options_of(reduction, None, None, 0)
    known |= {
        k: v for k, v in options.items() if k in (*known, "keep_attrs", "keepdims")
    }
    done: DataArray = getattr(array, reduction)(dims, **known)
    return done
