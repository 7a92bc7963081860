"""Copying arrays that activecore can read into a database, chunk by chunk."""

from __future__ import annotations

import itertools
import json
import math
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import activecore as ac
from activecore_sqlite.database import SCHEMA

__all__ = ["ingest"]

_MOST_ELEMENTS = 1 << 18
_STORAGE = {
    "scale_factor", "add_offset", "_FillValue", "missing_value", "valid_min",
    "valid_max", "valid_range", "_Unsigned", "DIMENSION_LIST", "REFERENCE_LIST",
    "CLASS", "NAME",
}  # fmt: skip
"""Attributes about how values were stored where they come from."""


def ingest(
    url: str, target: Path, names: Sequence[str] = (), *, backend: str | None = None
) -> list[str]:
    """Copy variables into a new database.

    Parameters
    ----------
    url
        Whatever ``activecore.open`` opens.
    target
        The database; it must not be there. Written aside and renamed.
    names
        The variables; none named: all that hold numbers.

    Returns
    -------
    list of str
        The variables that were copied.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    copied = []
    try:
        with (
            closing(sqlite3.connect(aside)) as connection,
            ac.open(url, backend=backend) as dataset,
        ):
            connection.executescript(SCHEMA)
            numbers = [
                name
                for name, variable in dataset.variables.items()
                if variable.dtype.kind in "biuf"
            ]
            for name in names or numbers:
                _copy(connection, name, dataset[name])
                copied.append(name)
            connection.commit()
        aside.rename(target)
    finally:
        aside.unlink(missing_ok=True)
    return copied


def _copy(connection: sqlite3.Connection, name: str, array: ac.ActiveArray) -> None:
    dtype = np.dtype(array.dtype).newbyteorder("=")
    chunks = _chunks(array)
    fill = _fill(array, dtype)
    has_missing = False
    for coords, where, pad in _grid(array.shape, chunks):
        part = np.ma.asarray(array[where].read())
        mask = np.ma.getmaskarray(part)
        has_missing |= bool(mask.any())
        values = np.full(chunks, fill, dtype=dtype)
        values[pad] = part.filled(fill)
        blob = zlib.compress(np.ascontiguousarray(values).tobytes(), 4)
        label = f"{name}/{'.'.join(map(str, coords))}"
        connection.execute("INSERT INTO objects VALUES (?, ?)", (label, blob))
    attrs = {k: v for k, v in array.attrs.items() if k not in _STORAGE}
    description = {
        "shape": array.shape,
        "dims": array.dims,
        "dtype": dtype.str,
        "chunks": chunks,
        "fill": np.asarray(fill).item() if has_missing else None,
        "attrs": json.loads(json.dumps(attrs, default=_as_json)),
    }
    text = json.dumps(description)
    connection.execute("INSERT INTO variables VALUES (?, ?)", (name, text))


def _chunks(array: ac.ActiveArray) -> tuple[int, ...]:
    """Keep the chunks of the source, or cut what has none along the first axis."""
    if array.chunks is not None:
        return tuple(array.chunks)
    if array.shape == ():
        return ()
    behind = math.prod(array.shape[1:])
    rows = max(1, min(array.shape[0], _MOST_ELEMENTS // max(1, behind)))
    return (rows, *(max(1, n) for n in array.shape[1:]))


def _fill(array: ac.ActiveArray, dtype: np.dtype[Any]) -> Any:
    """Find a number that the array does not hold, for what is missing."""
    if dtype.kind == "b":
        return np.False_
    if dtype.kind == "f":
        candidates = [float(np.finfo(dtype).max), float(np.finfo(dtype).min)]
    else:
        limits = np.iinfo(dtype)
        candidates = [limits.min, limits.max, *range(100)]
    if array.count() == 0:
        return dtype.type(candidates[0])
    low, high = array.min(skipna=True), array.max(skipna=True)
    for candidate in candidates:
        if not low <= candidate <= high:
            return dtype.type(candidate)
    raise ValueError(f"{array.name} holds every number of {dtype}: none means missing")


def _grid(
    shape: tuple[int, ...], chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    counts = [math.ceil(n / c) for n, c in zip(shape, chunks, strict=True)]
    for coords in itertools.product(*map(range, counts)):
        bounds = [
            (k * c, min(n, (k + 1) * c))
            for k, n, c in zip(coords, shape, chunks, strict=True)
        ]
        where = tuple(slice(first, last) for first, last in bounds)
        pad = tuple(slice(last - first) for first, last in bounds)
        yield coords, where, pad


def _as_json(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)
