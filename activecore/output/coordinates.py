"""The coordinates of an answer, read through the dataset with the same selection."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.errors import ActiveCoreError
from activecore.model import is_reducible
from activecore.output.answer import Coordinate, Field, Masked, Reduced, Role
from activecore.output.attributes import portable_attributes
from activecore.output.longitudes import CIRCLE, Floats, continuous
from activecore.output.words import is_longitude

if TYPE_CHECKING:
    from activecore.api import Dataset
    from activecore.array import ActiveArray
    from activecore.model import VariableInfo
    from activecore.selection import DimensionView

__all__ = ["Neighbours", "plain_name"]

logger = logging.getLogger(__name__)


def plain_name(name: str) -> str:
    """Give a variable's name without its group."""
    return name.rpartition("/")[2]


def _key(item: DimensionView) -> object:
    """Turn what a view holds for a dimension into an index of another array."""
    if not isinstance(item, range):
        return item
    if len(item) == 0:
        return slice(0, 0)
    return slice(item.start, item.stop if item.stop >= 0 else None, item.step)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The variables of a dataset that say what another one's dimensions mean."""

    dataset: Dataset
    """Where they are."""
    array: ActiveArray
    """The variable that they are about, with what is selected of it."""

    def find(self, name: str) -> str | None:
        """Find a variable that the array's attributes or dimensions name.

        Looked for in the array's group, then in each group above it.
        """
        if name.startswith("/"):
            absolute = name.strip("/")
            return absolute if absolute in self.dataset.variables else None
        group = self.array.name.rpartition("/")[0]
        while True:
            full = f"{group}/{name}" if group else name
            if full in self.dataset.variables:
                return full
            if not group:
                return None
            group = group.rpartition("/")[0]

    def coordinate_variable(self, dim: str) -> str | None:
        """Find the coordinate variable of a dimension: 1-D, named like it, numbers."""
        name = self.find(dim)
        if name is None or name == self.array.name:
            return None
        variable = self.dataset.variables[name]
        fits = variable.dims == (dim,) and variable.shape == (self._lengths[dim],)
        return name if fits and is_reducible(variable.dtype) else None

    def along(self, dim: str) -> tuple[Masked, Mapping[str, Any]] | None:
        """Read the selected part of a dimension's coordinate variable.

        Returns
        -------
        tuple or None
            Its values and attributes; None where there is no such variable.
        """
        name = self.coordinate_variable(dim)
        if name is None:
            return None
        return self.read(name), self.dataset.variables[name].attrs

    def bounds_along(self, dim: str) -> np.ndarray[Any, Any] | None:
        """Read the selected bounds of a dimension's coordinate; None: it has none."""
        name = self.coordinate_variable(dim)
        if name is None:
            return None
        variable = self.dataset.variables[name]
        bounds = self.find(str(variable.attrs.get("bounds", "")) or " ")
        return None if bounds is None else self._bounds(bounds, variable)

    def read(self, name: str) -> Masked:
        """Read a variable, selected along its dimensions as the array is."""
        array = self.dataset[name]
        key = tuple(
            _key(self._items[dim]) if dim in self._items else slice(None)
            for dim in array.dims
        )
        return array[key].read()

    def coordinates(
        self, reduced: Sequence[str], *, keepdims: bool = False, every: bool = True
    ) -> tuple[Coordinate, ...]:
        """Read every coordinate that the answer of a reduction has.

        Parameters
        ----------
        reduced
            Names of the dimensions that are reduced.
        keepdims
            Whether those stay, with length one.
        every
            Whether to read auxiliary coordinates and bounds too, or only the
            coordinate variables of dimensions.

        Returns
        -------
        tuple of Coordinate
            What cannot be read is left out, with a line in the log.
        """
        found: list[Coordinate] = []
        for dim in self.array.info.dims:
            name = self.coordinate_variable(dim)
            if name is None or any(c.name == dim for c in found):
                continue
            found += self._attempt(name, reduced, keepdims=keepdims, every=every)
        if every:
            taken = {c.name for c in found} | {plain_name(self.array.name)}
            for name in self._auxiliary(reduced):
                if plain_name(name) not in taken:
                    found += self._attempt(name, reduced, keepdims=keepdims, every=True)
        return tuple(found)

    def reduced(
        self, dims: Sequence[str], found: Sequence[Coordinate]
    ) -> list[Reduced]:
        """Say what was reduced, from the coordinates that were found."""
        known = {c.name: c for c in found if c.role is Role.REDUCED}
        lengths = dict(zip(self.array.dims, self.array.shape, strict=True))
        answer = []
        for dim in dims:
            coordinate = known.get(dim)
            if coordinate is None or coordinate.span is None:
                answer.append(Reduced(dim, lengths[dim]))
            else:
                span, attrs = coordinate.span, coordinate.attrs
                answer.append(Reduced(dim, lengths[dim], *span, attrs))
        return answer

    def grid_mapping(self) -> Field | None:
        """Give the grid mapping that the array refers to, attributes only."""
        words = str(self.array.attrs.get("grid_mapping", "")).replace(":", " ").split()
        name = self.find(words[0]) if len(words) > 0 else None
        if name is None:
            return None
        attrs = portable_attributes(self.dataset.variables[name].attrs)
        return Field(plain_name(name), np.ma.MaskedArray(np.int32(0)), attrs)

    # -- how -----------------------------------------------------------------------

    @property
    def _items(self) -> dict[str, DimensionView]:
        return dict(zip(self.array.info.dims, self.array.view, strict=True))

    @property
    def _lengths(self) -> dict[str, int]:
        return dict(zip(self.array.info.dims, self.array.info.shape, strict=True))

    def _auxiliary(self, reduced: Sequence[str]) -> Iterator[str]:
        """Name the auxiliary coordinates all of whose dimensions are left."""
        left = set(self.array.info.dims) - set(reduced)
        for word in str(self.array.attrs.get("coordinates", "")).split():
            name = self.find(word)
            if name is None or name == self.array.name:
                continue
            variable = self.dataset.variables[name]
            if not is_reducible(variable.dtype):
                logger.info("coordinate %s is left out: it holds no numbers", name)
            elif set(variable.dims) <= left and self._fits(variable):
                yield name

    def _fits(self, variable: VariableInfo) -> bool:
        once = len(set(variable.dims)) == len(variable.dims)
        lengths = [self._lengths[dim] for dim in variable.dims]
        return once and list(variable.shape) == lengths

    def _attempt(
        self, name: str, reduced: Sequence[str], *, keepdims: bool, every: bool
    ) -> Iterator[Coordinate]:
        try:
            coordinate = self._coordinate(name, every=every)
        except ActiveCoreError as error:
            logger.warning("coordinate %s is left out: %s", name, error)
            return
        if coordinate.name not in reduced:
            yield coordinate
            return
        middle = _middle(coordinate, keepdims=keepdims)
        if middle is not None:
            yield middle

    def _coordinate(self, name: str, *, every: bool) -> Coordinate:
        variable = self.dataset.variables[name]
        items = self._items
        dims = tuple(d for d in variable.dims if not isinstance(items[d], int))
        bounds_name = str(variable.attrs.get("bounds", ""))
        bounds_of = self.find(bounds_name) if every and bounds_name else None
        bounds = None if bounds_of is None else self._bounds(bounds_of, variable)
        fixed = len(dims) < len(variable.dims)
        return Coordinate(
            name=plain_name(name),
            dims=dims,
            values=self.read(name),
            attrs=portable_attributes(variable.attrs),
            role=Role.FIXED if fixed else Role.KEPT,
            bounds=bounds,
            bounds_name="" if bounds is None else plain_name(bounds_name),
        )

    def _bounds(self, name: str, owner: VariableInfo) -> np.ndarray[Any, Any] | None:
        variable = self.dataset.variables[name]
        fits = variable.dims[:-1] == owner.dims and is_reducible(variable.dtype)
        if not fits or variable.shape[:-1] != owner.shape:
            return None
        values = self.read(name)
        return None if np.ma.is_masked(values) else values.data


def _middle(coordinate: Coordinate, *, keepdims: bool) -> Coordinate | None:
    """Give the one cell that a whole coordinate became; None if it has no numbers."""
    values = coordinate.values
    if values.size == 0 or np.ma.is_masked(values) or values.dtype.kind == "b":
        return None
    points = np.asarray(values.data, dtype=np.float64)
    edges = points
    if coordinate.bounds is not None:
        edges = np.asarray(coordinate.bounds, dtype=np.float64)
    if _goes_around(coordinate):
        points, edges = _around(points, edges)
    low, high = float(edges.min()), float(edges.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    middle = low + (high - low) / 2
    shape = (1,) if keepdims else ()
    return Coordinate(
        name=coordinate.name,
        dims=coordinate.dims if keepdims else (),
        values=np.ma.MaskedArray(np.full(shape, middle)),
        attrs=coordinate.attrs,
        role=Role.REDUCED,
        bounds=np.broadcast_to([low, high], (*shape, 2)).copy(),
        bounds_name=coordinate.bounds_name or f"{coordinate.name}_bnds",
        span=(float(points.min()), float(points.max())),
    )


def _goes_around(coordinate: Coordinate) -> bool:
    """Tell whether a coordinate is measured around a circle of 360 degrees."""
    rotated = coordinate.attrs.get("standard_name") == "grid_longitude"
    return rotated or is_longitude(coordinate.name, coordinate.attrs)


def _around(points: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """Make one stretch of longitudes, and put the edges of each cell beside it."""
    points = continuous(points)
    owner = points if edges.ndim == points.ndim else points[:, np.newaxis]
    return points, edges + CIRCLE * np.round((owner - edges) / CIRCLE)
