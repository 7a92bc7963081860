"""Memory for bytes that were just read, used again for every batch."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

__all__ = ["scratch"]

_PAGE = 4096
_LINE = 64
_MOST = 16 << 20
"""Bytes that each thread keeps; what a batch needs beyond them is allocated anew."""


def _aligned(size: int) -> NDArray[np.uint8]:
    raw = np.empty(size + _PAGE, dtype=np.uint8)
    start = -raw.ctypes.data % _PAGE
    return raw[start : start + size]


class _Scratch(threading.local):
    """One thread's memory; fresh memory for every read would cost page faults."""

    def __init__(self) -> None:
        self._block = _aligned(0)
        self._used = 0

    def reset(self) -> None:
        """Take everything back: what was lent before must not be used any more."""
        if self._used > len(self._block) and len(self._block) < _MOST:
            self._block = _aligned(min(self._used, _MOST))
        self._used = 0

    def take(self, size: int, offset: int) -> memoryview:
        """Lend memory for ``size`` bytes that lie at ``offset`` of a file.

        It is aligned for any dtype. Copying from the page cache runs at less than
        half speed where the target lies slightly ahead of its origin within a page,
        so a long read gets a place half a page away.
        """
        start = self._used + -self._used % _LINE
        if size >= _PAGE:
            place = (offset + _PAGE // 2) % _PAGE // _LINE * _LINE
            start += (place - start) % _PAGE
        self._used = start + size
        if self._used <= len(self._block):
            return memoryview(self._block[start : self._used])  # type: ignore[arg-type] # an array is a buffer, as of Python 3.12
        return memoryview(_aligned(size))  # type: ignore[arg-type] # an array is a buffer, as of Python 3.12


scratch = _Scratch()
