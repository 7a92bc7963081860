"""Errors of a Reductionist server, by what a caller would do about them.

::

    ReductionistError               (a BackendError)
    ├── ReductionistUnavailable     (also a BackendUnavailable) another may answer
    ├── ReductionistRefused         (also a BackendRefused) another may answer
    └── ReductionistForbidden       (also an AuthenticationError)

What concerns one chunk is an error of the core, caused by a ``ReductionistError``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from activecore import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ChunkDecodeError,
    ChunkNotFound,
    ChunkReadError,
)

__all__ = [
    "ReductionistError",
    "ReductionistForbidden",
    "ReductionistRefused",
    "ReductionistUnavailable",
    "error_of",
    "without",
]

_LONGEST = 600
"""Characters of a server's message that are shown; the whole is in ``error``."""

_NAMES = frozenset({"error", "message", "caused_by"})
"""Names in the server's JSON; a secret that is part of one does not hide it."""

_OF_CREDENTIALS = (
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "XAdminUserNotFound",
    # What is said of a chunk in the server's cache, of which S3 says 403.
    "error receiving object metadata from S3 storage",
)
"""Words of S3 servers, whatever the status: versitygw's last one comes as a 500."""

_OF_DECODING = (
    "failed to decompress data",
    "failed to create array from shape",
    "Raw data size must be",
)
"""Words about bytes that are not the chunk that was described."""


class ReductionistError(BackendError):
    """A Reductionist server answered with an error.

    Parameters
    ----------
    status_code
        HTTP status.
    error
        The server's JSON, as text or parsed: ``{"error": {"message": …, "caused_by":
        […]}}``; or whatever text came instead.
    """

    def __init__(self, status_code: int = 0, error: Any = None) -> None:
        self.status_code = status_code
        self.error = _parsed(error)
        said = _line(self.error)
        advice = _advice(status_code, said)
        super().__init__(f"Reductionist error: HTTP {status_code}: {said}{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status_code, self.error)


class ReductionistUnavailable(ReductionistError, BackendUnavailable):
    """The server, or the store behind it, could not answer now."""


class ReductionistRefused(ReductionistError, BackendRefused):
    """The server will not answer this."""


class ReductionistForbidden(ReductionistError, AuthenticationError):
    """Credentials are missing, wrong or expired, or do not allow this."""


def error_of(status_code: int, error: Any) -> ActiveCoreError:
    """Make the error that a reply means.

    The server's JSON counts for more than the status: credentials that are wrong may
    come as a 500, a store that is down as well, an object that is not there as a 400.

    Parameters
    ----------
    status_code
        HTTP status, not 200.
    error
        The server's JSON, parsed or as text, or what came instead.
    """
    text = _line(_parsed(error), most=None)
    if "NoSuchKey" in text:
        return _about_chunk(
            ChunkNotFound, "there is no such object", status_code, error
        )
    if status_code in (401, 403) or any(word in text for word in _OF_CREDENTIALS):
        return ReductionistForbidden(status_code, error)
    if "InvalidRange" in text:
        message = "the object ends before the chunk"
        return _about_chunk(ChunkReadError, message, status_code, error)
    if any(word in text for word in _OF_DECODING):
        return _about_chunk(ChunkDecodeError, text, status_code, error)
    if status_code >= 500 or status_code in (408, 429):  # noqa: PLR2004 - HTTP's numbers
        return ReductionistUnavailable(status_code, error)
    return ReductionistRefused(status_code, error)


def _about_chunk(
    kind: type[ActiveCoreError], message: str, status_code: int, error: Any
) -> ActiveCoreError:
    about = kind(message[:_LONGEST])
    about.__cause__ = ReductionistError(status_code, error)
    return about


def _advice(status_code: int, said: str) -> str:
    """Say what a user may do, where the server's words do not."""
    if "dispatch failure" in said:
        return (
            "; the Reductionist server does not reach the store: server_endpoint_url "
            "says where it finds it"
        )
    if status_code in (401, 403):
        return "; check key and secret"
    return ""


def without(error: Any, secrets: Iterable[str]) -> Any:
    """Take secrets out of what a server said, wherever they stand in it.

    Parameters
    ----------
    error
        The server's JSON as text or parsed, or what came instead. It is parsed first:
        JSON can write any letter as a number.
    secrets
        What must not be shown.
    """
    hidden = [secret for secret in secrets if secret]

    def cleaned(value: Any) -> Any:
        if isinstance(value, str):
            for secret in hidden:
                value = value.replace(secret, "***")
            return value
        if isinstance(value, Mapping):
            return {
                name if name in _NAMES else cleaned(name): cleaned(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [cleaned(each) for each in value]
        return value

    try:
        return cleaned(_parsed(error))
    except RecursionError:
        return "an answer that is nested too deeply"


def _parsed(error: Any) -> Any:
    """Give the server's JSON as plain values, or what came as it is."""
    if isinstance(error, bytes):
        error = error.decode("utf-8", "replace")
    if not isinstance(error, str):
        return error
    try:
        return json.loads(error)
    except (ValueError, RecursionError):
        return error


def _line(error: Any, most: int | None = _LONGEST) -> str:
    """Say what the server said in one line, the root cause last."""
    body = error.get("error", error) if isinstance(error, Mapping) else error
    if isinstance(body, Mapping) and "message" in body:
        causes = body.get("caused_by")
        parts = [body["message"], *(causes if isinstance(causes, list) else [])]
        text = ": ".join(str(part) for part in parts)
    elif body is None or body == "":
        text = "no explanation"
    else:
        text = str(body)
    # A terminal would obey control characters, and half a surrogate is no text.
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if most is None else text[:most]
