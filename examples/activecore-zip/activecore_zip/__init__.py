"""activecore's backend ``zip``: files inside zip archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_zip.backend import ZipBackend, ZipOptions

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = ["ZipBackend", "ZipOptions", "activecore_backend"]


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return ZipBackend
