"""activecore's backend ``reductionist``: chunks are reduced beside their store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_reductionist.backend import ReductionistBackend
from activecore_reductionist.errors import (
    ReductionistError,
    ReductionistForbidden,
    ReductionistRefused,
    ReductionistUnavailable,
)
from activecore_reductionist.functional import reduce_chunk
from activecore_reductionist.options import ReductionistOptions

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = [
    "ReductionistBackend",
    "ReductionistError",
    "ReductionistForbidden",
    "ReductionistOptions",
    "ReductionistRefused",
    "ReductionistUnavailable",
    "activecore_backend",
    "reduce_chunk",
]


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return ReductionistBackend
