"""``Active``: the calls of PyActiveStorage and cf-python, with right answers.

What is different on purpose: packed data are unpacked, every missing rule applies, sums
accumulate in 64 bits, a reduction asked for once does not stick to the next call, and
what cannot be answered is an error instead of a wrong number.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from activecore.api import open as open_source
from activecore.array import ActiveArray
from activecore.errors import ConfigError, UnsupportedReduction
from activecore.recording import Run, record

__all__ = ["Active"]

_METHODS: Mapping[str, Any] = {
    "min": np.ma.min,
    "max": np.ma.max,
    "sum": np.ma.sum,
    "mean": np.ma.mean,
}

_MOST_THREADS = 32
"""The old default of a hundred threads only makes them wait for each other."""

_VERSIONS = (0, 1, 2)
"""0: read, then reduce here; 1 and 2: reduce where the backend does."""


class Active:
    """A variable that is reduced by indexing: ``Active(url, "tas").mean()[0:12]``.

    Parameters
    ----------
    dataset
        A path or URL, or an open ``pyfive`` or ``h5py`` dataset.
    ncvar
        Name of the variable; of an open dataset its own name.
    axis
        Axes to reduce, by number; None: all.
    interface_type, storage_type
        Two spellings of the kind of store (``"s3"``, ``"https"``; None: as the URL
        says). Kept and not acted on: the backend follows from the URL and the
        configuration.
    max_threads
        Batches at work at once, at most.
    storage_options
        As for ``activecore.open``.
    active_storage_url
        URL of the active storage server. A server is configured here, and its URL is
        not passed on: anything but None needs ``backend``, and is kept for whoever
        looks it up.
    option_disable_chunk_cache
        Accepted for compatibility; nothing is cached in this process.
    backend
        As for ``activecore.open``.
    """

    def __init__(
        self,
        dataset: Any,
        ncvar: str | None = None,
        axis: int | Iterable[int] | None = None,
        interface_type: str | None = None,
        max_threads: int = 100,
        storage_options: Mapping[str, Any] | None = None,
        active_storage_url: str | None = None,
        option_disable_chunk_cache: bool = False,
        *,
        storage_type: str | None = None,
        backend: str | list[str] | None = None,
    ) -> None:
        if interface_type is not None and storage_type not in (None, interface_type):
            raise ConfigError("interface_type and storage_type are one thing")
        self.uri, self.ncvar = _source(dataset, ncvar)
        self.interface_type = interface_type if storage_type is None else storage_type
        self.storage_options = storage_options
        self.active_storage_url = active_storage_url
        self.option_disable_chunk_cache = option_disable_chunk_cache
        self.components = False
        self._version = 1
        self.axis = _axes(axis)
        self._method: str | None = None
        self._max_threads = max_threads
        self._backend = backend
        # Held by every copy that ``min`` and its like make: they are one variable.
        self._shared = _Shared()
        if active_storage_url is not None and backend is None:
            raise ConfigError(
                "active_storage_url does not say which backend speaks to the server: "
                "configure the server's URL, and name its backend with backend="
            )

    @property
    def method(self) -> Any:
        """The reduction that the next index applies; set it by name."""
        return None if self._method is None else _METHODS[self._method]

    @method.setter
    def method(self, value: str | None) -> None:
        if value is not None and value not in _METHODS:
            raise UnsupportedReduction(
                f"there is no method {value!r}; there are {', '.join(_METHODS)}"
            )
        self._method = value

    def min(self, axis: int | Iterable[int] | None = None) -> Self:
        """Ask for the least element: ``active.min()[...]``."""
        return self._asking("min", axis)

    def max(self, axis: int | Iterable[int] | None = None) -> Self:
        """Ask for the greatest element: ``active.max()[...]``."""
        return self._asking("max", axis)

    def mean(self, axis: int | Iterable[int] | None = None) -> Self:
        """Ask for the mean: ``active.mean()[...]``."""
        return self._asking("mean", axis)

    def _asking(self, method: str, axis: int | Iterable[int] | None) -> Self:
        # A copy: what is asked here must not stick to the next call.
        asking = copy.copy(self)
        asking.method = method
        if axis is not None:
            asking.axis = _axes(axis)
        return asking

    @property
    def metric_data(self) -> dict[str, Any]:
        """What the last index cost, of this or of ``active.min()`` and its like."""
        run = self._shared.run
        return {
            "chunks": run.chunks,
            "requests": run.requests,
            "bytes_read": run.bytes_read,
            "bytes_received": run.bytes_received,
            "seconds": run.seconds,
        }

    @property
    def data_read(self) -> int:
        """Bytes that the store read for the last index."""
        return self._shared.run.bytes_read

    def __getitem__(self, index: Any) -> Any:
        """Read or reduce a part; reduced dimensions stay at length one.

        An integer index keeps its dimension at length one. With ``components`` a
        reduction gives what it is made of: ``{"sum": …, "n": …}``.
        """
        if self._version not in _VERSIONS:
            raise ConfigError(f"version {self._version!r} is none of 0, 1 and 2")
        if self._shared.array is None:
            self._shared.array = open_source(
                self.uri,
                self.ncvar,
                backend=self._backend,
                storage_options=self.storage_options,
                threads=min(self._max_threads, _MOST_THREADS),
            )
        array = self._shared.array[_kept(index)]
        with record() as run:
            answer = self._answer(array)
        self._shared.run = run
        return answer

    def _answer(self, array: ActiveArray) -> Any:
        if self._method is None:
            if self.components:
                raise ConfigError("components need a method")
            return array.read()
        if self._version == 0:
            return self._reduced_here(array.read())
        return array.reduce(
            self._method, self.axis, keepdims=True, components=self.components
        )

    def _reduced_here(self, values: np.ma.MaskedArray[Any, Any]) -> Any:
        """Reduce without active storage, what was read by NumPy."""
        if not self.components:
            return self.method(values, axis=self.axis, keepdims=True)
        # As everywhere, a mean is made of a sum and a count.
        name = "sum" if self._method == "mean" else str(self._method)
        return {
            name: _METHODS[name](values, axis=self.axis, keepdims=True),
            "n": np.ma.count(values, axis=self.axis, keepdims=True),
        }


@dataclass(slots=True)
class _Shared:
    """What copies of one ``Active`` have in common."""

    array: ActiveArray | None = None
    """The variable, once it is open."""
    run: Run = field(default_factory=Run)
    """What the last index cost."""


def _source(dataset: Any, ncvar: str | None) -> tuple[str, str]:
    if dataset is None:
        raise ConfigError("a dataset is a path, a URL or an open variable, not None")
    if isinstance(dataset, (str, os.PathLike)):
        if ncvar is None:
            raise ConfigError(f"name the variable of {os.fspath(dataset)} to reduce")
        return os.fspath(dataset), ncvar
    name = getattr(dataset, "name", None)
    where = getattr(getattr(dataset, "id", None), "_filename", None)
    if where is None:
        where = getattr(getattr(dataset, "file", None), "filename", None)
    if name is None or where is None:
        raise ConfigError(f"{type(dataset).__name__} is no path, URL or open variable")
    return os.fspath(where), str(name)


def _axes(axis: int | Iterable[int] | None) -> tuple[int, ...] | None:
    if axis is None:
        return None
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _kept(index: Any) -> tuple[Any, ...]:
    """Turn integers into lists of one: dimensions are kept, and ranges checked."""
    items = index if isinstance(index, tuple) else (index,)
    return tuple(
        [item]
        if isinstance(item, (int, np.integer)) and not isinstance(item, bool)
        else item
        for item in items
    )
