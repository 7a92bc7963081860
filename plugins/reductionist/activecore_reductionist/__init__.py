"""activecore's backend for Reductionist: not written yet.

This release registers the name ``reductionist`` and says, wherever it is asked to do
something, that it cannot do it yet. Nothing is sent anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from activecore import BackendRefused, StorageBackend, hookimpl

if TYPE_CHECKING:
    from activecore import ChunkBatch, ChunkRequest

__all__ = ["ReductionistBackend", "activecore_backend"]

NOT_YET = "activecore-reductionist 0.1 cannot ask a Reductionist server yet"


class ReductionistBackend(StorageBackend):
    """Asks a Reductionist server to reduce chunks beside their store.

    It refuses everything for now: a list of backends goes on to the next one.
    """

    name = "reductionist"
    contract: ClassVar[tuple[int, int]] = (1, 0)

    def why_not(self, batch: ChunkBatch) -> str | None:  # noqa: ARG002 - all the same
        """Say that this backend is not written yet."""
        return NOT_YET

    def reduce_chunk(self, request: ChunkRequest) -> NoReturn:  # noqa: ARG002 - all the same
        """Refuse.

        Raises
        ------
        BackendRefused
            Always, for now.
        """
        raise BackendRefused(NOT_YET)

    def filesystem(self, url: str) -> NoReturn:  # noqa: ARG002 - all the same
        """Refuse.

        Raises
        ------
        BackendRefused
            Always, for now.
        """
        raise BackendRefused(NOT_YET)

    def check(self) -> NoReturn:
        """Refuse.

        Raises
        ------
        BackendRefused
            Always, for now.
        """
        raise BackendRefused(NOT_YET)


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return ReductionistBackend
