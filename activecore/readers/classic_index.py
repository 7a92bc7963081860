"""Where the records of a netCDF classic variable lie. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from activecore.errors import ChunkReadError
from activecore.model import Located
from activecore.readers.contiguous import ContiguousIndex

__all__ = ["RecordIndex"]


@dataclass(frozen=True, slots=True, eq=False)
class RecordIndex:
    """Records at equal distances, with other variables' records between them."""

    variable: str
    """Name of the variable, for messages."""
    first: ContiguousIndex
    """The first record, cut into cells."""
    record_bytes: int
    """How far apart the records begin."""
    file_bytes: int
    """Length of the file, which may end within the last record."""

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a cell: one record, or a part of one."""
        return (1, *self.first.chunk_shape)

    @property
    def cell_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the cells of each layout."""
        return tuple((1, *shape) for shape in self.first.cell_shapes)

    def cut_for(self, extents: tuple[int, ...]) -> RecordIndex:
        """Cut records as ``ContiguousIndex`` is cut."""
        return replace(self, first=self.first.cut_for(extents[1:]))

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Compute where cells lie; no I/O.

        Raises
        ------
        ChunkReadError
            One of them lies beyond the end of the file.
        """
        located = self.first.locate(coords[:, 1:])
        offsets = located.offsets + coords[:, 0] * self.record_bytes
        beyond = np.flatnonzero(offsets + located.sizes > self.file_bytes)
        if len(beyond) > 0:
            row = int(beyond[0])
            error = ChunkReadError(
                f"the file ends at byte {self.file_bytes}, before the chunk does"
            )
            error.variable = self.variable
            error.coords = tuple(coords[row].tolist())
            error.source = self.first.source
            error.offset, error.size = int(offsets[row]), int(located.sizes[row])
            raise error
        return replace(located, offsets=offsets)
