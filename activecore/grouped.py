"""``GroupedArray``: an array whose positions along one dimension belong to groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from activecore.errors import SelectionError
from activecore.explain import Explanation
from activecore.groups import NOWHERE, Groups, group_numbers
from activecore.named_reductions import NamedReductions
from activecore.question import Axis, axis_numbers

__all__ = ["GroupedArray"]

Array: TypeAlias = NDArray[Any]


class _Reducible(Protocol):
    """What is grouped: an ``ActiveArray``."""

    @property
    def dims(self) -> tuple[str, ...]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def name(self) -> str: ...
    def __getitem__(self, key: Any) -> Any: ...

    def reduce(self, *args: Any, **options: Any) -> Any: ...
    def explain(self, *args: Any, **options: Any) -> Explanation: ...


class GroupedArray(NamedReductions):
    """An array whose positions along one dimension belong to groups.

    Reductions answer for each group: the dimension becomes as long as there are groups.
    Each chunk is read once, however the groups lie. Made by ``ActiveArray.groupby``.
    """

    def __init__(
        self,
        array: _Reducible,
        dim: int | str,
        labels: ArrayLike,
        groups: ArrayLike | None = None,
    ) -> None:
        (axis,) = axis_numbers(dim, array.dims)
        length = array.shape[axis]
        where = f"dimension {array.dims[axis]!r}"
        numbers, self._labels = group_numbers(labels, groups, length, where)
        self._length = length
        self._chosen: NDArray[np.intp] | None = None
        if (numbers == NOWHERE).any():
            # What belongs nowhere is not even read.
            self._chosen = np.flatnonzero(numbers != NOWHERE)
            array = array[(slice(None),) * axis + (self._chosen,)]
            numbers = numbers[self._chosen]
        self._array = array
        self._axis = axis
        self._groups = Groups(numbers, len(self._labels))

    @property
    def dim(self) -> str:
        """Name of the dimension whose positions are grouped."""
        return self._array.dims[self._axis]

    @property
    def groups(self) -> Array:
        """Label of each group, in the order in which reductions answer for them."""
        return self._labels

    def __repr__(self) -> str:
        return (
            f"<activecore.GroupedArray {self._array.name!r}, "
            f"{len(self._labels)} groups along {self.dim!r}>"
        )

    def reduce(
        self,
        reduction: str,
        axis: Axis = None,
        *,
        dim: Axis = None,
        weights: Mapping[Any, ArrayLike] | None = None,
        **options: Any,
    ) -> Any:
        """Reduce each group.

        Parameters
        ----------
        reduction
            ``"mean"``, ``"max"``, …: as ``ActiveArray.reduce`` has them.
        axis, dim
            Which dimensions to reduce besides the grouped one, by name or number;
            None: no other. The grouped one may be named among them.
        weights
            1-D weights for reduced dimensions, the grouped one among them, each as
            long as the array that was grouped.
        options
            All others of ``ActiveArray.reduce``.

        Returns
        -------
        numpy.ma.MaskedArray or dict
            The grouped dimension is where it was, as long as there are groups. Masked
            where a group has nothing to reduce.
        """
        axes = self._others(axis, dim)
        return self._array.reduce(
            reduction,
            axes,
            weights=self._chosen_weights(weights),
            groups={self.dim: self._groups},
            **options,
        )

    def explain(
        self,
        reduction: str = "mean",
        axis: Axis = None,
        *,
        dim: Axis = None,
        weights: Mapping[Any, ArrayLike] | None = None,
    ) -> Explanation:
        """Say who would answer a reduction and what it costs; reads no chunk."""
        return self._array.explain(
            reduction,
            self._others(axis, dim),
            weights=self._chosen_weights(weights),
            groups={self.dim: self._groups},
        )

    def _others(self, axis: Axis, dim: Axis) -> tuple[int, ...]:
        if axis is not None and dim is not None:
            raise SelectionError("axis and dim are two spellings of one thing")
        given = dim if axis is None else axis
        if given is None:
            return ()
        numbers = axis_numbers(given, self._array.dims)
        return tuple(number for number in numbers if number != self._axis)

    def _chosen_weights(
        self, weights: Mapping[Any, ArrayLike] | None
    ) -> dict[Any, ArrayLike] | None:
        """Leave out the weights of positions that belong nowhere."""
        if weights is None:
            return None
        if not isinstance(weights, Mapping):
            raise SelectionError("weights are given by dimension, as {'lat': [...]}")
        dims = self._array.dims
        chosen: dict[Any, ArrayLike] = {}
        for key, values in weights.items():
            along = values
            if self._chosen is not None and axis_numbers(key, dims) == (self._axis,):
                along = np.ma.asarray(values)
                if along.shape != (self._length,):
                    raise SelectionError(
                        f"the weights along {self.dim!r} have shape {along.shape}, "
                        f"but {self._length} elements are grouped"
                    )
                along = along[self._chosen]
            chosen[key] = along
        return chosen
