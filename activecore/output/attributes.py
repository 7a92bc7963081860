"""Which attributes are right for the answer of a reduction (CF conventions)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from activecore.reductions import Reduction

__all__ = [
    "NOT_FOR_ANSWERS",
    "answer_attributes",
    "global_attributes",
    "portable_attributes",
    "squared",
]

_STORAGE = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_ARRAY_DIMENSIONS",
        "_ChunkSizes",
        "_FillValue",
        "_Unsigned",
        "add_offset",
        "missing_value",
        "scale_factor",
        "valid_max",
        "valid_min",
        "valid_range",
    }
)
"""What describes stored numbers; answers are unpacked and have rules of their own."""

_DANGLING = frozenset({"ancillary_variables", "cell_measures", "formula_terms"})
"""What names variables that are not written beside the answer."""

NOT_FOR_ANSWERS = _STORAGE | _DANGLING | {"actual_range", "bounds", "climatology"}
"""Attributes that no variable of an answer inherits."""

_OF_THE_FILE = frozenset(
    {"Conventions", "history", "title", "nco_openmp_thread_number", "_NCProperties"}
)
"""What is written anew, or describes how the source was made and not what it is."""

_FLAGS = frozenset({"flag_masks", "flag_meanings", "flag_values"})
_OF_THE_QUANTITY = frozenset(
    {"calendar", "cell_methods", "long_name", "standard_name", "units"}
)
_METHOD_OF_COMPONENT = {
    "sum": "sum",
    "mean": "mean",
    "min": "minimum",
    "max": "maximum",
}
_SPREADS = frozenset({"m2", "ptp", "std", "var"})
"""Reductions that measure differences: an origin of the units does not matter."""
_PRODUCT = re.compile(r"[A-Za-z]+(?:\^?-?\d+)?(?:[ .][A-Za-z]+(?:\^?-?\d+)?)*")
_FACTOR = re.compile(r"([A-Za-z]+)\^?(-?\d+)?")
_CELSIUS = frozenset(
    {"celsius", "deg_c", "degc", "degree_c", "degree_celsius", "degrees_c"}
    | {"degrees_celsius", "°c"}
)


def portable_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the attributes of a variable that stay right when it is read and written."""
    return {
        name: value
        for name, value in attrs.items()
        if name not in NOT_FOR_ANSWERS and not name.startswith("_Netcdf4")
    }


def global_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the attributes of a source that what is made of it keeps."""
    return {
        name: value
        for name, value in attrs.items()
        if name not in _OF_THE_FILE and not name.startswith("_")
    }


def squared(units: str) -> str:
    """Square units: ``"m s-1"`` becomes ``"m2 s-2"``.

    Differences of Celsius temperatures are kelvins, so their squares are ``"K2"``.
    """
    if units in ("", "1"):
        return units
    if units.casefold() in _CELSIUS:
        return "K2"
    if _PRODUCT.fullmatch(units):
        return " ".join(
            f"{unit}{2 * int(power or 1)}" for unit, power in _FACTOR.findall(units)
        )
    return f"({units})2"


def _units(kind: str, units: str, weight_units: Iterable[str]) -> str:
    """Give the units of an answer; a difference of two dates is in days."""
    if kind in _SPREADS:
        units = units.partition(" since ")[0]
    if kind in ("m2", "var"):
        return squared(units)
    extra = [more for more in weight_units if more not in ("", "1")]
    return " ".join([units, *extra]) if kind == "sum" else units


def answer_attributes(
    attrs: Mapping[str, Any],
    row: Reduction,
    over: Sequence[str],
    *,
    component: str | None = None,
    weights: Mapping[str, str] | None = None,
    weight_units: Iterable[str] = (),
    groups: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """Adjust a variable's attributes to what a reduction made of it.

    Parameters
    ----------
    attrs
        The variable's attributes.
    row
        The reduction.
    over
        Names of the dimensions that were reduced.
    component
        Which part of the answer (``"sum"``, ``"n"``, …); None: the answer itself.
    weights
        Weighted dimensions and the words for their weights.
    weight_units
        Units of the weights, where they have any; a weighted sum is multiplied by them.
    groups
        Writes the entry of ``cell_methods`` for a grouped dimension, given the method.

    Returns
    -------
    dict
        Without what described the storage; ``units`` of the answer, ``standard_name``
        where it still is that quantity, and CF ``cell_methods`` with one entry more.
    """
    kind = row.name if component is None else component
    found = portable_attributes(attrs)
    if row.name not in ("max", "min"):
        found = {key: value for key, value in found.items() if key not in _FLAGS}
    if kind in _ABOUT:
        return _about(found, *_ABOUT[kind])
    if "units" in attrs:
        found["units"] = _units(kind, str(attrs["units"]).strip(), weight_units)
    if kind in _SPREADS:
        found.pop("calendar", None)
    method = row.cell_method if component is None else _METHOD_OF_COMPONENT.get(kind)
    if kind == "m2":
        found |= _about(found, "sum of squared deviations of {}", found.get("units"))
    if method is not None:
        entries = [str(found.get("cell_methods", ""))]
        entries += [_cell_method(over, method, weights)] if len(over) > 0 else []
        entries += [] if groups is None else [groups(method)]
        methods = " ".join(entries).strip()
        if methods:
            found["cell_methods"] = methods
    return found


def _cell_method(
    over: Sequence[str], method: str, weights: Mapping[str, str] | None
) -> str:
    """Write one entry of ``cell_methods``: ``"lat: lon: mean"`` (CF 7.3)."""
    entry = f"{': '.join(over)}: {method}"
    words = [] if weights is None else [word for word in weights.values() if word]
    return f"{entry} (weighted by {' and '.join(words)})" if words else entry


_ABOUT: Mapping[str, tuple[str, str | None]] = {
    "count": ("number of values of {}", "1"),
    "n": ("number of values of {}", "1"),
    "weight": ("sum of the weights of {}", "1"),
    "nonzero": ("number of values of {} that are not zero", "1"),
    "any": ("whether any value of {} is not zero", None),
    "all": ("whether every value of {} is not zero", None),
}
"""Answers that are no longer of the variable's quantity: words and units."""


def _about(attrs: Mapping[str, Any], what: str, units: str | None) -> dict[str, Any]:
    """Describe a number that is not of the variable's own quantity."""
    words = attrs.get("long_name", attrs.get("standard_name", ""))
    name = str(words).replace("_", " ").strip()
    found = {key: value for key, value in attrs.items() if key not in _OF_THE_QUANTITY}
    found["long_name"] = what.format(name) if name else what.replace(" of {}", "")
    if units is not None:
        found["units"] = units
    if what == _ABOUT["count"][0]:
        found["standard_name"] = "number_of_observations"
    return found
