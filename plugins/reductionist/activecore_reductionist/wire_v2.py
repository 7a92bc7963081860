"""Version 2 of the API: JSON in, CBOR out."""

from __future__ import annotations

import json
from collections.abc import Mapping

import cbor2
import numpy as np
from numpy.typing import NDArray

from activecore import BackendUnavailable
from activecore_reductionist.question import Question, SourceObject
from activecore_reductionist.wire import (
    Reply,
    checked_count,
    checked_values,
    object_url,
)

__all__ = ["CONTENT_TYPE", "OPTIONS", "decode", "where"]

CONTENT_TYPE = "application/cbor"
"""What replies with values are labelled as."""

OPTIONS = '"option_count_as_bytes":true'
"""Keys that releases before 0.13 refuse as unknown: counts as bytes cost little."""


def where(target: SourceObject) -> str:
    """Write the keys that name an object."""
    return f'"interface_type":"s3","url":{json.dumps(object_url(target))}'


def decode(
    question: Question,
    headers: Mapping[str, str],  # noqa: ARG001 - version 1 says it all there
    body: bytes,
) -> Reply:
    """Read a reply.

    Raises
    ------
    BackendUnavailable
        It is none, or not to this question.
    """
    try:
        reply = cbor2.loads(body)
    except (
        Exception
    ) as error:  # whatever the decoder raises: the bytes are a stranger's
        raise BackendUnavailable(
            f"the Reductionist server answered with {len(body)} bytes that are no CBOR"
        ) from error
    if not isinstance(reply, Mapping):
        raise BackendUnavailable(
            f"the Reductionist server answered with a CBOR {type(reply).__name__}"
        )
    byte_order = reply.get("byte_order")
    values = checked_values(
        question,
        reply.get("bytes"),
        reply.get("dtype"),
        reply.get("shape"),
        byte_order,
    )
    packed = reply.get("count_as_bytes")
    count = (
        _packed_count(packed, byte_order == "little")
        if packed
        else _listed_count(reply.get("count"))
    )
    return Reply(values, checked_count(question, count))


def _packed_count(packed: object, is_little: bool) -> NDArray[np.int64]:
    if not isinstance(packed, bytes) or len(packed) % 8 != 0:
        raise BackendUnavailable(
            "the Reductionist server answered with counts that are no 64-bit integers"
        )
    return np.frombuffer(packed, "<i8" if is_little else ">i8").astype(np.int64)


def _listed_count(count: object) -> NDArray[np.int64]:
    if not isinstance(count, list) or not all(type(item) is int for item in count):
        raise BackendUnavailable(
            "the Reductionist server answered with counts that are no list of integers"
        )
    try:
        return np.array(count, dtype=np.int64)
    except OverflowError as error:
        raise BackendUnavailable(
            "the Reductionist server answered with a count of more than 64 bits"
        ) from error
