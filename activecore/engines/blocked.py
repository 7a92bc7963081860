"""The engine that is always there: NumPy, in pieces that stay in a core's cache.

Masking, conversion and adding are passes of their own over the elements, so they are
made over a *tile* at a time: some rows of (many, rows, kept), or part of a long one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.engines.base import Array, Cells, Gone
from activecore.folding import SEGMENT, Rows, joined, lane_sums
from activecore.model import Missing
from activecore.operations import extreme

__all__ = ["BlockedEngine", "invalid_elements"]

Invalid: TypeAlias = NDArray[np.bool_] | None

TILE = SEGMENT
"""Elements that are worked on together."""

_FEWEST_KEPT = 2048
"""Neighbours that a tile has at least, where one row is longer than a tile."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """How tiles become values: a row for each thing that an engine is asked."""

    begin: Callable[[Array, Rows], Array]
    """A tile (m, r, k) whose missing elements are replaced -> what is held of it."""
    join: Callable[[Array, Array], object]
    """Held, and what is held of the next tile along the rows: put into the former."""
    finish: Callable[[Array, Rows], Array]
    """Held -> values (m, k)."""
    instead: Any
    """What stands for a missing element."""
    dtype: np.dtype[Any]
    """Of the values."""


class BlockedEngine:
    """NumPy, tile by tile. See ``Engine``."""

    def missing(self, cells: Cells) -> Gone:
        """See ``Engine``."""
        return _missing(cells)

    def sums(self, cells: Cells, dtype: np.dtype[Any]) -> tuple[Array, Gone]:
        """See ``Engine``."""
        return _reduced(cells, _adding(dtype))

    def squares(self, cells: Cells, mean: Array) -> Array:
        """See ``Engine``."""
        return _reduced(cells, _adding(np.dtype("f8")), mean)[0]

    def least(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""
        return _extremes(cells, np.minimum)

    def greatest(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""
        return _extremes(cells, np.maximum)

    def nonzeros(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""

        def begin(tile: Array, _: Rows) -> Array:
            return np.asarray(np.add.reduce(tile != 0, axis=1, dtype=np.int64))

        return _reduced(cells, _Fold(begin, _add_to, _as_it_is, 0, np.dtype("i8")))


def _adding(dtype: np.dtype[Any]) -> _Fold:
    def begin(tile: Array, rows: Rows) -> Array:
        return lane_sums(tile, rows.lanes, dtype)

    def finish(held: Array, rows: Rows) -> Array:
        return joined(held, rows)

    return _Fold(begin, _add_to, finish, 0, dtype)


def _add_to(held: Array, more: Array) -> None:
    # The last tile may have fewer rows than there are lanes.
    part = held[:, : more.shape[1]]
    np.add(part, more, out=part)


def _as_it_is(held: Array, _: Rows) -> Array:
    return held


def _extremes(cells: Cells, by: np.ufunc) -> tuple[Array, Gone]:
    dtype = cells.block.dtype.newbyteorder("=")

    def begin(tile: Array, _: Rows) -> Array:
        return np.asarray(by.reduce(tile, axis=1))

    def join(held: Array, more: Array) -> None:
        by(held, more, out=held)

    instead = extreme(dtype, least=by is np.maximum)
    return _reduced(cells, _Fold(begin, join, _as_it_is, instead, dtype))


class _Masked:
    """Elements, tile by tile, which of them are missing, and how many were."""

    def __init__(self, cells: Cells) -> None:
        shape = cells.rows.shape
        self._elements = cells.block.elements().reshape(shape)
        self._missing = cells.missing
        self._invalid: Invalid = None
        if cells.invalid is not None:
            self._invalid = cells.invalid.reshape(shape)
        self.gone: Gone = None

    def tile(self, some: slice, part: slice, kept: slice) -> tuple[Array, Invalid]:
        """Give a tile and where it is missing; count that."""
        tile = self._elements[some, part, kept]
        if self._invalid is None:
            bad = invalid_elements(tile, self._missing)
        else:
            bad = self._invalid[some, part, kept]
        if bad is not None:
            if self.gone is None:
                many, _, width = self._elements.shape
                self.gone = np.zeros((many, width), dtype=np.int64)
            self.gone[some, kept] += np.add.reduce(bad, axis=1, dtype=np.int64)
        return tile, bad


def _missing(cells: Cells) -> Gone:
    masked = _Masked(cells)
    for some, kept, parts in _tiles(cells.rows):
        for part in parts:
            masked.tile(some, part, kept)
    return masked.gone


def _reduced(
    cells: Cells, fold: _Fold, mean: Array | None = None
) -> tuple[Array, Gone]:
    """Fold tiles; with ``mean``, the squared deviations from it."""
    rows = cells.rows
    masked = _Masked(cells)
    values = np.empty((rows.many, rows.kept), dtype=fold.dtype)
    for some, kept, parts in _tiles(rows):
        held: Array | None = None
        for part in parts:
            tile, bad = masked.tile(some, part, kept)
            if mean is not None:
                tile = _deviations(tile, mean[some, np.newaxis, kept], bad)
            elif bad is not None:
                tile = _patched(tile, bad, fold.instead)
            more = fold.begin(tile, rows)
            if held is None:
                held = more
            else:
                fold.join(held, more)
        if held is not None:
            values[some, kept] = fold.finish(held, rows)
    return values, masked.gone


def _patched(tile: Array, bad: NDArray[np.bool_], instead: Any) -> Array:
    """Put ``instead`` where a tile is missing.

    By bits, which has no branches: where land and sea alternate, ``np.where`` takes
    five times as long.
    """
    bits = np.dtype(f"u{tile.itemsize}")
    keep = bad.astype(bits)
    np.subtract(keep, 1, out=keep)
    patched = np.bitwise_and(tile.view(bits), keep)
    filler = np.array(instead, dtype=tile.dtype).view(bits)
    if filler != 0:
        np.invert(keep, out=keep)
        np.bitwise_and(keep, filler, out=keep)
        np.bitwise_or(patched, keep, out=patched)
    result: Array = patched.view(tile.dtype)
    return result


def _deviations(tile: Array, mean: Array, bad: Invalid) -> Array:
    deviation = np.subtract(tile, mean, dtype=np.float64)
    if bad is not None:
        deviation = _patched(deviation, bad, 0.0)
    return np.square(deviation, out=deviation)


def _tiles(rows: Rows) -> Iterator[tuple[slice, slice, list[slice]]]:
    """Cut (many, rows, kept) into tiles: which of the first, the last, the middle.

    Those of the middle are segments, as ``folding`` has them, because that is where
    the order of adding allows a cut.
    """
    whole = slice(0, rows.kept)
    one = rows.rows * rows.kept
    if one <= TILE and rows.rows <= rows.segment:
        step = max(1, TILE // max(1, one))
        for start in range(0, rows.many, step):
            some = slice(start, min(start + step, rows.many))
            yield some, whole, [slice(0, rows.rows)]
        return
    for number in range(rows.many):
        some = slice(number, number + 1)
        if rows.kept <= TILE or rows.segment > 1:
            step = rows.segment
            yield (
                some,
                whole,
                [
                    slice(start, min(start + step, rows.rows))
                    for start in range(0, rows.rows, step)
                ],
            )
            continue
        # Rows longer than a segment are added one by one wherever they are cut; in
        # equal parts, since of a part of length one NumPy would add up a column.
        width = max(_FEWEST_KEPT, TILE // rows.rows)
        cuts = -(-rows.kept // width)
        for cut in range(cuts):
            part = slice(rows.kept * cut // cuts, rows.kept * (cut + 1) // cuts)
            yield some, part, [slice(0, rows.rows)]


def invalid_elements(elements: Array, missing: Missing) -> Invalid:
    """Tell which elements are missing; None: none of them.

    Comparisons are made in the stored dtype. NaN is neither less nor greater.
    """
    invalid: Invalid = None
    is_float = elements.dtype.kind == "f"
    for value in missing.values:
        if value == value:  # noqa: PLR0124 - false for NaN alone
            found = elements == value
        elif is_float:
            found = np.isnan(elements)
        else:
            continue
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if missing.valid_min is not None:
        found = elements < missing.valid_min
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if missing.valid_max is not None:
        found = elements > missing.valid_max
        invalid = found if invalid is None else np.logical_or(invalid, found, invalid)
    if invalid is None or not invalid.any():
        return None
    return invalid
