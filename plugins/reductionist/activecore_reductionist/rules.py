"""Missing rules as the server takes them: one at a time, of finite numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore import BackendRefused, Missing
from activecore_reductionist.decimals import exact_text

__all__ = ["Rule", "rule_of"]


@dataclass(frozen=True, slots=True)
class Rule:
    """The one missing rule of a request."""

    kind: str
    """The server's name of it: ``missing_value``, ``valid_range``, …"""
    numbers: tuple[str, ...]
    """Its numbers, written so that the server reads them exactly."""

    @property
    def json(self) -> str:
        """The value of the request's key ``missing``."""
        numbers = ",".join(self.numbers)
        if self.kind in ("missing_values", "valid_range"):
            numbers = f"[{numbers}]"
        return f'{{"{self.kind}":{numbers}}}'


def rule_of(missing: Missing, dtype: np.dtype[Any]) -> Rule | None:
    """Bring all of a layout's missing rules into one, where one says the same.

    A fill value that lies outside the valid range says nothing that the range does not,
    nor does a bound that everything keeps.

    Parameters
    ----------
    missing
        The rules, in the stored dtype.
    dtype
        The stored dtype.

    Returns
    -------
    Rule or None
        None: nothing is missing.

    Raises
    ------
    BackendRefused
        No single rule of the server's says the same.
    """
    low = _bound(missing.valid_min, dtype, least=True)
    high = _bound(missing.valid_max, dtype, least=False)
    values = [
        value
        for value in dict.fromkeys(_plain(value) for value in missing.values)
        if (low is None or not value < low) and (high is None or not value > high)
    ]
    if any(math.isnan(value) for value in values):
        raise BackendRefused("NaN is missing here, and the server cannot be told so")
    if values and (low is not None or high is not None):
        raise BackendRefused(
            "the server takes one missing rule at a time, not missing values and a "
            "valid range that holds some of them"
        )
    if low is not None and high is not None:
        if not low < high:
            raise BackendRefused("the server takes no valid range of a single value")
        return _rule("valid_range", (low, high), dtype)
    if low is not None:
        return _rule("valid_min", (low,), dtype)
    if high is not None:
        return _rule("valid_max", (high,), dtype)
    if not values:
        return None
    kind = "missing_value" if len(values) == 1 else "missing_values"
    return _rule(kind, tuple(values), dtype)


def _plain(value: Any) -> int | float:
    number: int | float = np.asarray(value).item()
    return number


def _bound(value: Any, dtype: np.dtype[Any], *, least: bool) -> int | float | None:
    """Give a bound as a plain number; None: there is none, or all keep it."""
    if value is None:
        return None
    bound = _plain(value)
    if dtype.kind == "f":
        holds = math.isnan(bound) or bound == (-math.inf if least else math.inf)
    else:
        limits = np.iinfo(dtype)
        holds = bound <= limits.min if least else bound >= limits.max
    return None if holds else bound


def _rule(kind: str, values: tuple[int | float, ...], dtype: np.dtype[Any]) -> Rule:
    numbers = tuple(exact_text(value, dtype) for value in values)
    exact = tuple(number for number in numbers if number is not None)
    if len(exact) < len(values):
        value = values[numbers.index(None)]
        raise BackendRefused(f"the server cannot be told the missing value {value!r}")
    return Rule(kind, exact)
