"""URLs of sources: which store they lie in, and under which name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from activecore import ConfigError

__all__ = ["Address", "Place", "require_server"]

Scheme = Literal["s3", "http", "https"]

_BUCKET = re.compile(r"[A-Za-z0-9._:-]{1,255}")
"""What buckets are called; a colon is Ceph's, behind the name of a tenant."""
_WEB: frozenset[str] = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Place:
    """One store: an S3 bucket, or a web server."""

    scheme: Scheme
    """``s3``: ``name`` is a bucket. Else the protocol of the server."""
    name: str
    """The bucket, or ``host`` or ``host:port``."""

    @property
    def is_s3(self) -> bool:
        """Whether it is a bucket, so that requests are signed."""
        return self.scheme == "s3"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"


@dataclass(frozen=True, slots=True)
class Address:
    """One object: its store, and its key as the store knows it, not escaped."""

    place: Place
    key: str

    @classmethod
    def parse(cls, url: str, *, bucket: str | None = None) -> Address:
        """Take the URL of an object apart.

        Parameters
        ----------
        url
            ``s3://bucket/key``, ``https://host/path``, or the bare key of an object.
        bucket
            Where bare keys lie; None: they are refused.

        Raises
        ------
        ConfigError
            It is no such URL, or it holds what would be lost or sent to strangers: a
            password, a query.
        """
        scheme, separator, rest = url.partition("://")
        if not separator:
            if bucket is None:
                raise ConfigError(
                    f"{url} names no bucket: write s3://bucket/key, or set the option "
                    "bucket"
                )
            return cls._of_s3(url, bucket, url.strip("/"))
        scheme = scheme.lower()
        if scheme in ("s3", "s3a"):
            name, _, key = rest.partition("/")
            # A secret may hold a slash, so that the bucket would seem to end there.
            if "@" in name or (":" in name and "@" in key):
                raise ConfigError(
                    "an s3:// URL holds a key or a secret before '@': it would stand "
                    "in every message; set the options key and secret instead"
                )
            if not name:
                raise ConfigError(f"{url} names no bucket: write s3://bucket/key")
            return cls._of_s3(url, name, key)
        if scheme in _WEB:
            return cls._of_web(url)
        raise ConfigError(
            f"s3:// and https:// URLs can be read here, not {scheme}:// URLs"
        )

    @classmethod
    def _of_s3(cls, url: str, bucket: str, key: str) -> Address:
        if _BUCKET.fullmatch(bucket) is None:
            raise ConfigError(f"{bucket!r} is no name of a bucket")
        # A slash at the end is how people write prefixes; one at the beginning, or two
        # on end, are part of the name of an object, for which obstore cannot ask.
        key = key.rstrip("/")
        if key and not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ConfigError(
                f"{url}: a key that begins with / or has empty parts, . or .. between "
                "slashes cannot be asked for"
            )
        return cls(Place("s3", bucket), key)

    @classmethod
    def _of_web(cls, url: str) -> Address:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if host != parts.netloc:
            raise ConfigError(
                f"a URL at {host} holds a user name or password: it would stand in "
                "every message; it is not sent"
            )
        if parts.query or parts.fragment:
            raise ConfigError(f"{parts.scheme}://{host}{parts.path} has a query (?...)")
        if not host:
            raise ConfigError(f"{url} names no server")
        scheme: Scheme = "https" if parts.scheme == "https" else "http"
        return cls(Place(scheme, host), unquote(parts.path).strip("/"))

    @property
    def url(self) -> str:
        """The URL, in the one way in which it is written here."""
        if self.place.is_s3:
            return f"{self.place}/{self.key}" if self.key else str(self.place)
        path = quote(self.key)
        return f"{self.place}/{path}" if path else str(self.place)


def require_server(url: str) -> str:
    """Give the URL of a server without a slash at its end.

    Raises
    ------
    ValueError
        It is something else. Pydantic reports it.
    """
    parts = urlsplit(url)
    if parts.scheme not in _WEB or not parts.netloc:
        raise ValueError("must be a URL: https://host, or http://host:port")
    if "@" in parts.netloc:
        raise ValueError("must hold no user name and no password")
    if parts.query or parts.fragment or re.search(r"\s", url):
        raise ValueError("must be the URL of a server, without a query")
    return url.rstrip("/")
