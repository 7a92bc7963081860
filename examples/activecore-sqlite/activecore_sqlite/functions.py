"""The functions that SQLite runs: one chunk in, one partial out.

They are NumPy's here. Nothing of activecore computes, and its own kernel is not used:
this stands for what a database runs beside its disks.
"""

from __future__ import annotations

import functools
import io
import sqlite3
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore_sqlite.question import Question

__all__ = ["Answer", "read_answer", "register"]

Answer = tuple[tuple[NDArray[Any], ...], NDArray[Any], int]
"""Values, count, and how many bytes were read for them."""

_WIDE = {"b": "i8", "i": "i8", "u": "u8", "f": "f8"}

_read = functools.lru_cache(maxsize=64)(Question.read)


def register(connection: sqlite3.Connection) -> None:
    """Let queries of a connection call ``active_reduce``."""
    connection.create_function("active_reduce", 4, _reduce, deterministic=True)


def read_answer(blob: bytes) -> Answer:
    """Take apart what ``active_reduce`` gave."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as file:
        values = tuple(file[f"value{k}"] for k in range(len(file.files) - 2))
        return values, file["count"], int(file["read"])


def _reduce(data: bytes, offset: int, size: int, text: str) -> bytes | str:
    """Reduce a part of a blob. Text that comes back is what is wrong with it."""
    question = _read(text)
    part = data[offset:] if size < 0 else data[offset : offset + size]
    if 0 <= size != len(part):
        return f"it ends at byte {len(data)}, before the chunk"
    try:
        chunk = _decode(part, question)
    except (ValueError, zlib.error) as error:
        return f"damaged: {error}"
    values, count = _answer(chunk, question)
    file = io.BytesIO()
    arrays: dict[str, Any] = {f"value{k}": value for k, value in enumerate(values)}
    np.savez(file, **arrays, count=count, read=np.int64(len(part)))
    return file.getvalue()


def _decode(data: bytes, question: Question) -> NDArray[Any]:
    dtype = np.dtype(question.dtype)
    size = dtype.itemsize * int(np.prod(question.shape, dtype=np.int64))
    if question.deflated:
        stream = zlib.decompressobj()
        # No further than it should go: a few kilobytes may be gigabytes.
        data = stream.decompress(data, size + 1)
        if not stream.eof or stream.unused_data:
            raise ValueError("the stream does not end where it should")
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} were expected")
    stored = np.frombuffer(data, dtype).reshape(question.shape)
    return stored.astype(dtype.newbyteorder("="))


def _answer(
    chunk: NDArray[Any], question: Question
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any]]:
    if question.shape:
        picks = [np.array(item, dtype=np.intp) for item in question.selection]
        chunk = chunk[np.ix_(*picks)]
    kept = _present(chunk, question)
    if question.operation == "select":
        return (np.array(chunk, order="C"),), kept
    axis = tuple(question.axis)
    count = kept.sum(axis=axis, keepdims=True, dtype=np.int64)
    if question.operation == "count":
        return (), count
    if question.operation == "sum":
        wide = np.where(kept, chunk, chunk.dtype.type(0)).astype(
            _WIDE[chunk.dtype.kind]
        )
        return (wide.sum(axis=axis, keepdims=True),), count
    ufunc = np.minimum if question.operation == "min" else np.maximum
    first = _identity(chunk.dtype, lowest=question.operation == "max")
    filled = np.where(kept, chunk, first)
    return (ufunc.reduce(filled, axis=axis, keepdims=True, initial=first),), count


def _present(chunk: NDArray[Any], question: Question) -> NDArray[np.bool_]:
    of = chunk.dtype.type
    kept = np.ones(chunk.shape, dtype=bool)
    for value in question.missing:
        kept &= ~np.isnan(chunk) if value != value else chunk != of(value)  # noqa: PLR0124
    if question.valid_min is not None:
        kept &= ~(chunk < of(question.valid_min))
    if question.valid_max is not None:
        kept &= ~(chunk > of(question.valid_max))
    return kept


def _identity(dtype: np.dtype[Any], *, lowest: bool) -> Any:
    if dtype.kind == "f":
        return dtype.type(-np.inf if lowest else np.inf)
    if dtype.kind == "b":
        return np.bool_(not lowest)
    limits = np.iinfo(dtype)
    return dtype.type(limits.min if lowest else limits.max)
