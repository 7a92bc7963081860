"""One HDF5 dataset described as a netCDF variable."""

from __future__ import annotations

from dataclasses import dataclass

import h5py

from activecore.errors import UnsupportedFormat
from activecore.model import (
    ArrayInfo,
    ChunkIndex,
    ChunkLayout,
    Packing,
    VariableInfo,
    is_reducible,
)
from activecore.readers.cf import missing_rules, packing, stored_dtype
from activecore.readers.hdf5.attributes import attributes_of
from activecore.readers.hdf5.dimensions import Dimension, Dimensions
from activecore.readers.hdf5.encoding import encoding_of
from activecore.readers.hdf5.file import HDF5File
from activecore.readers.hdf5.fill import fill_is_defined
from activecore.readers.hdf5.index import NoIndex
from activecore.readers.hdf5.storage import Stored, storage_of
from activecore.readers.hdf5.tree import Tree
from activecore.readers.hdf5.types import check_bytes, dtype_of, is_enumeration

__all__ = ["Describer"]


@dataclass
class Describer:
    """Describes the datasets of one open file."""

    file: HDF5File
    """The file."""

    def __post_init__(self) -> None:
        self.tree = Tree(self.file)
        self._dimensions = Dimensions(self.tree)

    def variable(self, name: str, dataset: h5py.Dataset) -> VariableInfo:
        """Describe a dataset without its chunk index."""
        dimensions: tuple[Dimension, ...] = ()
        if dataset.shape is not None:
            dimensions = self._dimensions.of(dataset)
        attrs = attributes_of(dataset)
        return VariableInfo(
            name=name,
            shape=tuple(dimension.length for dimension in dimensions),
            dims=tuple(dimension.name for dimension in dimensions),
            dtype=stored_dtype(attrs, dtype_of(dataset)).newbyteorder("="),
            attrs=attrs,
            encoding=encoding_of(dataset),
        )

    def unlimited(self, dataset: h5py.Dataset) -> set[str]:
        """Name the dimensions of a dataset that may grow."""
        if dataset.shape is None or None not in dataset.maxshape:
            return set()
        found = zip(self._dimensions.of(dataset), dataset.maxshape, strict=True)
        return {dimension.name for dimension, most in found if most is None}

    def array(self, name: str, dataset: h5py.Dataset) -> ArrayInfo:
        """Describe a dataset and where its elements lie.

        Raises
        ------
        UnsupportedFormat, UnsupportedCodec
            Naming the variable: its numbers or its storage are refused.
        """
        variable = self.variable(name, dataset)
        if not is_reducible(variable.dtype):
            nothing = NoIndex(variable.shape, str(variable.dtype))
            return self._array(variable, dataset, (), nothing)
        if dataset.shape is None:
            raise UnsupportedFormat(
                f"{name!r} has a null dataspace: neither shape nor elements"
            )
        dtype = dtype_of(dataset)
        check_bytes(dataset, dtype, name)
        missing = missing_rules(
            variable.attrs, dtype, default_fill=fill_is_defined(dataset), variable=name
        )
        seen = stored_dtype(variable.attrs, dtype)
        layouts, index = storage_of(
            self.file, dataset, Stored(name, variable.shape, seen, missing)
        )
        # The netCDF library does not unpack enumerations.
        unpacked = None if is_enumeration(dataset) else packing(variable.attrs, seen)
        return self._array(variable, dataset, layouts, index, unpacked)

    def _array(
        self,
        variable: VariableInfo,
        dataset: h5py.Dataset,
        layouts: tuple[ChunkLayout, ...],
        index: ChunkIndex,
        unpacked: Packing | None = None,
    ) -> ArrayInfo:
        return ArrayInfo(
            name=variable.name,
            shape=variable.shape,
            dims=variable.dims,
            dtype=variable.dtype,
            chunks=dataset.chunks,
            attrs=variable.attrs,
            layouts=layouts,
            index=index,
            packing=unpacked,
            version=self.file.version,
            version_source=self.file.path,
            source=self.file.path,
        )
