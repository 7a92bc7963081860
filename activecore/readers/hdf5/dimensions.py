"""Names and lengths of dimensions, as the netCDF library tells them from HDF5.

A dimension is a dataset marked as a scale; variables refer to it. An unlimited one is
as long as the longest variable along it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property

import h5py
import numpy as np

from activecore.errors import UnsupportedFormat
from activecore.readers.hdf5.ahead import ATTRIBUTES, read_ahead
from activecore.readers.hdf5.phony import phony_names
from activecore.readers.hdf5.tree import (
    Tree,
    address_of,
    dimension_number,
    is_scale,
    is_variable,
)

__all__ = ["Dimension", "Dimensions"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of a variable."""

    name: str
    """Its name in its group, or the one that was made up."""
    length: int
    """Its length, which may exceed that of the variable's dataset."""


@dataclass
class Dimensions:
    """Knows the dimensions of one open file."""

    tree: Tree
    """Its groups and datasets."""
    _lengths: dict[int, int] = field(default_factory=dict)

    def of(self, dataset: h5py.Dataset) -> tuple[Dimension, ...]:
        """Give a variable's dimensions."""
        scales = self._scales(dataset)
        known = {address_of(scale): ATTRIBUTES for scale in scales if scale is not None}
        read_ahead(self.tree.file, known)
        phony: tuple[str, ...] = ()
        if None in scales:
            phony = self._phony.get(address_of(dataset), ())
        dimensions = []
        for axis, (scale, length) in enumerate(zip(scales, dataset.shape, strict=True)):
            if scale is None:
                name = phony[axis] if axis < len(phony) else f"phony_dim_{axis}"
                dimensions.append(Dimension(name, length))
            else:
                name = self.tree.name_in(dataset.parent, scale) or scale.name
                name = (name or f"phony_dim_{axis}").rpartition("/")[2]
                dimensions.append(Dimension(name, self._length(scale, length)))
        return tuple(dimensions)

    def _scales(self, dataset: h5py.Dataset) -> list[h5py.Dataset | None]:
        """Give the scale of each dimension of a variable, or None."""
        ndim = len(dataset.shape)
        if is_scale(dataset):
            if ndim > 1:
                return self._scales_by_number(dataset) or [
                    dataset,
                    *[None] * (ndim - 1),
                ]
            return [dataset] * ndim
        references = dataset.attrs.get("DIMENSION_LIST")
        if references is None or len(references) != ndim:
            return self._scales_by_number(dataset) or [None] * ndim
        # Of several scales the last one counts, as it does for the netCDF library.
        return [
            self.tree.root[found[-1]] if len(found) > 0 and found[-1] else None
            for found in references
        ]

    def _scales_by_number(self, dataset: h5py.Dataset) -> list[h5py.Dataset | None]:
        """Give the scales that a variable names by number; empty: it names none."""
        numbers = np.atleast_1d(dataset.attrs.get("_Netcdf4Coordinates", []))
        if len(numbers) != len(dataset.shape):
            return []
        known: dict[int, h5py.Dataset] = {}
        group = dataset.parent
        while True:
            for _, member in self.tree.datasets(group):
                number = dimension_number(member) if is_scale(member) else None
                if number is not None:
                    known.setdefault(number, member)
            if group.name == "/":
                break
            group = group.parent
        return [known.get(int(number)) for number in numbers]

    def _length(self, scale: h5py.Dataset, own: int) -> int:
        """Give the length of a dimension, of which one variable has ``own``."""
        if len(scale.shape) == 0 or scale.maxshape[0] is not None:
            return own
        address = address_of(scale)
        length = self._lengths.get(address)
        if length is None:
            lengths = [scale.shape[0]] if is_variable(scale) else [0]
            for reference, axis in scale.attrs.get("REFERENCE_LIST", []):
                if reference:
                    lengths.append(self.tree.root[reference].shape[int(axis)])
            length = self._lengths[address] = max(lengths)
        return max(length, own)

    @cached_property
    def _phony(self) -> dict[int, tuple[str, ...]]:
        """Names made up for variables, by address; none where the file is damaged."""
        try:
            with self.tree.file.guard():
                return phony_names(self.tree)
        except UnsupportedFormat as error:
            logger.warning("dimensions without names are only numbered: %s", error)
            return {}
