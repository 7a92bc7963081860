"""Which axes a server may add up itself, given the arithmetic that it has.

It sums in the stored dtype, one element after another, axis by axis. Sums of 4-byte
integers wrap, and every addition of float32 may lose half a unit in the last place: the
error of a sum is at most ``ROUNDING`` times the sum of the reduced axes' lengths,
relative to the sum of the elements' absolute values. Sums of 8 bytes wrap and round as
NumPy's do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from activecore import BackendRefused, Missing

__all__ = ["ROUNDING", "axes_to_sum"]

ROUNDING = 2.0**-24
"""Half a unit in the last place of a float32, relative to it."""

_WORTH_IT = 4
"""Elements behind each value below which reading them costs about the same."""


def axes_to_sum(
    dtype: np.dtype[Any],
    missing: Missing,
    lengths: Sequence[int],
    axes: Iterable[int],
    float32_sum_bound: float,
) -> tuple[int, ...]:
    """Choose the axes that the server sums; the others are summed on arrival.

    Parameters
    ----------
    dtype
        Stored dtype.
    missing
        Missing rules: a valid range bounds integer elements.
    lengths
        Selected length of each dimension.
    axes
        The axes to be summed.
    float32_sum_bound
        Greatest relative error allowed of a sum of float32.

    Returns
    -------
    tuple of int
        Ascending: of the sets of axes that give right sums, the one that leaves the
        fewest values.

    Raises
    ------
    BackendRefused
        None gives right sums and leaves fewer values than there are elements.
    """
    wanted = tuple(axes)
    is_right, why = _test_of(dtype, missing, float32_sum_bound)
    sets = [
        chosen
        for size in range(len(wanted), 0, -1)
        for chosen in itertools.combinations(wanted, size)
        if is_right([lengths[a] for a in chosen])
    ]
    if wanted in sets:
        return wanted
    best = max(sets, key=lambda chosen: _behind(lengths, chosen), default=())
    if _behind(lengths, best) < _WORTH_IT:
        raise BackendRefused(why([lengths[a] for a in wanted]))
    return best


def _behind(lengths: Sequence[int], axes: Iterable[int]) -> int:
    return math.prod(lengths[a] for a in axes)


def _test_of(
    dtype: np.dtype[Any], missing: Missing, float32_sum_bound: float
) -> tuple[Callable[[list[int]], bool], Callable[[list[int]], str]]:
    """Give what says whether sums over axes of some lengths are right, and why not."""
    if dtype.itemsize > 4:  # noqa: PLR2004 - bytes
        return lambda _: True, lambda _: ""
    if dtype.kind == "f":

        def error(lengths: list[int]) -> float:
            return ROUNDING * sum(lengths)

        def why_imprecise(lengths: list[int]) -> str:
            return (
                f"the server sums float32 in float32, which may be wrong by "
                f"{error(lengths):.1e} here, more than the {float32_sum_bound:.1e} "
                "of float32_sum_bound"
            )

        return lambda lengths: error(lengths) <= float32_sum_bound, why_imprecise
    limits = np.iinfo(dtype)
    low, high = _range_of(missing, limits)

    def fits(lengths: list[int]) -> bool:
        most = math.prod(lengths)
        return limits.min <= most * low and most * high <= limits.max

    def why_wraps(lengths: list[int]) -> str:
        return (
            f"the server sums {dtype.name} in {dtype.name}, which may wrap for "
            f"{math.prod(lengths)} elements"
        )

    return fits, why_wraps


def _range_of(missing: Missing, limits: np.iinfo[Any]) -> tuple[int, int]:
    """Bound the elements that are not missing."""
    low, high = missing.valid_min, missing.valid_max
    return (
        limits.min if low is None else max(limits.min, int(low)),
        limits.max if high is None else min(limits.max, int(high)),
    )
