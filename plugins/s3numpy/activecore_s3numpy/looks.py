"""The first bytes of objects, kept for a moment: they say what an object is."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar

from activecore_s3numpy.addresses import Address
from activecore_s3numpy.replies import Meta

__all__ = ["FirstLooks", "Look"]

_MOST = 16
"""Objects whose first bytes are kept."""


@dataclass(frozen=True, slots=True)
class Look:
    """What came when the beginning of an object was read."""

    SIZE: ClassVar[int] = 64 << 10
    """Bytes that are read. On a link of 20 ms and 100 MB/s they cost nothing more."""

    meta: Meta
    head: bytes

    def part(self, start: int | None, end: int | None) -> bytes | None:
        """Give a part of the object if it lies within what is known."""
        first = 0 if start is None else start
        stop = self.meta.size if end is None else min(end, self.meta.size)
        if first < 0 or stop < 0 or stop > len(self.head):
            return None
        return self.head[first:stop]


class FirstLooks:
    """Keeps a few looks. Threads share it."""

    def __init__(self) -> None:
        self._looks: dict[Address, Look] = {}
        self._lock = threading.Lock()

    def get(self, address: Address) -> Look | None:
        """Give what is known of an object."""
        return self._looks.get(address)

    def put(self, address: Address, look: Look) -> None:
        """Keep a look; the oldest goes."""
        with self._lock:
            self._looks[address] = look
            while len(self._looks) > _MOST:
                del self._looks[next(iter(self._looks))]

    def forget(self, address: Address | None) -> None:
        """Forget one, or all (None)."""
        with self._lock:
            if address is None:
                self._looks.clear()
            else:
                self._looks.pop(address, None)
