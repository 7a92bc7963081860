"""What is asked: from a user's words to what every box of a run needs to know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from activecore.combine import Weights
from activecore.errors import SelectionError, UnsupportedReduction, did_you_mean
from activecore.model import ArrayInfo, ChunkBatch, ChunkLayout, Located, Packing
from activecore.narrow import narrowed
from activecore.operations import OPERATION, Values
from activecore.plan import Box, Plan
from activecore.reductions import Reduction, Stored
from activecore.selection import View

__all__ = [
    "Axis",
    "Question",
    "axis_numbers",
    "question_of_reading",
    "question_of_reduction",
]

Array: TypeAlias = NDArray[Any]
Axis: TypeAlias = int | str | Iterable[int | str] | None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What every box of a run is asked. Small, and picklable for workers."""

    variable: str
    """Name of the variable, for errors."""
    layouts: tuple[ChunkLayout, ...]
    """The variable's layouts, with the missing rules of this question."""
    operation: str
    """What the partials are merged as."""
    axes: tuple[int, ...]
    """Stored dimensions that end at length one."""
    asks: tuple[str, ...]
    """Operations that backends are asked for, best first."""
    unpack: Packing | None = None
    """Undone before the operation, where that is not linear."""
    weights: Weights = field(default_factory=dict)
    """Along weighted dimensions, which chunks do not reduce themselves."""
    version: str | None = None
    """What ``version_source`` was when the index was read."""
    version_source: str = ""
    """The object that the version is of; chunks may lie in others (Zarr)."""

    @property
    def chunk_axes(self) -> tuple[int, ...]:
        """The dimensions that are reduced within a chunk."""
        return tuple(axis for axis in self.axes if axis not in self.weights)

    def axes_within(self, box: Box) -> tuple[int, ...]:
        """Give the dimensions that are reduced within the chunks of a box.

        One that is gathered is among them where each chunk is of one gathering.
        """
        gathers = box.gathers
        if len(gathers) == 0:
            return self.chunk_axes
        inside = {
            axis
            for axis, labels in gathers.items()
            if labels.shape[1] == 1 and axis not in self.weights
        }
        return tuple(sorted({*self.chunk_axes, *inside}))

    def is_read(self, box: Box) -> bool:
        """Tell whether a box's elements are read, and reduced by who gathers them.

        Where nothing else is reduced, a chunk's partials would be larger than it is.
        """
        if len(box.gathers) == 0:
            return False
        within = self.axes_within(box)
        keeps = any(axis not in within for axis in box.gathers)
        is_as_large = math.prod(box.widths[axis] for axis in within) == 1
        return keeps and is_as_large and len(self.weights) == 0

    def asks_of(self, box: Box) -> tuple[str, ...]:
        """Give the operations that backends are asked for of a box, best first."""
        return ("select",) if self.is_read(box) else self.asks

    @property
    def identity(self) -> Values:
        """What the merged partials start from."""
        if len(self.weights) > 0:
            return (np.zeros((), "f8"), np.zeros((), "f8"))
        return self.chunk_identity

    @property
    def chunk_identity(self) -> Values:
        """What stands for a chunk of which nothing is left; not weighted yet."""
        dtype = self.layouts[0].dtype.newbyteorder("=")
        if self.unpack is not None:
            dtype = self.unpack.dtype
        return OPERATION[self.operation].identity(dtype)

    def batch(self, number: int, box: Box, located: Located, rows: Array) -> ChunkBatch:
        """Make the batch of a box's chunks that have one layout."""
        sources = located.sources[rows]
        is_of_all = bool((sources == self.version_source).all())
        is_read = self.is_read(box)
        batch = ChunkBatch(
            layout=self.layouts[number],
            sources=sources,
            offsets=located.offsets[rows],
            sizes=located.sizes[rows],
            selection=box.selection,
            axis=() if is_read else self.axes_within(box),
            operation="select" if is_read else self.operation,
            version=self.version if is_of_all else None,
        )
        return narrowed(batch)


def axis_numbers(axis: Axis, dims: Sequence[str]) -> tuple[int, ...]:
    """Turn names and numbers of dimensions into sorted numbers; None means all.

    Raises
    ------
    SelectionError
        There is no such dimension, or one is named twice.
    """
    if axis is None:
        return tuple(range(len(dims)))
    if isinstance(axis, str) or not isinstance(axis, Iterable):
        axis = (axis,)
    given = list(axis)
    numbers = [_axis_number(item, dims) for item in given]
    if len(set(numbers)) != len(numbers):
        raise SelectionError(f"a dimension is named twice in {given}")
    return tuple(sorted(numbers))


def _axis_number(axis: object, dims: Sequence[str]) -> int:
    if isinstance(axis, str):
        if axis in dims:
            return list(dims).index(axis)
        known = ", ".join(dims) if dims else "none is left"
        hint = did_you_mean(axis, dims) or f" (dimensions: {known})"
        raise SelectionError(f"there is no dimension {axis!r}{hint}")
    if isinstance(axis, (int, np.integer)) and not isinstance(axis, bool):
        if not -len(dims) <= axis < len(dims):
            raise SelectionError(f"there is no axis {axis} among {len(dims)}")
        return int(axis) % len(dims)
    raise SelectionError(f"an axis is a number or a name, not {axis!r}")


def question_of_reading(info: ArrayInfo) -> Question:
    """Ask for the elements themselves, packed."""
    return Question(
        variable=info.name,
        layouts=info.layouts,
        operation="select",
        axes=(),
        asks=("select",),
        version=info.version,
        version_source=info.version_source,
    )


def question_of_reduction(
    info: ArrayInfo,
    view: View,
    plan: Plan,
    row: Reduction,
    axes: Sequence[int],
    *,
    skipna: bool,
    weights: Mapping[Any, ArrayLike] | None,
    in_float: bool = False,
) -> Question:
    """Ask for a reduction over stored dimensions ``axes``.

    Raises
    ------
    UnsupportedReduction
        Weights make no sense for this reduction.
    SelectionError
        A weight does not fit the array.
    """
    # A dimension that an integer indexed ends at length one too.
    gone = [axis for axis, item in enumerate(view) if isinstance(item, int)]
    elements = math.prod(plan.shape[axis] for axis in {*axes, *plan.gathered})
    along = _weights(info, view, plan, row, axes, weights)
    is_float = in_float or len(along) > 0
    packing, unpack = info.packing, None
    stored = Stored(info.dtype, elements, packing, is_float)
    if packing is not None and (row.of_unpacked or not packing.is_linear):
        unpack = packing
        stored = Stored(packing.dtype, elements, None, is_float)
    operation = row.operation(stored)
    layouts = info.layouts
    if skipna and info.dtype.kind == "f":
        layouts = tuple(_masking_nan(layout) for layout in layouts)
    return Question(
        variable=info.name,
        layouts=layouts,
        operation=operation,
        axes=tuple(sorted({*axes, *gone})),
        asks=("select",) if unpack is not None else (operation, "select"),
        unpack=unpack,
        weights=along,
        version=info.version,
        version_source=info.version_source,
    )


def _masking_nan(layout: ChunkLayout) -> ChunkLayout:
    nan = layout.dtype.newbyteorder("=").type(np.nan)
    return replace(layout, missing=layout.missing.with_value(nan))


def _weights(
    info: ArrayInfo,
    view: View,
    plan: Plan,
    row: Reduction,
    axes: Sequence[int],
    given: Mapping[Any, ArrayLike] | None,
) -> Weights:
    if given is None:
        return {}
    if not row.weighted:
        raise UnsupportedReduction(f"{row.name} takes no weights; mean and sum do")
    if not isinstance(given, Mapping):
        raise SelectionError("weights are given by dimension, as {'lat': [...]}")
    kept = [axis for axis, item in enumerate(view) if not isinstance(item, int)]
    dims = [info.dims[axis] for axis in kept]
    weights: dict[int, NDArray[np.float64]] = {}
    for key, values in given.items():
        axis = kept[_axis_number(key, dims)]
        name = info.dims[axis]
        if axis in weights:
            raise SelectionError(f"weights along {name!r} are given twice")
        if axis not in axes and axis not in plan.gathered:
            raise SelectionError(
                f"weights along {name!r}, which is not among the dimensions reduced"
            )
        along = _weight(values, name, plan.shape[axis])
        weights[axis] = plan.sorted_along(axis, along)
    return weights


def _weight(values: ArrayLike, name: str, length: int) -> NDArray[np.float64]:
    if np.ma.is_masked(values):
        raise SelectionError(f"the weights along {name!r} have missing values")
    try:
        along = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"the weights along {name!r} are no numbers") from error
    if along.shape != (length,):
        raise SelectionError(
            f"the weights along {name!r} have shape {along.shape}, "
            f"but {length} elements are selected"
        )
    if not np.isfinite(along).all():
        raise SelectionError(f"the weights along {name!r} are not all finite")
    return along
