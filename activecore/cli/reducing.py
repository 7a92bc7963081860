"""From the words of a command to an answer with its labels."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.cli.selecting import parse_over, parse_pairs, parse_selection
from activecore.cli.weighting import Weight, weight_of
from activecore.errors import ConfigError, SelectionError
from activecore.output.answer import Answer, Coordinate, Field
from activecore.output.attributes import answer_attributes
from activecore.output.coordinates import Neighbours, plain_name
from activecore.output.groups import Grouping, grouping_by, grouping_of_periods
from activecore.question import axis_numbers
from activecore.recording import Run, record
from activecore.reductions import reduction_of
from activecore.urls import public_url

if TYPE_CHECKING:
    from activecore.api import Dataset
    from activecore.array import ActiveArray
    from activecore.grouped import GroupedArray

__all__ = ["Asked", "Prepared", "history_line", "prepare"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command asks for, as the user wrote it."""

    variable: str
    """Name of the variable."""
    reduction: str
    """Name of the reduction."""
    over: Sequence[str] = ()
    """Dimensions to reduce."""
    select: Sequence[str] = ()
    """Selections, ``name=…``."""
    weights: Sequence[str] = ()
    """Weights, ``name=…``."""
    keepdims: bool = False
    """Whether reduced dimensions stay, with length one."""
    components: bool = False
    """Whether the parts of the answer are wanted instead of it."""
    skipna: bool = False
    """Whether NaN is missing."""
    ddof: float = 0
    """For var and std."""
    dtype: str | None = None
    """Dtype of the answer."""
    by: str | None = None
    """What to group by: ``time.month``, or a variable."""
    resample: str | None = None
    """Periods to group by: ``YS``."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A reduction of which everything is known but the answer."""

    asked: Asked
    """What was asked."""
    neighbours: Neighbours
    """The selected array, and the variables beside it."""
    dims: tuple[str, ...]
    """Names of the dimensions that are reduced."""
    weights: Mapping[str, Weight] = field(default_factory=dict)
    """Weights by dimension."""
    grouping: Grouping | None = None
    """Groups along a dimension that is not among those reduced; None: none."""

    @property
    def array(self) -> ActiveArray:
        """What is reduced."""
        return self.neighbours.array

    @property
    def left(self) -> dict[str, int]:
        """The dimensions that the answer will have, and their lengths."""
        keep = self.asked.keepdims
        grouped = {}
        if self.grouping is not None:
            grouped = {self.grouping.dim: len(self.grouping.groups)}
        return {
            dim: 1 if dim in self.dims else grouped.get(dim, length)
            for dim, length in zip(self.array.dims, self.array.shape, strict=True)
            if keep or dim not in self.dims
        }

    @property
    def target(self) -> ActiveArray | GroupedArray:
        """What is asked: the array, or its groups."""
        grouping = self.grouping
        if grouping is None:
            return self.array
        return self.array.groupby(grouping.dim, grouping.labels, groups=grouping.groups)

    @property
    def numbers(self) -> dict[str, Any]:
        """The weights as ``reduce`` takes them."""
        return {dim: weight.values for dim, weight in self.weights.items()}

    def answer(
        self,
        *,
        source: str,
        history: str,
        every: bool,
        progress: Callable[[Run], object] | None,
    ) -> Answer:
        """Reduce, and label the result.

        Parameters
        ----------
        source, history
            Where the data lie, and how they were reduced, without anything secret.
        every
            Whether auxiliary coordinates and bounds are wanted too.
        progress
            Called while the reduction goes on.
        """
        asked = self.asked
        with record(progress=progress) as run:
            result = self.target.reduce(
                asked.reduction,
                self.dims,
                keepdims=asked.keepdims,
                dtype=None if asked.dtype is None else parse_dtype(asked.dtype),
                skipna=asked.skipna,
                ddof=asked.ddof,
                weights=self.numbers or None,
                components=asked.components,
            )
        coordinates = self._coordinates(every=every)
        return Answer(
            source=source,
            variable=self.array.name,
            reduction=asked.reduction,
            dims=tuple(self.left),
            by="" if self.grouping is None else self.grouping.words,
            fields=tuple(self._fields(result)),
            coordinates=coordinates,
            reduced=tuple(self.neighbours.reduced(self.dims, coordinates)),
            weights={dim: weight.words for dim, weight in self.weights.items()},
            selection=parse_pairs(asked.select, "--select", "NAME=0:12"),
            grid_mapping=self.neighbours.grid_mapping() if every else None,
            history=history,
            global_attrs=self.neighbours.dataset.attrs,
            run=run,
        )

    def _coordinates(self, *, every: bool) -> tuple[Coordinate, ...]:
        """Read the coordinates of the answer; those of groups are made."""
        grouping, keepdims = self.grouping, self.asked.keepdims
        if grouping is None:
            return self.neighbours.coordinates(
                self.dims, keepdims=keepdims, every=every
            )
        found = self.neighbours.coordinates(
            (*self.dims, grouping.dim), keepdims=keepdims, every=every
        )
        made = {coordinate.name for coordinate in grouping.coordinates}
        others = [c for c in found if c.name not in {grouping.dim, *made}]
        return (*grouping.coordinates, *others)

    def _fields(self, result: Any) -> list[Field]:
        name = plain_name(self.array.name)
        if not self.asked.components:
            return [Field(name, _masked(result), self._attributes())]
        return [
            Field(f"{name}_{part}", _masked(values), self._attributes(part))
            for part, values in result.items()
        ]

    def _attributes(self, component: str | None = None) -> dict[str, Any]:
        return answer_attributes(
            self.array.attrs,
            reduction_of(self.asked.reduction),
            self.dims,
            component=component,
            weights={dim: weight.words for dim, weight in self.weights.items()},
            weight_units=[weight.units for weight in self.weights.values()],
            groups=None if self.grouping is None else self.grouping.cell_method,
        )


def prepare(dataset: Dataset, asked: Asked) -> Prepared:
    """Find and check all that a command names; reads weights and no chunk of data.

    Raises
    ------
    VariableNotFound, SelectionError, UnsupportedReduction, ConfigError
        Something is not there, or does not fit.
    """
    reduction_of(asked.reduction)
    if asked.dtype is not None:
        parse_dtype(asked.dtype)
    array = dataset[asked.variable]
    keys: dict[str, object] = dict(parse_selection(asked.select, array.dims))
    array = array.isel(**keys)
    neighbours = Neighbours(dataset, array)
    grouping = _grouping(neighbours, asked)
    axes = parse_over(asked.over, array.dims)
    if grouping is not None and axes is None:
        axes = ()  # who groups by month does not mean all of the globe
    numbers = [
        number
        for number in axis_numbers(axes, array.dims)
        if grouping is None or array.dims[number] != grouping.dim
    ]
    given = parse_pairs(asked.weights, "--weights", "NAME=cos")
    return Prepared(
        asked=asked,
        neighbours=neighbours,
        dims=tuple(array.dims[number] for number in numbers),
        weights={dim: weight_of(neighbours, dim, text) for dim, text in given.items()},
        grouping=grouping,
    )


def _grouping(neighbours: Neighbours, asked: Asked) -> Grouping | None:
    if asked.by is not None and asked.resample is not None:
        raise SelectionError("--by and --resample are two ways to group: give one")
    if asked.by is not None:
        return grouping_by(neighbours, asked.by)
    if asked.resample is not None:
        return grouping_of_periods(neighbours, asked.resample)
    return None


def parse_dtype(text: str) -> np.dtype[Any]:
    """Read the name of a dtype of numbers.

    Raises
    ------
    ConfigError
        There is none of this name.
    """
    try:
        dtype = np.dtype(text)
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None or dtype.kind not in "biuf":
        raise ConfigError(
            f"--dtype {text}: not a dtype of numbers; float32, for example"
        )
    return dtype


def _masked(values: Any) -> np.ma.MaskedArray[Any, Any]:
    return np.ma.asarray(values)


def history_line(arguments: Sequence[str]) -> str:
    """Give the line of history that a file carries: when, and the command."""
    words = shlex.join(public_url(word) for word in arguments)
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} activecore {words}"
