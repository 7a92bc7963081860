"""What went wrong with a request, told from the texts of obstore's errors.

obstore's errors have few types and no fields: status, body and cause stand in their
text, which may also hold what a server sent back, credentials among it. So the text is
taken apart here, once, and the error itself goes no further.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Failure", "RequestFailed", "failure_of", "failure_of_status"]

Kind = Literal[
    "absent",
    "certificate",
    "changed",
    "credentials",
    "forbidden",
    "no bucket",
    "no range",
    "other",
    "outside",
    "redirect",
    "refused",
    "throttled",
    "too large",
    "unavailable",
    "unknown host",
]

_RETRIED: frozenset[Kind] = frozenset({"throttled", "unavailable"})
_STATUS = re.compile(
    r"non-2xx status code: (\d{3})[^:\n]*(?:: (.*?))?\n\nDebug", re.DOTALL
)
_PROVIDER = re.compile(r"External AWS credential provider: \w+: ([^\n]{1,400})")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})</Message>")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")

_KIND_OF_STATUS: dict[int, Kind] = {
    401: "forbidden",
    403: "forbidden",
    404: "absent",
    408: "unavailable",
    410: "absent",
    412: "changed",
    416: "outside",
    429: "throttled",
    503: "throttled",
}
_KIND_OF_CODE: dict[str, Kind] = {
    "NoSuchBucket": "no bucket",
    # versitygw's word, with a 404, for an access key that it does not know.
    "XAdminUserNotFound": "forbidden",
    "SlowDown": "throttled",
    "RequestTimeout": "unavailable",
    "InternalError": "unavailable",
    # Credentials that a server answers with 400.
    "ExpiredToken": "forbidden",
    "InvalidToken": "forbidden",
    "InvalidAccessKeyId": "forbidden",
    "AuthorizationHeaderMalformed": "redirect",
}
_ABSENT = frozenset({"", "NoSuchKey", "NoSuchVersion", "NotFound"})
"""S3's words for an object that is not there; a web server has none."""

# Looked for in this order.
_CAUSES: tuple[tuple[str, Kind, str], ...] = (
    ("NotPartial", "no range", "the server ignores byte ranges (Range)"),
    ("RangeNotSupported", "no range", "the server ignores byte ranges (Range)"),
    ("UnexpectedRange", "no range", "the server answered with another byte range"),
    (
        "BareRedirect",
        "redirect",
        "it redirects without saying where: set region to that of the bucket",
    ),
    ("InvalidCertificate", "certificate", "its certificate is not trusted"),
    ("certificate", "certificate", "its certificate is not trusted"),
    ("Name or service not known", "unknown host", "there is no such host"),
    ("nodename nor servname", "unknown host", "there is no such host"),
    ("No address associated", "unknown host", "there is no such host"),
    ("InvalidMessage", "refused", "it does not speak TLS (is it an http:// server?)"),
    ("invalid URL, scheme is not http", "refused", "it leads to an http:// server"),
    ("ConnectionRefused", "unavailable", "the connection was refused"),
    ("ConnectionReset", "unavailable", "the connection was reset"),
    ("TimedOut", "unavailable", "it did not answer in time"),
    ("kind: Timeout", "unavailable", "it did not answer in time"),
    ("dns error", "unavailable", "its host's address could not be looked up"),
    ("IncompleteMessage", "unavailable", "the connection was closed without an answer"),
    ("IncompleteBody", "unavailable", "the reply ended before it was whole"),
    ("kind: Interrupted", "unavailable", "the reply ended before it was whole"),
    ("UnexpectedEof", "unavailable", "the reply ended before it was whole"),
    ("kind: Decode", "unavailable", "the reply could not be understood"),
    ("kind: Connect", "unavailable", "no connection could be made"),
    ("kind: Request", "unavailable", "the connection broke"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt failed."""

    kind: Kind
    """What a caller would do about it."""
    reason: str
    """One line for people; no secret in it."""
    code: str = ""
    """S3's own word for it, if it said one."""
    wait: float | None = None
    """Seconds after which the server wants to be asked again, if it said so."""
    is_unsigned: bool = False
    """Whether a document came with it in which S3 is not to be recognised."""

    @property
    def is_retried(self) -> bool:
        """Whether another attempt may succeed."""
        return self.kind in _RETRIED

    def of_s3(self) -> Failure:
        """Give the same as what an object store's answer means.

        It says by its own word that there is no object; a page that says 404 comes from
        what stands before it, and must not pass for a chunk that was never written.
        """
        if self.kind != "absent" or not self.is_unsigned:
            return self
        reason = f"{self.reason} is no object store's answer, but a gateway's"
        return replace(self, kind="refused", reason=reason)


class RequestFailed(Exception):
    """One attempt failed. Never leaves this package."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def failure_of_status(status: int, body: str, *, wait: float | None = None) -> Failure:
    """Say what a status and the document that came with it mean."""
    code = _CODE.search(body)
    message = _MESSAGE.search(body)
    region = _REGION.search(body)
    name = "" if code is None else code[1]
    text = "" if message is None else html.unescape(message[1])
    said = " ".join(text.split()).rstrip(".")
    if status >= 500 and status not in _KIND_OF_STATUS:  # noqa: PLR2004 - HTTP's own
        kind: Kind = "unavailable"
    else:
        kind = _KIND_OF_STATUS.get(status, "refused")
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's own
        kind = "redirect"
    kind = _KIND_OF_CODE.get(name, kind)
    if kind == "absent" and name not in _ABSENT:
        # A server may say 404 of what is not the object: a user, an upload.
        kind = "refused"
    words = [f"HTTP {status}"]
    if name:
        words.append(name)
    text = " ".join(words) + (f": {said}" if said else "")
    if kind == "redirect":
        where = f"region {region[1]!r}" if region is not None else "another region"
        text = f"{text}; the bucket lies in {where}: set the option region"
    return Failure(kind, text, name, wait, is_unsigned=not name and bool(body.strip()))


def failure_of(error: Exception, redact: Callable[[str], str]) -> Failure:
    """Say what an error of obstore means.

    Parameters
    ----------
    redact
        Takes secrets out of a text.
    """
    text = str(error)
    status = _STATUS.search(text)
    if status is not None:
        found = failure_of_status(int(status[1]), status[2] or "")
        return replace(found, reason=redact(found.reason))
    renewing = _PROVIDER.search(text)
    if renewing is not None:
        return Failure("credentials", redact(renewing[1].strip()))
    if isinstance(error, FileNotFoundError):
        return Failure("absent", "there is no such object")
    for mark, kind, reason in _CAUSES:
        if mark in text:
            return Failure(kind, reason)
    first = text.partition("\n")[0][:200]
    return Failure("other", redact(first))
