"""activecore's backend ``posix``: files on disks of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_posix.backend import PosixBackend, PosixOptions
from activecore_posix.functional import reduce_chunk

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = ["PosixBackend", "PosixOptions", "activecore_backend", "reduce_chunk"]


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return PosixBackend
