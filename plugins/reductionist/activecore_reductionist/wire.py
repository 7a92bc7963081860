"""What both versions of the API share: the request's body, and checks of replies.

Pure functions: nothing is sent or received here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from activecore import BackendRefused, BackendUnavailable
from activecore_reductionist.question import Question, SourceObject

__all__ = [
    "MARGIN",
    "Reply",
    "checked_count",
    "checked_values",
    "object_url",
    "question_json",
    "request_body",
]

_FEW = 32
"""Numbers that are compared one by one faster than in an array."""

MARGIN = 64 << 10
"""Bytes that a reply may have beyond its values and counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What a server answered, checked against what was asked."""

    values: NDArray[Any]
    """Native-endian, shape ``Question.reply_shape``."""
    count: NDArray[np.int64]
    """Elements behind each value that are not missing, same shape as the values; of
    ``select`` one total, 0-d."""


@lru_cache(maxsize=256)
def question_json(question: Question) -> str:
    """Write all of a request's keys but those that say where the chunk lies.

    Without the braces, so that a run writes it once and each chunk only its place.
    """
    order = {"<": "little", ">": "big"}[question.dtype.str[0]]
    keys: dict[str, Any] = {
        "dtype": question.dtype.name,
        "byte_order": order,
        "shape": question.shape,
        "order": "C",
        "selection": question.selection,
    }
    if question.operation != "select":
        keys["axis"] = question.axis
    if question.compression is not None:
        keys["compression"] = {"id": question.compression}
    if question.filters:
        keys["filters"] = [
            {"id": "shuffle", "element_size": size} for size in question.filters
        ]
    text = json.dumps(keys, separators=(",", ":"))[1:-1]
    if question.rule is not None:
        text += f',"missing":{question.rule.json}'
    return text


def request_body(where: str, offset: int, size: int, question: str) -> bytes:
    """Put a request together.

    Parameters
    ----------
    where
        JSON of the keys that name the object, without braces.
    offset, size
        Bytes of the chunk in it; size -1: the whole object, which the server reads
        where neither is given.
    question
        As ``question_json`` gives it, and what else the API's version takes.
    """
    place = "" if size == -1 else f'"offset":{offset},"size":{size},'
    return f"{{{where},{place}{question}}}".encode()


def object_url(target: SourceObject) -> str:
    """Write the URL by which version 2 of the API names an object.

    Raises
    ------
    BackendRefused
        The server would read another object: it takes the first part of the path for
        the bucket, and resolves ``.`` and ``..`` in it.
    """
    scheme, _, rest = target.endpoint.partition("://")
    host, _, path = rest.partition("/")
    if scheme not in ("http", "https") or not host or path.strip("/"):
        raise BackendRefused(
            "the server needs an S3 endpoint that is https://host:port and nothing more"
        )
    segments = target.key.split("/")
    if target.key == "" or any(segment in (".", "..") for segment in segments):
        raise BackendRefused(f"the server cannot be told of an object {target.key!r}")
    return f"{scheme}://{host}/{quote(target.bucket, safe='')}/{quote(target.key)}"


def checked_values(
    question: Question, data: object, dtype: object, shape: object, byte_order: object
) -> NDArray[Any]:
    """Make the array of a reply, if it is what was asked for.

    Raises
    ------
    BackendUnavailable
        Dtype, shape, byte order or number of bytes is another.
    """
    wanted = question.reply_dtype
    if dtype != wanted.name:
        raise _unfit(f"dtype {dtype!r} instead of {wanted.name}")
    if not isinstance(shape, list | tuple) or tuple(shape) != question.reply_shape:
        raise _unfit(f"shape {shape!r} instead of {list(question.reply_shape)}")
    if byte_order not in ("little", "big"):
        raise _unfit(f"byte order {byte_order!r}")
    size = math.prod(question.reply_shape) * wanted.itemsize
    if not isinstance(data, bytes) or len(data) != size:
        came = len(data) if isinstance(data, bytes) else type(data).__name__
        raise _unfit(f"{came} bytes of values instead of {size}")
    stored = wanted.newbyteorder("<" if byte_order == "little" else ">")
    return np.frombuffer(data, stored).astype(wanted).reshape(question.reply_shape)


def checked_count(question: Question, count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give a reply's counts the values' shape, if they are possible.

    Raises
    ------
    BackendUnavailable
        There are more or fewer than values, or one that cannot be.
    """
    if question.operation == "select":
        total = math.prod(question.selected)
        if count.shape != (1,) or count[0] != total:
            raise _unfit(f"another count than the {total} elements selected")
        return count.reshape(())
    if count.size != math.prod(question.reply_shape):
        raise _unfit(
            f"{count.size} counts for values of shape {list(question.reply_shape)}"
        )
    most = question.behind
    # One count is the usual case, of which an array would make much ado.
    few = count.tolist() if count.size < _FEW else [count.min(), count.max()]
    if any(not 0 <= number <= most for number in few):
        raise _unfit(f"counts outside 0 to {most}")
    return count.reshape(question.reply_shape)


def _unfit(what: str) -> BackendUnavailable:
    return BackendUnavailable(f"the Reductionist server answered with {what}")
