"""activecore's reader ``grib``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_grib.reader import GribReader

if TYPE_CHECKING:
    from activecore import Reader

__all__ = ["GribReader", "activecore_reader"]


@hookimpl
def activecore_reader() -> type[Reader]:
    """Give the reader class to activecore."""
    return GribReader
