"""What usually causes a wrong answer, by what the case is about."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["HINT"]

_POSITIONS = (
    "integer positions are taken along each dimension by itself, may repeat, and are "
    "neither a slice from first to last nor pairs of coordinates"
)
_EMPTY = "an empty selection has count 0; it is no error and no request to a store"
_STEPS = "a slice's step is part of the selection"

HINT: Mapping[str, str] = MappingProxyType(
    {
        "plain": (
            "the elements are read from the wrong place, or the values and counts "
            "do not keep the reduced axes at length one"
        ),
        "dtype": (
            "the accumulator is narrower than 64 bits, or the values come back in "
            "another dtype than the operation's; refuse dtypes you lack in why_not"
        ),
        "part": "the selection is taken of the chunk before anything is reduced",
        "one-element": "a slice of length one keeps its dimension",
        "steps": _STEPS,
        "positions": _POSITIONS,
        "positions-repeated": _POSITIONS,
        "positions-and-steps": f"{_POSITIONS}; {_STEPS}",
        "empty-slice": _EMPTY,
        "empty-positions": _EMPTY,
        "missing": (
            "every rule applies at once, in the stored dtype; test rules with "
            "'is None', not by truth: 0 and NaN are values; where count is 0 the value "
            "does not matter"
        ),
        "axis": (
            "axes are numbered in the order of the chunk's shape, and reduced ones "
            "stay at length one; () reduces nothing, and then each count is 0 or 1"
        ),
        "order": (
            "layout.order lists the axes as stored, slowest first: reshape the bytes "
            "to layout.stored_shape, then transpose them back"
        ),
        "byte_order": "layout.dtype carries the byte order of the stored elements",
        "codecs": (
            "codecs are listed in the order in which they encode; decode them from "
            "the last to the first; refuse those you lack in why_not"
        ),
        "whole": "size -1 asks for the whole object",
        "no-dimensions": "a chunk without dimensions holds one element",
        "nan": (
            "NaN that no rule declares missing is counted and propagates; fmin, fmax "
            "and nanmin drop it"
        ),
        "wide": "sums accumulate in int64, uint64 or float64, whatever is stored",
        "sum_f8": "sum_f8 accumulates in float64 from the first element on",
        "moments": (
            "m2 is the sum of squared deviations from the mean: taken as the sum of "
            "squares less n times the mean squared, or in float32, it loses its digits"
        ),
        "exact": (
            "the extremes of 8-byte integers do not survive a trip through float64"
        ),
        "infinite": (
            "start from the first element or from an infinity, not from the greatest "
            "finite number"
        ),
    }
)
"""By theme."""
