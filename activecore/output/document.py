"""An answer as a JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from activecore.output.answer import Answer, Coordinate, Field, Masked, Role
from activecore.output.times import date_words, decode_dates
from activecore.recording import Run

__all__ = ["as_document", "plain", "write_json"]


def plain(value: Any) -> Any:
    """Turn values into what JSON has.

    Missing becomes null; NaN and the infinities become ``"NaN"``, ``"Infinity"`` and
    ``"-Infinity"``, because JSON has no such numbers.
    """
    if value is np.ma.masked:
        return None
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, NoneType)) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _numbers(values: Masked) -> Any:
    """Give exact numbers: those of 4 bytes with as many digits as identify them."""
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:  # noqa: PLR2004 - float64
        short = [
            None if number is np.ma.masked else float(str(number))
            for number in values.ravel()
        ]
        listed: Any = np.array(short, dtype=object).reshape(values.shape).tolist()
        return plain(listed)
    return plain(values)


def _coordinate(coordinate: Coordinate) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dims": list(coordinate.dims),
        "values": _numbers(coordinate.values),
    }
    for name in ("units", "calendar", "standard_name"):
        if name in coordinate.attrs:
            found[name] = plain(coordinate.attrs[name])
    dates = decode_dates(coordinate.values, coordinate.attrs)
    if dates is not None:
        words = np.array(date_words(dates), dtype=object).reshape(dates.shape)
        found["dates"] = words.tolist()
    made = coordinate.role is Role.REDUCED or coordinate.recurs
    if made and coordinate.bounds is not None:
        found["climatology" if coordinate.recurs else "bounds"] = plain(
            coordinate.bounds
        )
    return found


def _values(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"dtype": str(field.values.dtype), "units": field.units}
    key = "value" if field.values.ndim == 0 else "values"
    return {**found, key: _numbers(field.values)}


def cost(run: Run) -> dict[str, Any]:
    """Give what a run cost, chunks answered without any backend under ``"none"``."""
    backends = {name or "none": number for name, number in run.backends.items()}
    return {
        "chunks": run.chunks,
        "requests": run.requests,
        "bytes_read": run.bytes_read,
        "bytes_received": run.bytes_received,
        "retries": run.retries,
        "fallbacks": run.fallbacks,
        "seconds": round(run.seconds, 6),
        "backends": backends,
    }


def as_document(answer: Answer) -> dict[str, Any]:
    """Give an answer as plain values, ready for ``json.dumps``."""
    document: dict[str, Any] = {
        "source": answer.source,
        "variable": answer.variable,
        "reduction": answer.reduction,
        "over": [reduced.dim for reduced in answer.reduced],
        "selection": dict(answer.selection),
        "weights": dict(answer.weights),
        "by": answer.by or None,
        "dims": list(answer.dims),
        "shape": list(answer.shape),
    }
    if len(answer.fields) == 1:
        document |= _values(answer.field)
    else:
        document["components"] = {f.name: _values(f) for f in answer.fields}
    document["coordinates"] = {c.name: _coordinate(c) for c in answer.coordinates}
    document["attributes"] = {field.name: plain(field.attrs) for field in answer.fields}
    if answer.run is not None:
        document["cost"] = cost(answer.run)
    return document


def write_json(answer: Answer, path: Path) -> None:
    """Write the document to a file that did not exist."""
    text = json.dumps(as_document(answer), ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
