"""The engine of ``activecore[fast]``: one pass over the bytes, in compiled loops."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from activecore.engines import loops
from activecore.engines.base import Array, Cells, Engine, Gone
from activecore.engines.blocked import BlockedEngine
from activecore.model import Missing, Scalar
from activecore.operations import extreme

__all__ = ["FusedEngine"]

_KINDS = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8)}
"""Sizes of the elements that the loops know, by kind. Bool and float16 are rare."""

_Rules: TypeAlias = tuple[Array, bool, Array, Array]
"""As ``loops.reduce_rows`` takes them."""

_EMPTY = np.zeros((0, 0))

_TILE_BYTES = 16 << 10
"""Bytes of elements that are worked on together: they, and what is computed of them,
fit in a core's first-level cache."""


class FusedEngine:
    """Compiled loops; what they do not know is left to NumPy. See ``Engine``."""

    def __init__(self) -> None:
        self._others: Engine = BlockedEngine()

    def missing(self, cells: Cells) -> Gone:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.missing(cells)
        return _run(loops.MISSING, cells, rules, np.dtype("i8"), 0)[1]

    def sums(self, cells: Cells, dtype: np.dtype[Any]) -> tuple[Array, Gone]:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.sums(cells, dtype)
        return _run(loops.SUM, cells, rules, dtype, 0)

    def squares(self, cells: Cells, mean: Array) -> Array:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.squares(cells, mean)
        return _run(loops.SQUARES, cells, rules, np.dtype("f8"), 0, mean)[0]

    def least(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.least(cells)
        dtype = cells.block.dtype.newbyteorder("=")
        return _run(loops.LEAST, cells, rules, dtype, extreme(dtype, least=False))

    def greatest(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.greatest(cells)
        dtype = cells.block.dtype.newbyteorder("=")
        return _run(loops.GREATEST, cells, rules, dtype, extreme(dtype, least=True))

    def nonzeros(self, cells: Cells) -> tuple[Array, Gone]:
        """See ``Engine``."""
        rules = _known(cells)
        if rules is None:
            return self._others.nonzeros(cells)
        return _run(loops.NONZERO, cells, rules, np.dtype("i8"), 0)


def _known(cells: Cells) -> _Rules | None:
    """Give the missing rules of cells that the loops know; None: they do not."""
    dtype = cells.block.dtype
    if dtype.itemsize not in _KINDS.get(dtype.kind, ()) or cells.invalid is not None:
        return None
    return _rules(cells.missing, dtype.newbyteorder("="))


def _rules(missing: Missing, dtype: np.dtype[Any]) -> _Rules | None:
    """Put missing rules in an element's dtype; None: one of them does not fit in it."""
    values = [value for value in missing.values if value == value]  # noqa: PLR0124
    low = [] if missing.valid_min is None else [missing.valid_min]
    high = [] if missing.valid_max is None else [missing.valid_max]
    columns = [_exactly(column, dtype) for column in (values, low, high)]
    if columns[0] is None or columns[1] is None or columns[2] is None:
        return None
    has_nan = dtype.kind == "f" and missing.masks_nan
    return columns[0], has_nan, columns[1], columns[2]


def _exactly(column: list[Scalar], dtype: np.dtype[Any]) -> Array | None:
    try:
        put = np.array(column, dtype=dtype)
    except OverflowError:
        return None
    same = all(ours == theirs for ours, theirs in zip(put, column, strict=True))
    return put if same else None


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _run(
    what: int,
    cells: Cells,
    rules: _Rules,
    dtype: np.dtype[Any],
    instead: Any,
    mean: Array = _EMPTY,
) -> tuple[Array, Gone]:
    """Give the loops their memory, and run them."""
    block, rows = cells.block, cells.rows
    native = block.dtype.newbyteorder("=")
    unsigned = np.dtype(f"u{native.itemsize}")
    # What is read may be a mapped file: read-only arrays are a type of their own.
    raw = _read_only(block.raw.reshape(-1))
    is_shuffled = block.is_shuffled and native.itemsize > 1
    plain, elements = raw[:0].view(unsigned), raw[:0].view(native)
    if not is_shuffled:
        plain = raw.view(unsigned)
        if not plain.flags.aligned:
            # A mapped file may have its chunks anywhere.
            plain = _read_only(plain.copy())
        if block.dtype.isnative:
            elements = plain.view(native)
    out = np.empty((rows.many, rows.kept), dtype)
    gone = np.zeros((rows.many, rows.kept), np.int64)
    tile = np.empty(min(loops.WIDTH, _TILE_BYTES // native.itemsize), native)
    lost = loops.reduce_rows(
        what,
        out,
        gone,
        raw,
        plain,
        elements,
        is_shuffled,
        not block.dtype.isnative,
        raw.nbytes // len(block.raw) // native.itemsize,
        rows.shape,
        rows.lanes,
        rows.narrow,
        rows.segment,
        rules,
        np.array(instead, native).view(unsigned)[()],
        mean,
        _read_only(tile),
        tile.view(unsigned),
        np.empty(loops.LANES, dtype),
        np.empty(loops.LANES, dtype),
    )
    return out, gone if lost > 0 else None
