"""Where decoded bytes go: the buffers, and how much may be put in them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.encoded import Buffer

__all__ = ["Bytes", "Room", "as_bytes"]

Bytes: TypeAlias = NDArray[np.uint8]
"""Bytes as every decoder takes and gives them: one dimension, contiguous."""

_BYTE = np.dtype(np.uint8)


def as_bytes(buffer: Buffer) -> Bytes:
    """View a buffer as bytes; nothing is copied."""
    if isinstance(buffer, np.ndarray):
        if buffer.dtype == np.uint8 and buffer.ndim == 1:
            return buffer
        return buffer.reshape(-1).view(np.uint8)
    return np.frombuffer(buffer, _BYTE)


class Room:
    """What one decoder is told of the bytes that it is to make.

    Parameters
    ----------
    size
        How many bytes come out, if that is known beforehand.
    limit
        How many may come out where it is not.
    out
        Where they belong, exactly ``size`` long; None: anywhere.
    """

    __slots__ = ("limit", "out", "size")

    def __init__(self, size: int | None, limit: int, out: Bytes | None) -> None:
        self.size = size
        self.limit = limit
        self.out = out

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
        return np.empty(nbytes, _BYTE) if self.out is None else self.out
