"""The reader of netCDF4 files, and of HDF5 files in general."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from activecore.errors import (
    UnsupportedDtype,
    UnsupportedFormat,
    VariableNotFound,
    did_you_mean,
)
from activecore.model import GroupInfo, is_reducible
from activecore.readers.base import Reader
from activecore.readers.hdf5.file import HDF5File, find_signature

if TYPE_CHECKING:
    import fsspec
    import h5py
    from numpy.typing import NDArray

    from activecore.model import ArrayInfo, VariableInfo

__all__ = ["NetCDF4Reader"]

logger = logging.getLogger(__name__)


class NetCDF4Reader(Reader):
    """Describes the variables of a netCDF4 or HDF5 file. See ``Reader``.

    Dimensions, attributes and missing rules are those that netCDF4-python shows. What
    is read is metadata, and the few values that HDF5 keeps among it.
    """

    name: ClassVar[str] = "netcdf4"

    @classmethod
    def recognises(cls, fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> bool:
        """Tell whether an HDF5 superblock is there, behind a user block or not."""
        return head != b"" and find_signature(fs, path, head) is not None

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        import h5py

        from activecore.readers.hdf5.variable import Describer

        self._file = HDF5File(fs, path)
        try:
            with self._file.guard():
                self._describer = Describer(self._file)
                self._tree = self._describer.tree
                try:
                    self._group = self._tree.find(self._tree.root, group)
                except VariableNotFound as error:
                    raise VariableNotFound(
                        f"there is no group {group!r} in {path}"
                    ) from error
                if not isinstance(self._group, h5py.Group):
                    raise VariableNotFound(f"{group!r} of {path} is not a group")
        except BaseException:
            self._file.close()
            raise

    def variables(self) -> Mapping[str, VariableInfo]:
        """List every variable, those in groups under ``group/name``.

        One whose metadata is damaged is left out, with a log line: ``array`` says
        what is wrong with it.
        """
        with self._file.guard():
            datasets = self._datasets()
        infos = {}
        for name, dataset in datasets.items():
            try:
                with self._file.guard():
                    infos[name] = self._describer.variable(name, dataset)
            except UnsupportedFormat as error:
                logger.warning("%s is left out: %s", name, error)
        return infos

    def array(self, name: str) -> ArrayInfo:
        """Describe one variable, its chunk index included.

        One that holds no numbers has no layouts.
        """
        name = name.strip("/")
        with self._file.guard():
            return self._describer.array(name, self._dataset(name))

    def group_info(self, group: str = "/") -> GroupInfo:
        """Give a group's attributes, and which dimensions of its variables may grow."""
        import h5py

        from activecore.readers.hdf5.attributes import attributes_of

        with self._file.guard():
            found = self._tree.find(self._group, group.strip("/"))
            if not isinstance(found, h5py.Group):
                raise VariableNotFound(f"{group!r} of {self._file.path} is not a group")
            unlimited = {
                name
                for _, dataset in self._tree.datasets(found)
                for name in self._describer.unlimited(dataset)
            }
            return GroupInfo(attributes_of(found), frozenset(unlimited))

    def read(self, name: str) -> NDArray[Any]:
        """Read the whole of a variable that holds no numbers.

        Characters come as ``S1``, text of any length as ``str``, records as h5py has
        them.
        """
        from activecore.readers.hdf5.text import read_dataset
        from activecore.readers.hdf5.types import dtype_of

        with self._file.guard():
            dataset = self._dataset(name.strip("/"))
            if is_reducible(dtype_of(dataset)):
                raise UnsupportedDtype(f"{name!r} holds numbers: a backend reads them")
            return read_dataset(dataset, self._describer.variable(name, dataset).shape)

    def close(self) -> None:
        """Close the file. Idempotent. Arrays already made stay usable."""
        self._file.close()

    def _datasets(self) -> dict[str, h5py.Dataset]:
        from activecore.readers.hdf5.tree import is_variable

        return {
            f"{path}/{leaf}".lstrip("/"): dataset
            for path, group in self._tree.walk(self._group)
            for leaf, dataset in self._tree.datasets(group)
            if is_variable(dataset)
        }

    def _dataset(self, name: str) -> h5py.Dataset:
        import h5py

        from activecore.readers.hdf5.tree import is_variable

        try:
            found = self._tree.find(self._group, name)
        except VariableNotFound as error:
            hint = did_you_mean(name, self._datasets())
            raise VariableNotFound(
                f"there is no variable {name!r} in {self._file.path}{hint}"
            ) from error
        if not isinstance(found, h5py.Dataset) or not is_variable(found):
            what = "a dimension" if isinstance(found, h5py.Dataset) else "a group"
            raise VariableNotFound(
                f"{name!r} of {self._file.path} is {what}, not a variable"
            )
        return found
