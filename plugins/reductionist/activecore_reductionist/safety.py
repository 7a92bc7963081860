"""Where a secret may be sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from activecore import ConfigError

__all__ = ["is_loopback", "require_safe"]


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_safe(url: str, *, allow_insecure_auth: bool) -> None:
    """Make sure that a secret may be sent to a server.

    Raises
    ------
    ConfigError
        Anybody on the way could read it.
    """
    if urlsplit(url).scheme == "https" or is_loopback(url) or allow_insecure_auth:
        return
    raise ConfigError(
        f"the S3 secret would be sent to {url}, where anybody on the way can read it: "
        "use https://, or set allow_insecure_auth = true"
    )
