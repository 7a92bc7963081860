"""Finding out what a lazy variable selects: its elements say where they come from.

While a probe is open in a thread, sources answer reads with places instead of values:
each element says which source it is of, and its position along one dimension there.
Whatever xarray and Dask do to select, order, turn, join or rechunk then happens to
places, and their answer *is* the selection. Places are no numbers, so computing with
them fails or changes their dtype: what was computed on is never taken for a selection.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["PLACE", "Probe", "current_probe", "probing"]

Array: TypeAlias = NDArray[Any]

PLACE = np.dtype([("source", "i8"), ("position", "i8")])
"""Dtype of a place."""

_here = threading.local()


@dataclass
class Probe:
    """What is asked of sources, and which of them were asked."""

    dimension: int
    """The dimension of a source whose positions are wanted; others give zero."""
    sources: list[Any] = field(default_factory=list)
    """The sources that were asked; a place has its number in this list."""

    def answer(self, source: Any, key: tuple[Any, ...]) -> Array:
        """Answer a source's read: places, of the shape that its values would have.

        Takes no memory whatever the shape: along other dimensions it is one place.
        """
        if not any(known is source for known in self.sources):
            self.sources.append(source)
        number = next(n for n, known in enumerate(self.sources) if known is source)
        shape: list[int] = []
        along: Array | None = None
        for axis, (item, length) in enumerate(zip(key, source.shape, strict=True)):
            chosen = np.arange(length)[item]
            if axis == self.dimension:
                places = np.empty(chosen.shape, dtype=PLACE)
                places["source"], places["position"] = number, chosen
                along = places
            if chosen.ndim == 1:
                shape.append(len(chosen))
                if along is not None and axis > self.dimension and along.ndim > 0:
                    along = along[..., np.newaxis]
        if along is None:
            along = np.zeros((), dtype=PLACE)
            along["source"] = number
        return np.broadcast_to(along, shape)


def current_probe() -> Probe | None:
    """Give the probe that is open in this thread."""
    return getattr(_here, "probe", None)


@contextmanager
def probing(dimension: int) -> Iterator[Probe]:
    """Let sources answer with places, in this thread alone."""
    before = current_probe()
    _here.probe = probe = Probe(dimension)
    # Dask's threads and workers would not be in the probe.
    dask = sys.modules.get("dask")
    here = nullcontext() if dask is None else dask.config.set(scheduler="synchronous")
    try:
        with here:
            yield probe
    finally:
        _here.probe = before
