"""How a number is written so that the server reads exactly that number.

The server's JSON parser multiplies the digits by a power of ten in float64, which
rounds twice: netCDF's fill value for doubles, written in the usual way, arrives as the
float64 beside it, and then nothing equals it. Of the many decimals that mean one
float64, this module finds one that such a parser and an exact one read alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

__all__ = ["exact_text"]

_LARGEST = (1 << 64) - 1
"""The largest number that the parser collects digits in."""

_EXACT = 1 << 53
"""Whole numbers below this one are float64 without rounding."""

_FARTHEST = 308
"""The largest power of ten that a float64 holds."""

_TRIES = 400
"""Decimals that are tried for each number of digits, around the number itself."""


def exact_text(value: Any, dtype: np.dtype[Any]) -> str | None:
    """Write a number as JSON.

    Parameters
    ----------
    value
        A number that ``dtype`` holds.
    dtype
        The dtype of the elements that it is compared with.

    Returns
    -------
    str or None
        None where no decimal is read as that number: NaN, infinities, and about one
        float64 in five hundred; no fill value in common use is among them.
    """
    if dtype.kind != "f":
        return str(int(value))
    wanted = float(value)
    if not math.isfinite(wanted):
        return None
    if wanted.is_integer() and abs(wanted) < _EXACT:
        return str(int(wanted))  # read as an integer first, which does not round
    sign = "-" if wanted < 0 else ""
    for digits, exponent in _candidates(abs(wanted)):
        text = f"{digits}e{exponent}"
        readings = (float(text), _as_the_server_reads(digits, exponent))
        if all(_same(reading, abs(wanted), dtype) for reading in readings):
            return sign + text
    return None


def _same(read: float, wanted: float, dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):
        return bool(dtype.type(read) == dtype.type(wanted))


def _candidates(value: float) -> Iterator[tuple[int, int]]:
    """Give digits and exponents of decimals at the value and close to it.

    The shortest that means the value comes first: it is what people read in logs.
    """
    shortest = Decimal(repr(value)).as_tuple()
    yield int("".join(map(str, shortest.digits))), int(shortest.exponent)
    with localcontext() as context:
        context.prec = 800  # a float64 has up to 767 digits
        whole = Decimal(value)
        for length in (17, 18, 19, 20, 16):
            exponent = whole.adjusted() - length + 1
            middle = int(whole.scaleb(-exponent).to_integral_value())
            for step in range(_TRIES):
                near = middle + (step + 1) // 2 * (1 if step % 2 == 1 else -1)
                if 0 < near <= _LARGEST:
                    yield near, exponent


def _as_the_server_reads(digits: int, exponent: int) -> float:
    """Do what serde_json 1.0 does without its feature ``float_roundtrip``."""
    number = float(digits)
    while exponent < -_FARTHEST:
        number /= float(f"1e{_FARTHEST}")
        exponent += _FARTHEST
    if exponent > _FARTHEST:
        return math.inf  # it refuses the request
    power = float(f"1e{abs(exponent)}")
    return number * power if exponent >= 0 else number / power
