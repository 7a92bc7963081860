"""URLs as they may be shown."""

from __future__ import annotations

import re

__all__ = ["public_url"]


def public_url(url: str) -> str:
    """Take out of a URL what may be secret: a user and password, and the query."""
    if "://" not in url:
        return url
    plain = re.sub(r"(?<=://)[^/@]*@", "", url)
    return plain.partition("?")[0]
