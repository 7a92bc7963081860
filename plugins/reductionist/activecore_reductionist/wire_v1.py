"""Version 1 of the API: JSON in, the raw result as body, all else in headers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from activecore import BackendUnavailable
from activecore_reductionist.question import Question, SourceObject
from activecore_reductionist.wire import Reply, checked_count, checked_values

__all__ = ["CONTENT_TYPE", "decode", "where"]

CONTENT_TYPE = "application/octet-stream"
"""What replies with values are labelled as."""


def where(target: SourceObject) -> str:
    """Write the keys that name an object."""
    keys = {"source": target.endpoint, "bucket": target.bucket, "object": target.key}
    return json.dumps(keys, separators=(",", ":"))[1:-1]


def decode(question: Question, headers: Mapping[str, str], body: bytes) -> Reply:
    """Read a reply; names of headers are in lower case, or the mapping ignores case.

    Raises
    ------
    BackendUnavailable
        It is none, or not to this question.
    """
    values = checked_values(
        question,
        body,
        headers.get("x-activestorage-dtype"),
        _json(headers, "x-activestorage-shape"),
        headers.get("x-activestorage-byte-order"),
    )
    return Reply(values, checked_count(question, _count(headers)))


def _count(headers: Mapping[str, str]) -> NDArray[np.int64]:
    # Releases before 0.11 wrote a number, later ones a list.
    count = _json(headers, "x-activestorage-count")
    listed = [count] if type(count) is int else count
    if not isinstance(listed, list) or not all(
        type(item) is int and abs(item) < 1 << 63 for item in listed
    ):
        raise BackendUnavailable(
            "the Reductionist server answered with counts that are no integers"
        )
    return np.array(listed, dtype=np.int64)


def _json(headers: Mapping[str, str], name: str) -> object:
    text = headers.get(name)
    try:
        value: object = json.loads("" if text is None else text)
    except (ValueError, RecursionError) as error:
        raise BackendUnavailable(
            f"the Reductionist server answered without a header {name} that is JSON"
        ) from error
    return value
