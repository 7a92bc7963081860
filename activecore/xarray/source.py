"""One opened source, shared by the variables of a dataset."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from activecore.api import Dataset
from activecore.api import open as open_source
from activecore.array import ActiveArray

__all__ = ["Source"]

Array: TypeAlias = NDArray[Any]


class Source:
    """An opened source. Readers are used by one thread at a time: it sees to that.

    It does not travel: arrays that are pickled take what they need with them, and a
    dataset elsewhere has nothing left to close.
    """

    def __init__(
        self,
        url: str,
        *,
        backend: str | Sequence[str] | None = None,
        profile: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        reader: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.url = url
        self._lock = threading.RLock()
        self.dataset: Dataset = open_source(
            url,
            backend=backend,
            profile=profile,
            storage_options=storage_options,
            reader=reader,
            threads=threads,
        )

    def array(self, name: str) -> ActiveArray:
        """Describe a variable of numbers; its index is read now."""
        with self._lock:
            return self.dataset[name]

    def text(self, name: str) -> Array:
        """Read a variable of text."""
        with self._lock:
            return self.dataset.read(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Left, ()

    def close(self) -> None:
        """Close the source. What arrays know already stays usable."""
        with self._lock:
            self.dataset.close()


class _Left:
    """What becomes of a source in another process: it was left where it is open."""

    def close(self) -> None:
        """Do nothing."""
