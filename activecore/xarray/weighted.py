"""Weighted reductions: ``da.active.weighted(w).mean("lat")``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray

from activecore.errors import UnsupportedReduction
from activecore.xarray.answers import Asked, Parts, parts_of, require_taken
from activecore.xarray.labels import blank_of, dims_of, empty_of
from activecore.xarray.locate import locate
from activecore.xarray.named import Dims
from activecore.xarray.pushed import finish

__all__ = ["ActiveWeighted"]

Array: TypeAlias = NDArray[Any]


class ActiveWeighted:
    """A DataArray with weights, as ``da.weighted`` gives it.

    Weights are 1-D, or products of 1-D weights along several dimensions: then a chunk
    is weighted along one dimension after another, by whoever merges its answer.
    """

    def __init__(self, array: DataArray, weights: DataArray) -> None:
        if not isinstance(weights, DataArray):
            raise TypeError("weights must be a DataArray")
        if weights.ndim == 0:
            raise UnsupportedReduction(
                "one weight for all has no effect on a mean: give one for each element "
                "along a dimension, or multiply the sum"
            )
        unknown = [dim for dim in weights.dims if dim not in array.dims]
        if unknown:
            raise UnsupportedReduction(
                f"the weights have the dimension {unknown[0]!r}, which "
                f"{array.name!r} has not: call .weighted without .active"
            )
        _require_aligned(array, weights)
        self._array = array
        self._weights = weights
        self._factors = _factors(weights)

    def mean(
        self,
        dim: Dims = None,
        *,
        skipna: bool | None = None,
        keep_attrs: bool | None = None,
    ) -> DataArray:
        """Give the weighted mean, as ``da.weighted(w).mean`` does."""
        return self._reduce("mean", dim, skipna, keep_attrs)

    def sum(
        self,
        dim: Dims = None,
        *,
        skipna: bool | None = None,
        keep_attrs: bool | None = None,
    ) -> DataArray:
        """Give the weighted sum, as ``da.weighted(w).sum`` does."""
        return self._reduce("sum", dim, skipna, keep_attrs)

    def sum_of_weights(
        self, dim: Dims = None, *, keep_attrs: bool | None = None
    ) -> DataArray:
        """Add up the weights of what is not missing, as xarray's does."""
        return self._reduce("sum_of_weights", dim, None, keep_attrs)

    def __getattr__(self, name: str) -> Any:
        if name in ("std", "var", "sum_of_squares", "quantile"):
            raise UnsupportedReduction(
                f"a weighted {name} is not reduced where data lies; "
                "call .weighted without .active, which reads the data"
            )
        raise AttributeError(
            f".active.weighted has no {name!r} (only mean, sum, sum_of_weights): "
            "call .weighted without .active, which reads the data"
        )

    def _reduce(
        self, name: str, dim: Dims, skipna: bool | None, keep_attrs: bool | None
    ) -> DataArray:
        array = self._array
        dims = dims_of(array, dim)
        options = {} if name == "sum_of_weights" else {"skipna": skipna}
        if array.size == 0:
            weighted = empty_of(array).weighted(self._weights)
            nothing: DataArray = getattr(weighted, name)(
                dims, keep_attrs=keep_attrs, **options
            )
            return nothing
        pieces = locate(array.variable, array.name)
        require_taken(pieces, "sum")
        small = blank_of(array, dims)
        weights = self._weights.isel(
            {each: slice(0, 2) for each in dims if each in self._weights.dims}
        )
        weighted = small.weighted(
            weights.copy(deep=False, data=np.ones_like(weights.values))
        )
        labelled = getattr(weighted, name)(dims, keep_attrs=keep_attrs, **options)
        # One that is kept weighs all that is behind a value alike.
        along = {
            array.dims.index(each): of
            for each, of in self._factors.items()
            if each in dims
        }
        axes = tuple(sorted(array.dims.index(each) for each in dims))
        parts = parts_of(pieces, array.shape, Asked("sum", axes, weights=along))
        parts = self._with_kept(parts, dims)
        if name == "sum_of_weights":
            weight = parts.values["weight"]
            # As xarray: what would be divided by is missing where it is zero.
            weight = np.where(weight == 0, np.nan, weight)
            parts = replace(parts, values={"sum": weight}, n=parts.total)
            skipna, name = True, "sum"
        return finish(array, pieces, parts, name, labelled, skipna=skipna)

    def _with_kept(self, parts: Parts, dims: tuple[Hashable, ...]) -> Parts:
        """Multiply by the weights along dimensions that are kept."""
        kept = [dim for dim in self._array.dims if dim not in dims]
        factor = np.ones((1,) * len(kept))
        for dim, of in self._factors.items():
            if dim in kept:
                shape = [1] * len(kept)
                shape[kept.index(dim)] = len(of)
                factor = factor * of.reshape(shape)
        weight = parts.values.get("weight", parts.n)
        return replace(
            parts,
            values={"sum": parts.values["sum"] * factor, "weight": weight * factor},
        )


def _require_aligned(array: DataArray, weights: DataArray) -> None:
    """Refuse weights for other places: xarray would leave out what does not match."""
    for dim in weights.dims:
        same = weights.sizes[dim] == array.sizes[dim]
        if same and dim in weights.indexes and dim in array.indexes:
            same = weights.indexes[dim].equals(array.indexes[dim])
        if not same:
            raise UnsupportedReduction(
                f"the weights have other {dim!r} than {array.name!r}: select the same "
                "of both first, or call .weighted without .active"
            )


def _factors(weights: DataArray) -> Mapping[Hashable, Array]:
    """Take weights apart: 1-D ones along each dimension, whose product they are.

    Raises
    ------
    UnsupportedReduction
        They are no product.
    ValueError
        One is missing, as in xarray.
    """
    values = np.asarray(weights.values, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(
            "weights cannot contain missing values: fill them with weights.fillna(0)"
        )
    if values.ndim == 1 or values.size == 0:
        return dict(zip(weights.dims, [values.ravel()], strict=False))
    peak = np.unravel_index(int(np.abs(values).argmax()), values.shape)
    largest = values[peak]
    if largest == 0:
        return {dim: np.zeros(weights.sizes[dim]) for dim in weights.dims}
    factors: dict[Hashable, Array] = {}
    product = np.full((1,) * values.ndim, largest)
    for axis, dim in enumerate(weights.dims):
        key = tuple(
            slice(None) if other == axis else at for other, at in enumerate(peak)
        )
        shape = [1] * values.ndim
        shape[axis] = -1
        factors[dim] = values[key] / largest
        product = product * factors[dim].reshape(shape)
    if not np.allclose(product, values, rtol=1e-10, atol=1e-12 * abs(largest)):
        dims = ", ".join(map(str, weights.dims))
        raise UnsupportedReduction(
            f"the weights along ({dims}) are no product of 1-D weights, and only those "
            "are applied where data lies; call .weighted without .active"
        )
    first = next(iter(factors))
    factors[first] = factors[first] * largest
    return factors
