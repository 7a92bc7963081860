"""What a server is asked about each chunk of a batch, in the server's own terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore import BackendRefused, ChunkLayout
from activecore_reductionist.rules import Rule

__all__ = ["Question", "SourceObject", "decoding_of", "require_dtype"]


@dataclass(frozen=True, slots=True)
class SourceObject:
    """An object of an S3 store, as the server finds it."""

    endpoint: str
    """URL of the store, without bucket."""
    bucket: str
    """Name of the bucket."""
    key: str
    """Name of the object in it."""


@dataclass(frozen=True, slots=True)
class Question:
    """All of a request but where the chunk lies.

    Dimensions are in the sequence in which they are stored, slowest first, so that
    every order of axes is C order to the server; there is at least one dimension.
    """

    operation: str
    """``count``, ``sum``, ``min``, ``max`` or ``select``."""
    dtype: np.dtype[Any]
    """Dtype of the stored elements, byte order included."""
    shape: tuple[int, ...]
    """Shape of the decoded chunk."""
    selection: tuple[tuple[int, int, int], ...]
    """Start, stop and step along each dimension: not empty, steps positive."""
    axis: tuple[int, ...]
    """What the server reduces, ascending; always listed, empty for ``select`` only.

    Left out, a server adds up float32 in one long row, which costs digits.
    """
    rule: Rule | None
    """What is missing; not sent with ``select``, whose elements are masked here."""
    compression: str | None
    """The server's name of the compressor."""
    filters: tuple[int, ...] = ()
    """Element sizes of the shuffles before the compressor, in encode order."""

    @property
    def selected(self) -> tuple[int, ...]:
        """Shape of the selected part of the chunk."""
        return tuple(len(range(*item)) for item in self.selection)

    @property
    def reply_shape(self) -> tuple[int, ...]:
        """Shape of the reply: the dimensions that are not reduced."""
        return tuple(
            length for a, length in enumerate(self.selected) if a not in self.axis
        )

    @property
    def reply_dtype(self) -> np.dtype[Any]:
        """Native dtype of the reply: counts are int64, the rest is as stored."""
        if self.operation == "count":
            return np.dtype(np.int64)
        return self.dtype.newbyteorder("=")

    @property
    def behind(self) -> int:
        """Elements behind each value of the reply, missing ones included."""
        return math.prod(self.selected[a] for a in self.axis)

    @property
    def reply_bytes(self) -> int:
        """Bytes of values and counts in the reply, without its wrapping."""
        elements = math.prod(self.reply_shape)
        counts = 1 if self.operation == "select" else elements
        return elements * self.reply_dtype.itemsize + 8 * counts


def require_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse elements that the server has no type for.

    Raises
    ------
    BackendRefused
        Naming the dtype.
    """
    if dtype.kind not in "iuf" or dtype.itemsize not in (4, 8):
        raise BackendRefused(
            f"the server knows integers and floats of 4 and 8 bytes, not {dtype.name}"
        )


def decoding_of(layout: ChunkLayout) -> tuple[str | None, tuple[int, ...]]:
    """Translate a layout's codecs: the compressor, and the shuffles before it.

    Blosc is left out on purpose: release 0.13.1 of the server decodes intact chunks
    that were shuffled by bits to other values, without an error.

    Raises
    ------
    BackendRefused
        Naming the codec that the server lacks.
    """
    compression: str | None = None
    filters: list[int] = []
    for codec in layout.codecs:
        if compression is not None:
            raise BackendRefused(
                f"the server cannot undo {codec.id!r} after the compressor"
            )
        if codec.id == "shuffle":
            filters.append(_element_size(codec.config, layout))
        elif codec.id in ("zlib", "gzip"):
            compression = codec.id
        elif codec.id in ("blosc", "blosc2"):
            raise BackendRefused(
                f"the server decodes {codec.id!r} to wrong values now and then"
            )
        else:
            raise BackendRefused(
                f"the server decodes zlib, gzip and shuffle, not {codec.id!r}"
            )
    return compression, tuple(filters)


def _element_size(config: dict[str, Any], layout: ChunkLayout) -> int:
    size = config.get("elementsize", 4)  # numcodecs' default
    if not isinstance(size, int) or size < 1:
        raise BackendRefused(f"the server needs a shuffle's element size, not {size!r}")
    if layout.nbytes % size != 0:
        raise BackendRefused(
            f"the server cannot undo a shuffle of {size} bytes in a chunk of "
            f"{layout.nbytes}"
        )
    return size
