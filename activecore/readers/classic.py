"""The reader of netCDF classic files: CDF-1, CDF-2 (64-bit offsets) and CDF-5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from activecore.errors import (
    SourceError,
    UnsupportedDtype,
    UnsupportedFormat,
    VariableNotFound,
    did_you_mean,
)
from activecore.model import (
    ArrayInfo,
    ChunkLayout,
    GroupInfo,
    VariableInfo,
    is_reducible,
    source_version,
)
from activecore.readers.base import Reader
from activecore.readers.cf import missing_rules, packing, stored_dtype
from activecore.readers.classic_header import ClassicVariable, read_header
from activecore.readers.classic_index import RecordIndex
from activecore.readers.classic_text import read_characters
from activecore.readers.classic_words import MAGICS
from activecore.readers.contiguous import (
    CELL_BYTES,
    ContiguousIndex,
    cell_of_contiguous,
)
from activecore.readers.filesystem import filesystem_errors

if TYPE_CHECKING:
    import fsspec
    from numpy.typing import NDArray

__all__ = ["ClassicReader"]

_MOST_DIMENSIONS = 63
"""NumPy's arrays have 64, and a batch of chunks has one more than a chunk."""


class ClassicReader(Reader):
    """Describes the variables of a netCDF classic file. See ``Reader``.

    The header is all that is read, when the file is opened. Attributes and missing
    rules are those that netCDF4-python shows, for which fill mode is always on.

    A variable of fixed size lies in one piece and is cut into virtual chunks. Records
    are chunks, cut further where one is large; where no other variable lies between
    them they, too, are one piece.
    """

    name: ClassVar[str] = "netcdf3"

    @classmethod
    def recognises(
        cls,
        fs: fsspec.AbstractFileSystem,  # noqa: ARG003 - the head is enough
        path: str,  # noqa: ARG003 - the head is enough
        head: bytes,
    ) -> bool:
        """Tell by the first four bytes."""
        return head[:4] in MAGICS

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        if group.strip("/") != "":
            raise VariableNotFound(
                f"{path} has no group {group!r}: netCDF classic files have no groups"
            )
        self._fs = fs
        self._path = path
        self._is_closed = False
        with filesystem_errors(path):
            info = fs.info(path)
        if info.get("size") is None:
            raise UnsupportedFormat(f"how large {path} is cannot be told")
        # The version is older than all that is read: a file that changes in between
        # is found to have changed.
        self._version = source_version(info)
        self._size = int(info["size"])
        self._header = read_header(fs, path, self._size)

    def variables(self) -> Mapping[str, VariableInfo]:
        """List every variable, text included."""
        self._check_open()
        return {
            name: VariableInfo(
                name=name,
                shape=variable.shape,
                dims=variable.dims,
                dtype=stored_dtype(variable.attrs, variable.dtype).newbyteorder("="),
                attrs=variable.attrs,
                encoding={
                    "dtype": variable.dtype,
                    "contiguous": True,
                    "chunksizes": None,
                },
            )
            for name, variable in self._header.variables.items()
        }

    def array(self, name: str) -> ArrayInfo:
        """Describe one variable and where its chunks lie.

        Raises
        ------
        VariableNotFound
            With close matches.
        UnsupportedFormat
            The file ends before the variable does. The netCDF library would read
            zeros there; only the end of the last record may be missing, which is an
            error when it is asked for.
        """
        self._check_open()
        variable = self._find(name)
        dtype = stored_dtype(variable.attrs, variable.dtype)
        index = self._index(variable)
        missing = missing_rules(
            variable.attrs, variable.dtype, default_fill=True, variable=variable.name
        )
        layouts = tuple(
            ChunkLayout(dtype, shape, missing=missing) for shape in index.cell_shapes
        )
        is_contiguous = isinstance(index, ContiguousIndex)
        return ArrayInfo(
            name=variable.name,
            shape=variable.shape,
            dims=variable.dims,
            dtype=dtype.newbyteorder("="),
            chunks=None if is_contiguous else (1, *variable.slab_shape),
            attrs=variable.attrs,
            layouts=layouts if is_reducible(dtype) else (),
            index=index,
            packing=packing(variable.attrs, dtype),
            version=self._version,
            version_source=self._path,
            source=self._path,
        )

    def group_info(self, group: str = "/") -> GroupInfo:
        """Give the file's attributes, and the record dimension."""
        self._check_open()
        if group.strip("/") != "":
            raise VariableNotFound(
                f"{self._path} has no group {group!r}: "
                "netCDF classic files have no groups"
            )
        growing = self._header.record_dimension
        unlimited = frozenset() if growing is None else frozenset({growing})
        return GroupInfo(self._header.attrs, unlimited)

    def read(self, name: str) -> NDArray[Any]:
        """Read the whole of a variable of characters, as ``S1``."""
        self._check_open()
        variable = self._find(name)
        if variable.dtype.kind != "S":
            raise UnsupportedDtype(f"{name!r} holds numbers: a backend reads them")
        return read_characters(self._fs, self._index(variable), variable.shape)

    def close(self) -> None:
        """Refuse later look-ups. Idempotent. Arrays already made stay usable."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise SourceError(f"{self._path} was closed")

    def _find(self, name: str) -> ClassicVariable:
        variables = self._header.variables
        # A name may hold slashes; as everywhere, one may stand before it.
        variable = variables.get(name, variables.get(name.removeprefix("/")))
        if variable is None:
            close = did_you_mean(name.strip("/"), variables)
            raise VariableNotFound(f"{self._path} has no variable {name!r}{close}")
        return variable

    def _is_whole(self, variable: ClassicVariable) -> bool:
        """Tell whether all of a variable is there, or all but its last record.

        The latter is what a file looks like that is still being written.
        """
        if len(variable.shape) > _MOST_DIMENSIONS:
            raise UnsupportedFormat(
                f"{variable.name!r} has more than {_MOST_DIMENSIONS} dimensions"
            )
        end = self._header.end_of(variable)
        if end <= self._size:
            return True
        has_others = variable.is_record and variable.shape[0] > 1
        if has_others and end - self._header.record_bytes <= self._size:
            return False
        raise UnsupportedFormat(
            f"{self._path} is cut short: {variable.name!r} ends at byte {end}, "
            f"the file at byte {self._size}"
        )

    def _index(self, variable: ClassicVariable) -> ContiguousIndex | RecordIndex:
        is_whole = self._is_whole(variable)
        distance = self._header.record_bytes
        touch = is_whole and distance == variable.slab_bytes
        by_record = variable.is_record and not touch
        shape = variable.slab_shape if by_record else variable.shape
        itemsize = variable.dtype.itemsize
        cell = cell_of_contiguous(shape, itemsize, CELL_BYTES)
        piece = ContiguousIndex(self._path, variable.offset, shape, itemsize, cell)
        if by_record:
            return RecordIndex(variable.name, piece, distance, self._size)
        return piece
