"""Seeing what a run did: ``with activecore.record() as run: ...``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from activecore.errors import ConfigError
from activecore.model import Cost

__all__ = ["Run", "active_runs", "record"]


@dataclass(slots=True)
class Run:
    """What happened inside a ``record`` block; grows while it happens."""

    chunks: int = 0
    """Chunks answered, those answered without any I/O included."""
    chunks_planned: int = 0
    """Chunks that the reductions begun so far touch."""
    requests: int = 0
    """Reads or calls sent to a store, retries not counted."""
    bytes_read: int = 0
    """Bytes that the store read for us."""
    bytes_received: int = 0
    """Bytes that came to this machine."""
    retries: int = 0
    """Requests sent again."""
    fallbacks: int = 0
    """Batches that another backend answered than the first one asked."""
    seconds: float = 0.0
    """Time inside the block."""
    backends: dict[str, int] = field(default_factory=dict)
    """Chunks answered by each backend; ``""``: by none, from the fill value."""
    progress: Callable[[Run], object] | None = field(default=None, repr=False)
    """Called in the thread that asked, whenever the run has grown."""

    def planned(self, chunks: int) -> None:
        """Note that a reduction of so many chunks begins."""
        self.chunks_planned += chunks
        self._tell()

    def answered(self, chunks: dict[str, int], cost: Cost, fallbacks: int) -> None:
        """Note an answer: chunks by backend, what they cost, batches that fell back."""
        for name, number in chunks.items():
            self.chunks += number
            self.backends[name] = self.backends.get(name, 0) + number
        self.requests += cost.requests
        self.bytes_read += cost.bytes_read
        self.bytes_received += cost.bytes_received
        self.retries += cost.retries
        self.fallbacks += fallbacks
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self)


_runs: ContextVar[tuple[Run, ...]] = ContextVar("runs", default=())


def active_runs() -> tuple[Run, ...]:
    """Give the runs that are being recorded here, outermost first."""
    return _runs.get()


@contextmanager
def record(progress: Callable[[Run], object] | None = None) -> Iterator[Run]:
    """Count what the reductions inside the block do.

    Sums the costs that partials bring with them, so that work done by threads,
    processes and Dask workers counts too. Blocks nest.

    Parameters
    ----------
    progress
        Called with the run, in the calling thread, whenever it has grown.
    """
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress must be a function, not {type(progress).__name__}")
    run = Run(progress=progress)
    token = _runs.set((*_runs.get(), run))
    start = time.perf_counter()
    try:
        yield run
    finally:
        run.seconds = time.perf_counter() - start
        _runs.reset(token)
