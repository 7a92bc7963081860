"""The reader of netCDF4 files, and of HDF5 files in general."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from activecore.errors import VariableNotFound, did_you_mean
from activecore.readers.base import Reader
from activecore.readers.hdf5_file import HDF5File, find_signature

if TYPE_CHECKING:
    import fsspec
    import h5py

    from activecore.model import ArrayInfo, VariableInfo

__all__ = ["NetCDF4Reader"]


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

        from activecore.readers.hdf5_tree import find
        from activecore.readers.hdf5_variable import Describer

        self._file = HDF5File(fs, path)
        try:
            with self._file.guard():
                self._describer = Describer(self._file)
                try:
                    self._group = find(self._file.h5, group)
                except VariableNotFound as error:
                    raise VariableNotFound(f"{path} has no group {group!r}") from error
                if not isinstance(self._group, h5py.Group):
                    raise VariableNotFound(f"{group!r} of {path} is not a group")
        except BaseException:
            self._file.close()
            raise

    def variables(self) -> Mapping[str, VariableInfo]:
        """List every variable, those in groups under ``group/name``."""
        with self._file.guard():
            return {
                name: self._describer.variable(name, dataset)
                for name, dataset in self._datasets().items()
            }

    def array(self, name: str) -> ArrayInfo:
        """Describe one variable, its chunk index included.

        A name that begins with a slash counts from the file's root, any other from
        the group that was opened.
        """
        with self._file.guard():
            return self._describer.array(name.strip("/"), self._dataset(name))

    def close(self) -> None:
        """Close the file. Idempotent. Arrays already made stay usable."""
        self._file.close()

    def _datasets(self) -> dict[str, h5py.Dataset]:
        from activecore.readers.hdf5_tree import datasets, is_variable, walk

        return {
            f"{path}/{leaf}".lstrip("/"): dataset
            for path, group in walk(self._group)
            for leaf, dataset in datasets(group)
            if is_variable(dataset)
        }

    def _dataset(self, name: str) -> h5py.Dataset:
        import h5py

        from activecore.readers.hdf5_tree import find, is_variable

        try:
            found = find(self._group, name)
        except VariableNotFound as error:
            close = did_you_mean(name.strip("/"), self._datasets())
            raise VariableNotFound(
                f"{self._file.path} has no variable {name!r}{close}"
            ) from error
        if not isinstance(found, h5py.Dataset) or not is_variable(found):
            what = "a dimension" if isinstance(found, h5py.Dataset) else "a group"
            raise VariableNotFound(
                f"{name!r} of {self._file.path} is {what}, not a variable"
            )
        return found
