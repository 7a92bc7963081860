"""The one error of this package."""

from __future__ import annotations

__all__ = ["ServicesError"]


class ServicesError(Exception):
    """A server cannot be built, started, found or stopped; one line says why."""
