"""What arrays of one ``open`` share: backends, filesystem, limits."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from activecore.arguments import positive
from activecore.backend import StorageBackend
from activecore.choose import Chain
from activecore.errors import (
    ActiveCoreError,
    ChunkError,
    ConfigError,
    SourceChanged,
)
from activecore.execute import Outcome, Workers
from activecore.model import ArrayInfo, RunIndex, source_version

if TYPE_CHECKING:
    import fsspec

__all__ = ["Session"]

logger = logging.getLogger(__name__)


class Session:
    """The backends that answer, the filesystem behind them, and the run's limits.

    Arrays outlive the dataset they came from, so whoever made the backends may ask
    ``close_backends_at_end`` to close them when the last holder of the session is gone.
    """

    def __init__(
        self,
        backends: Sequence[StorageBackend],
        fs: fsspec.AbstractFileSystem,
        *,
        threads: int | None = None,
        deadline: float | None = None,
        fall_back: bool = True,
        executor: Workers | None = None,
    ) -> None:
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise ConfigError(
                "executor must be one of concurrent.futures or a client of a Dask "
                f"cluster, not {type(executor).__name__}"
            )
        self.backends = tuple(backends)
        self.fs = fs
        self.threads = (
            backends[0].concurrency if threads is None else positive("threads", threads)
        )
        self.deadline = deadline
        self.fall_back = fall_back
        self.executor = executor

    def __getstate__(self) -> dict[str, Any]:
        # An executor cannot travel; what is unpickled elsewhere works in threads.
        return {**self.__dict__, "executor": None}

    def close_backends_at_end(self) -> None:
        """Close the backends when the session is garbage or the interpreter ends."""
        for backend in self.backends:
            weakref.finalize(self, backend.close)

    def chain(self) -> Chain:
        """Make a chain of the backends for one run."""
        return Chain(self.backends, fall_back=self.fall_back)

    def unchanged(self, info: ArrayInfo, run: Callable[[], Outcome]) -> Outcome:
        """Make a run, and sure that its source is the same at its end.

        At the end of one that failed at a chunk, too: what lies there now may be
        another object's, and is not damaged. Nothing is asked where the store itself
        has made sure.

        Raises
        ------
        SourceChanged
            It was written to, or is gone.
        """
        try:
            outcome = run()
        except ChunkError as error:
            try:
                _check_index(info)
                self._check_version(info)
            except SourceChanged as change:
                raise change from error
            except ActiveCoreError as other:
                logger.debug("whether %s changed is not known: %s", info.name, other)
            raise
        _check_index(info)
        if not outcome.is_confirmed:
            self._check_version(info)
        return outcome

    def _check_version(self, info: ArrayInfo) -> None:
        """Make sure that a source is still the one whose index was read.

        Raises
        ------
        SourceChanged
            It was written to, or is gone.
        """
        if info.version is None:
            return
        path = info.version_source
        self.fs.invalidate_cache(path)
        try:
            now = source_version(self.fs.info(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceChanged(f"{path} was removed while it was read") from error
        if now != info.version:
            raise SourceChanged(
                f"{path} was changed after it was opened; open it again"
            )


def _check_index(info: ArrayInfo) -> None:
    """Make sure that what an index read during the run still holds."""
    if isinstance(info.index, RunIndex):
        info.index.check_unchanged()
