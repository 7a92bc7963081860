"""An answer as rows: one per element, its coordinates first."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from activecore.output.answer import Answer, Coordinate, Masked, Role
from activecore.output.times import date_words, decode_dates

__all__ = ["Column", "coordinate_columns", "number_words", "write_csv"]

Column: TypeAlias = tuple[str, Callable[[tuple[int, ...]], str]]
"""A heading, and what a row (numbered along each dimension) holds under it."""


def number_words(value: Any) -> str:
    """Write one number exactly, in as few digits as identify it; masked is empty."""
    if value is np.ma.masked:
        return ""
    number = np.asarray(value)
    if number.dtype.kind == "f":
        return repr(float(number)) if number.dtype.itemsize == 8 else str(number[()])  # noqa: PLR2004 - float64
    return str(number[()]).lower() if number.dtype.kind == "b" else str(number[()])


def heading(name: str, units: str | None) -> str:
    """Give the heading of a column: ``"tas (K)"``."""
    return name if units is None or units == "" else f"{name} ({units})"


def coordinate_columns(answer: Answer) -> Iterator[Column]:
    """Give the columns that say which element a row is about.

    A dimension without a coordinate variable is numbered from 0. Dates are written as
    dates where they can be decoded.
    """
    for dim in answer.dims:
        coordinate = answer.coordinate_of(dim)
        if coordinate is None:
            place = answer.dims.index(dim)
            yield dim, lambda row, place=place: str(row[place])  # type: ignore[misc] # a default binds this turn's
        else:
            yield _column(coordinate, answer.dims)
    for coordinate in answer.coordinates:
        own = coordinate.dims == (coordinate.name,)
        if not own and coordinate.role is not Role.REDUCED:
            yield _column(coordinate, answer.dims)


def _column(coordinate: Coordinate, dims: tuple[str, ...]) -> Column:
    places = tuple(dims.index(dim) for dim in coordinate.dims)
    dates = decode_dates(coordinate.values, coordinate.attrs)
    flags = _flags(coordinate)
    if dates is None and flags is not None:
        words: Any = flags
        title = coordinate.name
    elif dates is None:
        words = coordinate.values
        title = heading(coordinate.name, coordinate.units)
    else:
        words = np.array(date_words(dates), dtype=object).reshape(dates.shape)
        title = coordinate.name

    def cell(row: tuple[int, ...]) -> str:
        value = words[tuple(row[place] for place in places)]
        return value if isinstance(value, str) else number_words(value)

    return title, cell


def _flags(coordinate: Coordinate) -> Any:
    """Give the words that a coordinate's numbers stand for (CF 3.5); None: for none."""
    meanings = str(coordinate.attrs.get("flag_meanings", "")).split()
    numbers = np.ravel(coordinate.attrs.get("flag_values", []))
    if len(meanings) == 0 or len(meanings) != len(numbers):
        return None
    word_of = dict(zip(numbers.tolist(), meanings, strict=True))
    found = [word_of.get(number) for number in coordinate.values.ravel().tolist()]
    if None in found:
        return None
    return np.array(found, dtype=object).reshape(coordinate.values.shape)


def _values(values: Masked) -> Callable[[tuple[int, ...]], str]:
    return lambda row: number_words(values[row])


def write_csv(answer: Answer, path: Path) -> None:
    """Write comma-separated values: a line of headings with units, then the rows.

    Missing values are empty; NaN is ``nan``. Numbers are exact.
    """
    columns = [*coordinate_columns(answer)]
    columns += [
        (heading(field.name, field.units), _values(field.values))
        for field in answer.fields
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([title for title, _ in columns])
        for row in np.ndindex(answer.shape):
            writer.writerow([cell(row) for _, cell in columns])
