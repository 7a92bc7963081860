"""Arguments of the wrong kind altogether: one line that names them, not a TypeError."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from activecore.errors import ConfigError

__all__ = ["a_dtype", "a_mapping", "a_number", "a_text", "names", "positive"]


def _wrong(what: str, wanted: str, given: object) -> ConfigError:
    # The kind and not the value, which may be a secret in the wrong place.
    return ConfigError(f"{what} must be {wanted}, not {type(given).__name__}")


def a_text(what: str, given: object) -> str | None:
    """Give a text, or None where nothing was said.

    Raises
    ------
    ConfigError
        It is neither, here as in the functions below.
    """
    if given is not None and not isinstance(given, str):
        raise _wrong(what, "text", given)
    return given


def names(what: str, given: object) -> list[str] | None:
    """Give a list of names: from a text with commas, or several texts."""
    if given is None:
        return None
    if isinstance(given, str):
        return [name.strip() for name in given.split(",")]
    if isinstance(given, (bytes, Mapping)) or not isinstance(given, Iterable):
        raise _wrong(what, "a name, or several", given)
    found = list(given)
    for name in found:
        if not isinstance(name, str):
            raise _wrong(what, "a name, or several", name)
    return found


def a_mapping(what: str, given: object) -> dict[str, Any]:
    """Give a copy of a mapping, empty where nothing was said."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _wrong(what, "a mapping", given)
    return dict(given)


def positive(what: str, given: object) -> int:
    """Give a whole number from 1 up."""
    if not isinstance(given, bool) and isinstance(given, (int, np.integer)):
        number = operator.index(given)
        if number >= 1:
            return number
    raise ConfigError(f"{what} must be a number from 1 up, not {given!r}")


def a_number(what: str, given: object) -> float:
    """Give a finite number."""
    if not isinstance(given, (int, float, np.integer, np.floating)) or isinstance(
        given, bool
    ):
        raise _wrong(what, "a number", given)
    if not np.isfinite(given):
        raise ConfigError(f"{what} must be finite, not {given}")
    return float(given)


def a_dtype(what: str, given: DTypeLike) -> np.dtype[Any]:
    """Give a dtype."""
    try:
        return np.dtype(given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: there is no dtype {given!r}") from error
