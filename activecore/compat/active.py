"""``Active``: the calls of PyActiveStorage and cf-python, with right answers.

What is different on purpose: packed data are unpacked, every missing rule applies, sums
accumulate in 64 bits, a reduction asked for once does not stick to the next call, and
what cannot be answered is an error instead of a wrong number.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from activecore.api import open as open_source
from activecore.array import ActiveArray
from activecore.discovery import default_backend, scheme_of
from activecore.errors import BackendNotInstalled, ConfigError, UnsupportedReduction
from activecore.opened import opened
from activecore.question import axis_numbers
from activecore.recording import Run, record

__all__ = ["Active"]

logger = logging.getLogger(__name__)

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
        A path or URL, or a variable that pyfive, h5py or netCDF4-python has open.
    ncvar
        Name of the variable; of an open dataset its own name.
    axis
        Axes to reduce, by number; None: all.
    interface_type, storage_type
        Two spellings of the kind of store (``"s3"``, ``"https"``; None: as the URL
        says). ``"s3"`` makes a plain ``bucket/key`` an ``s3://`` URL.
    max_threads
        Batches at work at once, at most.
    storage_options
        As for ``activecore.open``; None, and an open variable: those of the filesystem
        that it was opened with.
    active_storage_url
        URL of the active storage server. The backend is then the one that is
        installed for ``active+s3`` (or ``active+https``) URLs, and behind it, for what
        the server cannot do, the one for the URL itself. Files of this machine have
        no server: for them it is ignored, as PyActiveStorage does.
    option_disable_chunk_cache
        Whether the server is told not to answer from chunks that it has kept, if the
        configuration lets it.
    backend
        As for ``activecore.open``; the first of several is the server's.
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
        self.interface_type = interface_type if storage_type is None else storage_type
        self.uri, self.ncvar, found = _source(dataset, ncvar)
        if self.interface_type == "s3" and "://" not in self.uri:
            self.uri = f"s3://{self.uri.lstrip('/')}"
        self.storage_options = found if storage_options is None else storage_options
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
        shared, run = self._shared, self._shared.run
        return {
            "chunks": run.chunks,
            "requests": run.requests,
            "bytes_read": run.bytes_read,
            "bytes_received": run.bytes_received,
            "seconds": run.seconds,
            # The keys that cf-python logs, in PyActiveStorage's words.
            "dataset chunks": run.chunks,
            "load nc time": shared.seconds_opening,
            "indexing time (s)": shared.seconds_indexing,
            "reduction time (s)": run.seconds,
            "selection 2 time (s)": shared.seconds_indexing + run.seconds,
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
        shared = self._shared
        if shared.array is None:
            begin = time.perf_counter()
            shared.array = self._open()
            shared.seconds_opening = time.perf_counter() - begin
        begin = time.perf_counter()
        array = shared.array[_kept(index)]
        shared.seconds_indexing = time.perf_counter() - begin
        with record() as run:
            answer = self._answer(array)
        shared.run = run
        return answer

    def _open(self) -> ActiveArray:
        backend, options = self._backend, dict(self.storage_options or {})
        if self.active_storage_url is not None:
            names = _server_backends(self.uri) if backend is None else backend
            names = [names] if isinstance(names, str) else list(names)
            if names:
                server: dict[str, Any] = {"active_storage_url": self.active_storage_url}
                if self.option_disable_chunk_cache:
                    server["option_disable_chunk_cache"] = True
                options[names[0]] = {**options.get(names[0], {}), **server}
                backend = names
        return open_source(
            self.uri,
            self.ncvar,
            backend=backend,
            storage_options=options,
            threads=min(self._max_threads, _MOST_THREADS),
        )

    def _answer(self, array: ActiveArray) -> Any:
        if self._method is None:
            if self.components:
                raise ConfigError("components need a method")
            return array.read()
        if self._version == 0:
            axes = axis_numbers(self.axis, array.dims)
            return self._reduced_here(array.read(), axes)
        return array.reduce(
            self._method, self.axis, keepdims=True, components=self.components
        )

    def _reduced_here(
        self, values: np.ma.MaskedArray[Any, Any], axes: tuple[int, ...]
    ) -> Any:
        """Reduce without active storage, what was read by NumPy."""
        if not self.components:
            return self.method(values, axis=axes, keepdims=True)
        # As everywhere, a mean is made of a sum and a count.
        name = "sum" if self._method == "mean" else str(self._method)
        return {
            name: _METHODS[name](values, axis=axes, keepdims=True),
            "n": np.ma.count(values, axis=axes, keepdims=True),
        }


@dataclass(slots=True)
class _Shared:
    """What copies of one ``Active`` have in common."""

    array: ActiveArray | None = None
    """The variable, once it is open."""
    run: Run = field(default_factory=Run)
    """What the last index cost."""
    seconds_opening: float = 0.0
    """How long it took to open the variable."""
    seconds_indexing: float = 0.0
    """How long it took to make a view of what was asked for."""


def _source(
    dataset: Any, ncvar: str | None
) -> tuple[str, str, Mapping[str, Any] | None]:
    if dataset is None:
        raise ConfigError("a dataset is a path, a URL or an open variable, not None")
    if isinstance(dataset, (str, os.PathLike)):
        if ncvar is None:
            raise ConfigError(f"name the variable of {os.fspath(dataset)} to reduce")
        return os.fspath(dataset), ncvar, None
    found = opened(dataset)
    return found.url, found.variable, found.storage_options


def _server_backends(url: str) -> list[str]:
    """Name the backend that asks an active storage server, and the one without it.

    Empty where no server can be beside the store: on this machine's disks.
    """
    scheme = scheme_of(url)
    if scheme in ("file", "local"):
        logger.debug("%s lies on this machine: no active storage server is asked", url)
        return []
    names = [default_backend(f"active+{scheme}")]
    try:
        names.append(default_backend(scheme))
    except BackendNotInstalled as error:
        logger.debug("there is nothing to fall back on: %s", error)
    return names


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
