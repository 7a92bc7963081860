"""Errors that have to be raised, and what is said where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from activecore.backend import StorageBackend
from activecore.errors import ActiveCoreError, ChunkNotFound
from activecore.model import ChunkBatch, Partial
from activecore.testing.harness import fail

__all__ = ["must_raise"]

_NOT_ABSENT = (
    "a failure to read is taken for absence, or for the fill value; only an object "
    "that is not there is absent"
)


def must_raise(
    backend: StorageBackend, batch: ChunkBatch, what: str, position: int = 0
) -> ActiveCoreError:
    """Fail unless a batch and its bad chunk alone raise; give the batch's error."""
    _error_of(lambda: backend.reduce_chunk(batch[position]), f"{what}, by reduce_chunk")
    return _error_of(lambda: backend.reduce_chunks(batch), what)


def _error_of(  # noqa: RET503 - fail does not return
    call: Callable[[], Partial], what: str
) -> ActiveCoreError:
    expected = "ChunkReadError, ChunkDecodeError or a BackendError"
    try:
        partial = call()
    except ChunkNotFound as error:
        fail(asked=what, expected=expected, came_back=f"{error!r}", usually=_NOT_ABSENT)
    except ActiveCoreError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        fail(
            asked=what,
            expected=expected,
            came_back=f"{type(error).__name__}: {error}",
            usually="the error of a library is raised as it is; chain it with 'from'",
        )
    if len(partial.absent) > 0:
        came_back = f"absent {np.asarray(partial.absent).tolist()}"
        fail(asked=what, expected=expected, came_back=came_back, usually=_NOT_ABSENT)
    shown = ", ".join(str(value.ravel()[:4]) for value in partial.values)
    fail(
        asked=what,
        expected=expected,
        came_back=f"an answer, beginning {shown}",
        usually="an error is swallowed, a length or a checksum is not compared, or "
        "memory that nothing was read into is taken for the chunk",
    )
