"""Text from files and servers, made safe to show."""

from __future__ import annotations

import unicodedata

__all__ = ["clean"]


def clean(text: object) -> str:
    """Put text on one line, without anything that a terminal would obey."""
    return "".join(
        " " if char.isspace() else "�" if unicodedata.category(char) == "Cc" else char
        for char in str(text)
    )
