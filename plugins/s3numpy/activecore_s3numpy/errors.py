"""Failures of requests as the errors that users see: one line, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from activecore import (
    ActiveCoreError,
    AuthenticationError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ConfigError,
    SourceChanged,
    SourceNotFound,
)
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.endpoints import Endpoints
from activecore_s3numpy.failures import Failure

__all__ = ["error_of"]

_UNKNOWN_KEY = (
    "this server does not know the access key: check key, and that endpoint_url is "
    "the server it is for"
)
_HINTS = {
    "ExpiredToken": "the session token has expired: get new credentials",
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidToken": "this server does not take the session token",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "SignatureDoesNotMatch": "the secret does not belong to the key",
    "XAdminUserNotFound": _UNKNOWN_KEY,
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One failure, and what is to be said of it."""

    failure: Failure
    address: Address
    server: str
    is_anonymous: bool

    def plain(self) -> str:
        return f"{self.address.url}: {self.failure.reason}"

    def absent(self) -> str:
        return f"there is nothing at {self.address.url}"

    def no_bucket(self) -> str:
        return f"there is no bucket {self.address.place.name!r} at {self.server}"

    def changed(self) -> str:
        return f"{self.address.url} was changed after it was opened; open it again"

    def no_range(self) -> str:
        return f"{self.address.url} cannot be read in parts: {self.failure.reason}"

    def certificate(self) -> str:
        return (
            f"{self.server}: {self.failure.reason}; if an authority of your own signed "
            "it, set ca_bundle to its PEM file"
        )

    def credentials(self) -> str:
        return self.failure.reason

    def unknown_host(self) -> str:
        what = "endpoint_url" if self.address.place.is_s3 else "the URL"
        return f"{self.server}: {self.failure.reason}; check {what}"

    def unavailable(self) -> str:
        where = f" at {self.server}" if self.address.place.is_s3 else ""
        return f"{self.address.url}{where}: {self.failure.reason}"

    def forbidden(self) -> str:
        text = f"{self.address.url} may not be read: {self.failure.reason}"
        if not self.address.place.is_s3:
            return text
        hint = "check that these credentials may read it"
        if self.is_anonymous:
            hint = "it is not public: leave anon out, and give credentials"
        return f"{text}; {_HINTS.get(self.failure.code, hint)}"


_MADE_OF: dict[str, tuple[type[ActiveCoreError], Callable[[_Case], str]]] = {
    "absent": (SourceNotFound, _Case.absent),
    "certificate": (BackendError, _Case.certificate),
    "changed": (SourceChanged, _Case.changed),
    "credentials": (AuthenticationError, _Case.credentials),
    "forbidden": (AuthenticationError, _Case.forbidden),
    "no bucket": (SourceNotFound, _Case.no_bucket),
    "no range": (BackendRefused, _Case.no_range),
    "redirect": (ConfigError, _Case.plain),
    "throttled": (BackendUnavailable, _Case.unavailable),
    "unavailable": (BackendUnavailable, _Case.unavailable),
    "unknown host": (BackendUnavailable, _Case.unknown_host),
}
"""The error that each kind of failure makes, and its text."""


def error_of(
    failure: Failure, address: Address, endpoints: Endpoints
) -> ActiveCoreError:
    """Give the error to raise for a request that failed for good."""
    server = endpoints.of_s3() if address.place.is_s3 else str(address.place)
    case = _Case(failure, address, server, endpoints.options.anon)
    kind, text = _MADE_OF.get(failure.kind, (BackendError, _Case.plain))
    return kind(text(case))
