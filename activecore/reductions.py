"""The reductions: one row each, saying what a chunk is asked and how the answer ends.

A reduction asks every chunk for one *operation* (``operations.py`` says how that is
computed and merged), unpacks what the merged partials hold, and finishes: a mean is a
sum over a count. Packing (``scale_factor``, ``add_offset``) is linear, so it is applied
here, to a few numbers, and never to the chunks:

- sum: s * sum + o * n
- minimum and maximum: unpacked as elements are, swapped when s < 0
- second moment: s * s * m2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedReduction, did_you_mean
from activecore.model import Packing
from activecore.operations import Values

__all__ = ["REDUCTION", "Reduction", "Stored", "reduction_of", "unpack_values"]

Array: TypeAlias = NDArray[Any]
Finished: TypeAlias = tuple[Array, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a row may know of the elements when it chooses its operation."""

    dtype: np.dtype[Any]
    """Stored dtype."""
    elements: int
    """How many elements the whole reduction may add up."""
    packing: Packing | None = None
    """How they are unpacked."""
    is_float: bool = False
    """Whether a sum is wanted as a float: it is weighted, or so is its dtype."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """One row of the table."""

    name: str
    """What users call it."""
    operation: Callable[[Stored], str]
    """Which operation answers it."""
    components: tuple[str, ...]
    """What the operation's unpacked values are called, besides the count ``n``."""
    finish: Callable[[Values, Array, float], Finished]
    """Unpacked values, count, ddof -> the answer, and where it is not masked."""
    doc: str
    """One sentence for help texts."""
    of_unpacked: bool = False
    """Whether packing must be undone before the operation: it is not linear."""
    weighted: bool = False
    """Whether weights make sense for it."""
    cell_method: str | None = None
    """The CF ``cell_methods`` word; None: CF has none."""


def _fixed(operation: str) -> Callable[[Stored], str]:
    return lambda _: operation


def _exact_sum(stored: Stored) -> str:
    """Sum integers as integers where they cannot wrap, otherwise in float64."""
    if stored.dtype.kind not in "iu":
        return "sum"
    bits = 8 * stored.dtype.itemsize
    fits = bits + max(stored.elements, 1).bit_length() <= 63  # noqa: PLR2004 - int64
    return "sum" if fits else "sum_f8"


def _plain_sum(stored: Stored) -> str:
    """Sum as NumPy does, but a sum that ends as a float need not wrap."""
    wraps = stored.packing is None and not stored.is_float
    return "sum" if wraps else _exact_sum(stored)


def _extreme(ordinary: str, swapped: str) -> Callable[[Stored], str]:
    def choose(stored: Stored) -> str:
        packing = stored.packing
        return swapped if packing is not None and packing.scale < 0 else ordinary

    return choose


def _some(count: Array) -> NDArray[np.bool_]:
    return np.asarray(count > 0)


def _finish_count(_: Values, count: Array, __: float) -> Finished:
    return count, np.ones(count.shape, dtype=np.bool_)


def _finish_first(values: Values, count: Array, _: float) -> Finished:
    return values[0], _some(count)


def _finish_mean(values: Values, count: Array, _: float) -> Finished:
    # With weights there is a second value, their sum over what is not missing.
    total, *weights = values
    divisor = weights[0] if weights else count
    valid = _some(count) & (divisor != 0)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(total / np.where(valid, divisor, 1)), valid


def _finish_var(values: Values, count: Array, ddof: float) -> Finished:
    valid = np.asarray((count > ddof) & (count > 0))
    return np.asarray(values[1] / np.where(valid, count - ddof, 1)), valid


def _finish_std(values: Values, count: Array, ddof: float) -> Finished:
    var, valid = _finish_var(values, count, ddof)
    return np.sqrt(var), valid


def _finish_ptp(values: Values, count: Array, _: float) -> Finished:
    low, high = values
    if low.dtype.kind in "iub":
        # The range of an integer type does not fit the type itself.
        wide = np.dtype("u8" if low.dtype.itemsize == 8 else "i8")  # noqa: PLR2004
        low, high = low.astype(wide), high.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(high - low), _some(count)


def _finish_any(values: Values, count: Array, _: float) -> Finished:
    return values[0] > 0, _some(count)


def _finish_all(values: Values, count: Array, _: float) -> Finished:
    return values[0] == count, _some(count)


_ROWS = (
    Reduction(
        "all", _fixed("nonzero"), ("nonzero",), _finish_all,
        "Whether every element is true (not zero).", of_unpacked=True,
    ),
    Reduction(
        "any", _fixed("nonzero"), ("nonzero",), _finish_any,
        "Whether any element is true (not zero).", of_unpacked=True,
    ),
    Reduction(
        "count", _fixed("count"), (), _finish_count,
        "How many elements are not missing.",
    ),
    Reduction(
        "max", _extreme("max", "min"), ("max",), _finish_first,
        "The greatest element.", cell_method="maximum",
    ),
    Reduction(
        "mean", _exact_sum, ("sum",), _finish_mean,
        "The arithmetic mean, weighted if weights are given.",
        weighted=True, cell_method="mean",
    ),
    Reduction(
        "min", _extreme("min", "max"), ("min",), _finish_first,
        "The least element.", cell_method="minimum",
    ),
    Reduction(
        "ptp", _fixed("extrema"), ("min", "max"), _finish_ptp,
        "The greatest element less the least.", cell_method="range",
    ),
    Reduction(
        "std", _fixed("moments"), ("mean", "m2"), _finish_std,
        "The standard deviation, with n - ddof in the denominator.",
        cell_method="standard_deviation",
    ),
    Reduction(
        "sum", _plain_sum, ("sum",), _finish_first,
        "The sum, weighted if weights are given.", weighted=True, cell_method="sum",
    ),
    Reduction(
        "var", _fixed("moments"), ("mean", "m2"), _finish_var,
        "The variance, with n - ddof in the denominator.", cell_method="variance",
    ),
)  # fmt: skip

REDUCTION: Mapping[str, Reduction] = MappingProxyType({row.name: row for row in _ROWS})
"""The table, by name."""


def reduction_of(name: str) -> Reduction:
    """Find a row.

    Raises
    ------
    UnsupportedReduction
        There is none of this name; says which there are.
    """
    row = REDUCTION.get(name) if isinstance(name, str) else None
    if row is None:
        hint = did_you_mean(str(name), REDUCTION) or f" (known: {', '.join(REDUCTION)})"
        raise UnsupportedReduction(f"there is no reduction {name!r}{hint}")
    return row


def unpack_values(
    operation: str, values: Values, count: Array, packing: Packing
) -> Values:
    """Unpack an operation's merged values.

    Sums come out in float64 where unpacked elements are floats and in the values' own
    integer dtype otherwise; extremes as unpacked elements do.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _UNPACK[operation](values, count, packing)


def _unpack_sums(values: Values, count: Array, packing: Packing) -> Values:
    total, *weights = values
    behind = weights[0] if weights else count
    if packing.dtype.kind == "f":
        unpacked = packing.scale * total.astype("f8") + packing.offset * behind
    else:
        # A sum of unsigned elements is signed once unpacked with a negative number.
        if total.dtype.kind != "f":
            total = total.astype("u8" if packing.dtype.kind == "u" else "i8")
        unpacked = int(packing.scale) * total + int(packing.offset) * behind
    return (unpacked, *weights)


def _unpack_elements(values: Values, _: Array, packing: Packing) -> Values:
    return tuple(packing.unpack(value) for value in values)


def _unpack_extrema(values: Values, _: Array, packing: Packing) -> Values:
    ordered = values if packing.scale >= 0 else values[::-1]
    return tuple(packing.unpack(value) for value in ordered)


def _unpack_moments(values: Values, _: Array, packing: Packing) -> Values:
    mean, m2 = values
    return packing.scale * mean + packing.offset, packing.scale**2 * m2


def _unpack_nothing(values: Values, _: Array, __: Packing) -> Values:
    return values


_UNPACK: Mapping[str, Callable[[Values, Array, Packing], Values]] = {
    "count": _unpack_nothing,
    "sum": _unpack_sums,
    "sum_f8": _unpack_sums,
    "min": _unpack_elements,
    "max": _unpack_elements,
    "extrema": _unpack_extrema,
    "moments": _unpack_moments,
    "nonzero": _unpack_nothing,
    "select": _unpack_elements,
}
