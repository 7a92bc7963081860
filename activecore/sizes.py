"""Numbers of bytes in words."""

from __future__ import annotations

__all__ = ["bytes_words"]


def bytes_words(number: int) -> str:
    """Write a number of bytes in SI units: ``"1.7 MB"``."""
    size, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004 - SI units
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
