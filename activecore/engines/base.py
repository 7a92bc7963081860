"""What an engine is asked: elements as they came out of a decompressor, and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.codecs import unshuffle_all
from activecore.folding import Rows
from activecore.model import AxisSelection, Missing
from activecore.scratch import lend

__all__ = ["Array", "Block", "Cells", "Engine", "Gone", "is_whole"]

Array: TypeAlias = NDArray[Any]

Gone: TypeAlias = NDArray[np.int64] | None
"""How many elements behind each value are missing; None: none of any."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Chunks that were decompressed: their bytes, and how they make elements."""

    raw: NDArray[np.uint8]
    """Shape (chunks, bytes of each), contiguous."""
    dtype: np.dtype[Any]
    """Stored dtype, byte order included."""
    shape: tuple[int, ...]
    """Of each chunk, as its elements lie there, slowest axis first."""
    is_shuffled: bool = False
    """Whether the first bytes of all elements of a chunk come first, then the second,
    and so on, as the shuffle filter has them."""

    def elements(self) -> Array:
        """Give the elements, shape (chunks, *shape), native-endian.

        They are lent: views of the bytes, or of memory that is this thread's until
        the next block's elements are asked for.
        """
        if not self.is_shuffled:
            stored = self.raw.view(self.dtype)
        else:
            joined = lend("elements", self.raw.nbytes).reshape(self.raw.shape)
            unshuffle_all(self.raw, joined, self.dtype.itemsize)
            stored = joined.view(self.dtype)
        if not stored.dtype.isnative:
            stored = stored.astype(stored.dtype.newbyteorder("="))
        return stored.reshape(len(self.raw), *self.shape)

    def arranged(
        self, order: tuple[int, ...], selection: tuple[AxisSelection, ...]
    ) -> Block:
        """Give a part of each chunk, its axes put in C order.

        What is not wanted is dropped before anything is made of the bytes.

        Parameters
        ----------
        order
            Which axis of ``selection`` each axis of ``shape`` is.
        selection
            A slice or positions for each axis.
        """
        in_order = order == tuple(range(len(order)))
        if in_order and is_whole(selection, self.shape):
            return self
        size = self.dtype.itemsize
        chunks = len(self.raw)
        if self.is_shuffled:
            # Axes: chunk, byte of the element, those of the chunk.
            view = self.raw.reshape(chunks, size, *self.shape)
            lead = 2
        else:
            view = self.raw.view(f"V{size}").reshape(chunks, *self.shape)
            lead = 1
        ahead = tuple(range(lead))
        view = view.transpose(*ahead, *(lead + int(a) for a in np.argsort(order)))
        view = _selected(view, selection, lead)
        raw = np.ascontiguousarray(view).view(np.uint8).reshape(chunks, -1)
        return Block(raw, self.dtype, view.shape[lead:], self.is_shuffled)


def is_whole(selection: tuple[AxisSelection, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether all of a chunk is selected, in a way that is cheap to see."""
    return all(
        isinstance(item, slice)
        and item.start == 0
        and item.stop >= length
        and item.step in (None, 1)
        for item, length in zip(selection, shape, strict=True)
    )


def _selected(view: Array, selection: tuple[AxisSelection, ...], lead: int) -> Array:
    slices = (item if isinstance(item, slice) else slice(None) for item in selection)
    view = view[(slice(None),) * lead + tuple(slices)]
    for axis, item in enumerate(selection):
        if not isinstance(item, slice):
            view = view.take(np.asarray(item, dtype=np.intp), axis=axis + lead)
    return view


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A question's elements as rows, and which of them are missing."""

    block: Block
    rows: Rows
    """How the block's elements make rows: all of them, and none across chunks."""
    missing: Missing
    invalid: NDArray[np.bool_] | None = None
    """Which elements are missing, of whatever shape; None: ``missing`` says it."""

    def __post_init__(self) -> None:
        have = len(self.block.raw) * math.prod(self.block.shape)
        if have != math.prod(self.rows.shape):
            msg = f"{have} elements do not make rows of shape {self.rows.shape}"
            raise ValueError(msg)


class Engine(Protocol):
    """One way to compute; all ways give the same bits.

    Every method gives an array of shape (many, kept), and how many elements behind
    each of its values are missing. Where all are, the value is what changes nothing
    when merged. NaN that no rule declares missing propagates. The cells are not empty.
    """

    def missing(self, cells: Cells) -> Gone:
        """Count the missing elements alone."""

    def sums(self, cells: Cells, dtype: np.dtype[Any]) -> tuple[Array, Gone]:
        """Add the elements in ``dtype``, in the order that ``folding`` lays down."""

    def squares(self, cells: Cells, mean: Array) -> Array:
        """Add the squared deviations from ``mean``, (many, kept), in float64."""

    def least(self, cells: Cells) -> tuple[Array, Gone]:
        """Give the least elements. Which zero, of -0.0 and 0.0, is left open."""

    def greatest(self, cells: Cells) -> tuple[Array, Gone]:
        """Give the greatest elements."""

    def nonzeros(self, cells: Cells) -> tuple[Array, Gone]:
        """Count the elements that are not zero, in int64."""
