"""Where decoded bytes go: the buffers, and how much may be put in them."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffer", "Bytes", "Room", "as_bytes", "lend"]

Buffer = bytes | bytearray | memoryview | NDArray[Any]
"""Anything with the buffer protocol, C-contiguous."""

Bytes: TypeAlias = NDArray[np.uint8]
"""Bytes as every decoder takes and gives them: one dimension, contiguous."""

_KEPT_BYTES = 32 << 20
"""Size up to which a thread keeps a buffer for the next chunk."""

_kept = threading.local()


def as_bytes(buffer: Buffer) -> Bytes:
    """View a buffer as bytes; nothing is copied."""
    if isinstance(buffer, np.ndarray):
        if buffer.dtype == np.uint8 and buffer.ndim == 1:
            return buffer
        return buffer.reshape(-1).view(np.uint8)
    return np.frombuffer(buffer, dtype=np.uint8)


def lend(nbytes: int, *busy: Bytes) -> Bytes:
    """Lend one of this thread's buffers, until the chunk is decoded.

    Memory that is fresh for every chunk costs a page fault every 4 KiB.

    Parameters
    ----------
    nbytes
        How long it must be.
    *busy
        What it must not overlap: bytes that are still to be read or written.
    """
    if nbytes > _KEPT_BYTES:
        return np.empty(nbytes, dtype=np.uint8)
    buffers: list[Bytes] = _kept.__dict__.setdefault("buffers", [])
    for place, buffer in enumerate(buffers):
        if any(np.may_share_memory(buffer, other) for other in busy):
            continue
        if buffer.nbytes < nbytes:
            buffers[place] = np.empty(nbytes, dtype=np.uint8)
        return buffers[place][:nbytes]
    buffers.append(np.empty(nbytes, dtype=np.uint8))
    return buffers[-1]


class Room:
    """What one decoder is told of the bytes that it is to make.

    Parameters
    ----------
    encoded
        What it decodes.
    size
        How many bytes come out, if that is known beforehand.
    limit
        How many may come out where it is not.
    out
        Where they belong, exactly ``size`` long; None: anywhere.
    is_last
        Whether what comes out is handed to the caller, who keeps it.
    """

    __slots__ = ("_encoded", "_is_last", "limit", "out", "size")

    def __init__(
        self,
        encoded: Bytes,
        size: int | None,
        limit: int,
        out: Bytes | None,
        is_last: bool,
    ) -> None:
        self.size = size
        self.limit = limit
        self.out = out
        self._encoded = encoded
        self._is_last = is_last

    @property
    def most(self) -> int:
        """How many bytes may come out."""
        return self.limit if self.size is None else self.size

    def check(self, nbytes: int) -> None:
        """Make sure that ``nbytes``, which the encoded bytes announce, may come out.

        Raises
        ------
        ValueError
            Before any memory is taken for them.
        """
        if self.size is None:
            if nbytes > self.limit:
                raise ValueError(
                    f"it announces {nbytes} bytes, over the limit of {self.limit}"
                )
        elif nbytes != self.size:
            raise ValueError(
                f"it announces {nbytes} bytes where {self.size} were expected"
            )

    def take(self, nbytes: int) -> Bytes:
        """Give the memory in which to put ``nbytes``; raise as ``check`` does."""
        self.check(nbytes)
        if self.out is not None:
            return self.out
        if self._is_last:
            return np.empty(nbytes, dtype=np.uint8)
        return lend(nbytes, self._encoded)
