"""Words for what an answer is about: titles, ranges, places on the globe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from activecore.output.answer import Answer, Coordinate, Reduced, Role
from activecore.output.clean import clean
from activecore.output.longitudes import CIRCLE
from activecore.output.times import date_words, decode_dates

__all__ = [
    "coordinate_words",
    "degrees_words",
    "elements_words",
    "is_latitude",
    "is_longitude",
    "over_words",
    "quantity_words",
    "range_words",
    "short_number",
    "units_words",
    "where_words",
]

_PRODUCT = re.compile(r"[A-Za-z]+(-?\d)?( [A-Za-z]+(-?\d)?)*")
_POWER = re.compile(r"(?<=[A-Za-z])-?\d")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NORTH = frozenset(
    {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
)
_EAST = frozenset(
    {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
)
_CELSIUS = frozenset(
    {"celsius", "deg c", "degc", "degree c", "degrees c", "degree celsius"}
    | {"degrees celsius"}
)
_POLE = 90.0
_NOTHING_REDUCED = "every element, nothing reduced"
_DAYS_WITH_HOURS = 7


def _units(attrs: Mapping[str, Any]) -> str:
    return clean(attrs.get("units", "")).strip()


def _is_horizontal(
    name: str,
    attrs: Mapping[str, Any],
    units: frozenset[str],
    standard_name: str,
    names: tuple[str, str],
) -> bool:
    given = attrs.get("standard_name")
    if given is not None:
        return bool(given == standard_name)
    if _units(attrs).casefold() in units:
        return True
    plain = _units(attrs).casefold() in ("", "degree", "degrees")
    return plain and name.casefold() in names


def is_latitude(name: str, attrs: Mapping[str, Any]) -> bool:
    """Tell whether a coordinate is the true latitude, in degrees (CF 4.1)."""
    return _is_horizontal(name, attrs, _NORTH, "latitude", ("lat", "latitude"))


def is_longitude(name: str, attrs: Mapping[str, Any]) -> bool:
    """Tell whether a coordinate is the true longitude, in degrees (CF 4.2)."""
    return _is_horizontal(name, attrs, _EAST, "longitude", ("lon", "longitude"))


def short_number(value: Any) -> str:
    """Write a number for people: six digits, no needless zeros."""
    return f"{float(value):.6g}"


def degrees_words(value: float, *, north: bool) -> str:
    """Write a latitude or longitude: ``"15°N"``, ``"42.75°W"``, ``"0°"``."""
    if not north:
        value = (value + CIRCLE / 2) % CIRCLE - CIRCLE / 2
    size = short_number(round(abs(value), 2))
    if size in ("0", "180"):
        return f"{size}°"
    letters = "SN" if north else "WE"
    return f"{size}°{letters[int(value > 0)]}"


def quantity_words(attrs: Mapping[str, Any], name: str) -> str:
    """Say what a variable is, in the words of its attributes."""
    for key in ("long_name", "standard_name"):
        words = attrs.get(key)
        if isinstance(words, str) and words.strip():
            return " ".join(clean(words.replace("_", " ")).split())
    return clean(name)


def coordinate_words(coordinate: Coordinate) -> str:
    """Write the value of a coordinate that has only one: ``"1.5 m"``."""
    return _value_words(coordinate.values.ravel()[0], coordinate.name, coordinate.attrs)


def _value_words(value: Any, name: str, attrs: Mapping[str, Any]) -> str:
    if value is None or value is np.ma.masked:
        return "missing"
    dates = decode_dates([value], attrs)
    if dates is not None:
        return date_words(dates)[0]
    for north, is_it in ((True, is_latitude), (False, is_longitude)):
        if is_it(name, attrs):
            return degrees_words(float(value), north=north)
    units = _units(attrs)
    return (
        short_number(value) if units in ("", "1") else f"{short_number(value)} {units}"
    )


def _all_words(reduced: Reduced, low: float, high: float) -> str | None:
    """Say that all latitudes or longitudes were reduced, where that is so."""
    if reduced.length == 1:
        return None
    spacing = (high - low) / (reduced.length - 1)
    if is_longitude(reduced.dim, reduced.attrs):
        closed = high - low + spacing >= CIRCLE * (1 - 1e-6)
        return "all longitudes" if closed and spacing <= CIRCLE / 3 else None
    if is_latitude(reduced.dim, reduced.attrs):
        whole = low - spacing < -_POLE and high + spacing > _POLE
        return "all latitudes" if whole and spacing <= _POLE / 2 else None
    return None


def range_words(reduced: Reduced) -> str | None:
    """Say from where to where a dimension was reduced; None where it is not known."""
    low, high = reduced.low, reduced.high
    bare = reduced.length == 1 and _units(reduced.attrs) == ""
    if low is None or high is None or bare:  # one bare number says nothing
        return None
    if (all_of_it := _all_words(reduced, low, high)) is not None:
        return all_of_it
    dates = decode_dates([low, high], reduced.attrs)
    if dates is not None and (dates[1] - dates[0]).days > _DAYS_WITH_HOURS:
        # The time of the day says nothing about a range of many days.
        dates = np.array([d.replace(hour=0, minute=0, second=0) for d in dates])
        return " to ".join(date_words(dates))
    ends = [_value_words(end, reduced.dim, reduced.attrs) for end in (low, high)]
    if ends[0] == ends[1]:
        return ends[0]
    units = _units(reduced.attrs)
    if ends[0].endswith(f" {units}"):
        ends[0] = ends[0].removesuffix(f" {units}")
    return " to ".join(ends)


def over_words(answer: Answer) -> str:
    """Say what was asked: ``"mean over time (1860-06-01 to 2099-06-01)"``."""
    grouped = f", by {answer.by}" if answer.by else ""
    if len(answer.reduced) == 0:
        return f"{answer.reduction}{grouped}" if grouped else _NOTHING_REDUCED
    parts = []
    for reduced in answer.reduced:
        words = range_words(reduced)
        if words is not None and words.startswith("all "):
            parts.append(words)
        else:
            parts.append(f"{reduced.dim} ({words or elements_words(reduced)})")
    weighted = [words for words in answer.weights.values() if words]
    by = f", weighted by {_listed(weighted)}" if weighted else ""
    return f"{answer.reduction} over {_listed(parts)}{by}{grouped}"


def elements_words(reduced: Reduced) -> str:
    """Say how many elements were reduced: ``"1 element"``."""
    return f"{reduced.length} element{'' if reduced.length == 1 else 's'}"


def units_words(units: str | None) -> str | None:
    """Write units for people, ``"m s⁻¹"``; None where there is nothing to say."""
    if units is None or units.strip() in ("", "1"):
        return None
    words = clean(units.replace("_", " ")).strip()
    if words.casefold() in _CELSIUS:
        return "°C"
    if _PRODUCT.fullmatch(words) is None:
        return words
    return _POWER.sub(lambda power: power[0].translate(_RAISED), words)


def where_words(answer: Answer) -> str:
    """Say at which single elements: ``"time 2000-01-16, height 2 m"``, or nothing."""
    return ", ".join(
        f"{coordinate.name.replace('_', ' ')} {coordinate_words(coordinate)}"
        for coordinate in answer.coordinates
        if coordinate.role is Role.FIXED and coordinate.values.size == 1
    )


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
