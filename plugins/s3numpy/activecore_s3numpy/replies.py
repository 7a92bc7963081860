"""What a store is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from activecore_s3numpy.addresses import Address
from activecore_s3numpy.failures import Failure, RequestFailed

if TYPE_CHECKING:
    from obstore import Bytes

__all__ = ["Ask", "Listing", "Meta", "Reply", "is_strong"]


def is_strong(etag: str | None) -> bool:
    """Tell whether this is an ETag that a store can be held to (RFC 9110, 8.8.3)."""
    return etag is not None and etag.startswith('"')


@dataclass(frozen=True, slots=True)
class Ask:
    """One read: an object, and which of its bytes."""

    address: Address
    start: int = 0
    """First byte; negative, with no ``stop``: so many from the end."""
    stop: int | None = None
    """Behind the last byte; None: to the object's end."""
    if_match: str | None = None
    """The ETag that the object must still have; None: whatever it is."""
    most: int | None = None
    """Bytes that may come at most; None: any number."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole object is wanted."""
        return self.start == 0 and self.stop is None

    def require_length(self, length: int) -> None:
        """Refuse too long a reply before memory is taken for it.

        Raises
        ------
        RequestFailed
            It is longer than what may come.
        """
        if self.most is not None and length > self.most:
            raise RequestFailed(
                Failure(
                    "too large",
                    f"{length} bytes are stored for a chunk that should have at most "
                    f"{self.most}",
                )
            )


@dataclass(frozen=True, slots=True)
class Meta:
    """What a store says of an object."""

    size: int
    """Length in bytes."""
    etag: str | None
    """Names the content, quoted as in HTTP; a weak one begins with ``W/``."""
    modified: datetime | None
    """When it was written; None: the server does not say."""
    content_type: str = ""
    """The media type; empty: not known."""

    @property
    def strong_etag(self) -> str | None:
        """The ETag if it can be no other content's, as a weak one can; else None."""
        return self.etag if is_strong(self.etag) else None


@dataclass(frozen=True, slots=True)
class Reply:
    """The bytes that came."""

    data: Bytes | bytes
    """Those that were asked for; fewer only where the object ends before them."""
    meta: Meta
    retries: int = 0
    """Further attempts that it took."""

    def checked(self, ask: Ask, extent: tuple[int, int]) -> Reply:
        """Hold the reply to what was asked.

        Parameters
        ----------
        extent
            Where the bytes begin and end in the object, as the server says.

        Raises
        ------
        RequestFailed
            They are others, fewer, or of another version of the object.
        """
        size = self.meta.size
        start = ask.start if ask.start >= 0 else max(0, size + ask.start)
        stop = size if ask.stop is None else min(ask.stop, size)
        if extent != (start, stop):
            raise RequestFailed(
                Failure("no range", "the server answered with another byte range")
            )
        if len(self.data) != stop - start:
            raise RequestFailed(
                Failure("unavailable", "the reply ended before it was whole")
            )
        if ask.if_match is not None and self.meta.etag != ask.if_match:
            raise RequestFailed(Failure("changed", "the server ignored If-Match"))
        return self

    def after(self, retries: int) -> Reply:
        """Give the same reply, saying how many further attempts it took."""
        return self if retries == 0 else replace(self, retries=retries)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies directly below a prefix."""

    objects: tuple[tuple[str, Meta], ...]
    """Key and metadata of each object."""
    prefixes: tuple[str, ...]
    """The prefixes below it, without a slash at their end."""
