"""Where the chunks of a Zarr array lie: each object's key follows from coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activecore.model import Located

__all__ = ["ZarrIndex", "chunk_keys"]


def chunk_keys(template: str, coords: NDArray[np.int64]) -> list[str]:
    """Format the key of each chunk.

    Parameters
    ----------
    template
        A ``%`` format with one ``%d`` for each dimension.
    coords
        Grid coordinates, shape (n, d).
    """
    return [template % tuple(row) for row in coords.tolist()]


@dataclass(frozen=True, slots=True)
class ZarrIndex:
    """Chunks that are objects of their own. Reads nothing and lists nothing."""

    chunk_shape: tuple[int, ...]
    """Shape of the grid's cells; chunks at the edge are stored as large as others."""
    template: str
    """A ``%`` format of an object's path, with one ``%d`` for each dimension."""

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Name these chunks' objects; nobody knows yet whether they are there."""
        count = len(coords)
        return Located(
            sources=np.array(chunk_keys(self.template, coords), dtype=object),
            offsets=np.zeros(count, dtype=np.int64),
            sizes=np.full(count, -1, dtype=np.int64),
            layouts=np.zeros(count, dtype=np.int64),
        )
