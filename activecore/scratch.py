"""Memory that each thread uses again: fresh memory for each chunk costs faults."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_KEPT", "lend"]

MOST_KEPT = 64 << 20
"""Bytes that a thread keeps for each purpose, at most: a long-lived one would never
give back what a chunk of unusual size took."""

_held = threading.local()


def lend(purpose: str, nbytes: int) -> NDArray[np.uint8]:
    """Lend this thread's memory, until it asks again for the same purpose."""
    if nbytes > MOST_KEPT:
        return np.empty(nbytes, dtype=np.uint8)
    block: NDArray[np.uint8] | None = getattr(_held, purpose, None)
    if block is None or block.nbytes < nbytes:
        block = np.empty(nbytes, dtype=np.uint8)
        setattr(_held, purpose, block)
    return block[:nbytes]
