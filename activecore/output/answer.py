"""An answer with all that a reader of it needs: coordinates, attributes, what it cost.

Plain data between the reduction and whatever shows it: a netCDF file, a table, JSON, a
picture, a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from activecore.recording import Run

__all__ = ["Answer", "Coordinate", "Field", "Masked", "Reduced", "Role"]

Masked: TypeAlias = np.ma.MaskedArray[Any, Any]


class Role(Enum):
    """What a coordinate is to an answer."""

    KEPT = "kept"
    """It runs along dimensions that are left, or belongs to the whole variable."""
    FIXED = "fixed"
    """Its dimensions were indexed by integers; one value is left."""
    REDUCED = "reduced"
    """Its dimension was reduced: the middle of what was, with bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One array of an answer, as a variable of a file would hold it."""

    name: str
    """Name, without a group."""
    values: Masked
    """The values, masked where there is none; 0-d if no dimension is left."""
    attrs: Mapping[str, Any]
    """Attributes that are right for these values."""

    @property
    def units(self) -> str | None:
        """The units, if there are any."""
        units = self.attrs.get("units")
        return None if units is None else str(units)


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """A coordinate variable, selected as the answer's variable was."""

    name: str
    """Name, without a group."""
    dims: tuple[str, ...]
    """Its dimensions: some of the answer's, or none."""
    values: Masked
    """Its values, unpacked."""
    attrs: Mapping[str, Any]
    """Its attributes, without those that described its storage."""
    role: Role = Role.KEPT
    """What it is to the answer."""
    bounds: NDArray[Any] | None = None
    """Bounds of its cells: its shape and one trailing axis more."""
    bounds_name: str = ""
    """What the source calls the bounds."""
    span: tuple[float, float] | None = None
    """Of a reduced one: the least and the greatest coordinate that were selected."""
    recurs: bool = False
    """Whether bounds are those of cells that recur in time: a climatology (CF 7.4)."""

    @property
    def units(self) -> str | None:
        """The units, if there are any."""
        units = self.attrs.get("units")
        return None if units is None else str(units)


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A dimension that was reduced."""

    dim: str
    """Its name."""
    length: int
    """How many of its elements were selected."""
    low: float | None = None
    """The least selected coordinate; None: not known."""
    high: float | None = None
    """The greatest."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of its coordinate variable."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The result of one reduction, labelled."""

    source: str
    """Where the data lie, without anything secret."""
    variable: str
    """Name of the variable, with its group."""
    reduction: str
    """What was asked."""
    dims: tuple[str, ...]
    """Dimensions of every field."""
    fields: tuple[Field, ...]
    """The result; several if its components were asked for."""
    coordinates: tuple[Coordinate, ...] = ()
    """Dimension coordinates first, in the order of the stored dimensions."""
    reduced: tuple[Reduced, ...] = ()
    """What was reduced, in the order of the stored dimensions."""
    by: str = ""
    """What was grouped, in words: ``"month of time"``."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weighted dimensions, and the words for their weights."""
    selection: Mapping[str, str] = field(default_factory=dict)
    """What was selected, as the user wrote it."""
    grid_mapping: Field | None = None
    """The CF grid mapping that the variable refers to."""
    history: str = ""
    """One line: when, and by which command."""
    global_attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the source itself: title, institution, references."""
    run: Run | None = None
    """What the reduction cost."""

    @property
    def field(self) -> Field:
        """The first field: the answer, unless components were asked for."""
        return self.fields[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every field."""
        return tuple(self.field.values.shape)

    def coordinate_of(self, dim: str) -> Coordinate | None:
        """Find the coordinate variable of a dimension that is left."""
        for coordinate in self.coordinates:
            if coordinate.name == dim and coordinate.dims == (dim,):
                return coordinate
        return None
