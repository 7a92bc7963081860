"""How neighbouring ranges are read together."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Merging"]


@dataclass(frozen=True, slots=True)
class Merging:
    """Which neighbouring ranges are read in one go."""

    gap: int = 0
    """Bytes between two of them that are read along."""
    most: int = 8 << 20
    """Bytes that are read in one go at most."""
    along: int = 0
    """Bytes of an index and of what lies between its pieces, read together, at most."""
