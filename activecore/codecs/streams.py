"""Streams of the standard library's compressors: bzip2, LZMA, and zlib's own.

They are decoded as far as the expected size and one byte more, never further, so that
a few kilobytes do not become gigabytes; and they tell exactly what is wrong.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step

__all__ = ["bz2_step", "decode_gzip", "decode_zlib", "lzma_step"]

_DICTIONARY_BYTES = 128 << 20
"""Memory that LZMA may take beside its output; its highest preset takes 65 MiB."""

_GZIP_WINDOW = 31
"""What tells zlib that the stream is gzip's."""


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


def decode_zlib(encoded: Bytes, room: Room) -> Bytes:
    """Decode one zlib stream."""
    return _decode(encoded, room, zlib.decompressobj, is_several=False)


def decode_gzip(encoded: Bytes, room: Room) -> Bytes:
    """Decode gzip members, one after another; zeros may pad them."""
    return _decode(encoded, room, lambda: zlib.decompressobj(_GZIP_WINDOW), padding=0)


def bz2_step(_config: Config) -> Step:
    """Decode bzip2 streams, one after another."""
    return Step(lambda encoded, room: _decode(encoded, room, bz2.BZ2Decompressor))


def lzma_step(config: Config) -> Step:
    """Decode LZMA streams, one after another, in any format of the library."""
    options: dict[str, Any] = {"format": config.get("format", lzma.FORMAT_XZ)}
    if config.get("filters") is not None:
        options["filters"] = [dict(item) for item in config["filters"]]

    def decode(encoded: Bytes, room: Room) -> Bytes:
        memory: dict[str, Any] = {}
        if options["format"] != lzma.FORMAT_RAW:
            memory["memlimit"] = room.most + _DICTIONARY_BYTES
        return _decode(
            encoded, room, lambda: lzma.LZMADecompressor(**options, **memory)
        )

    return Step(decode)


def _decode(
    encoded: Bytes,
    room: Room,
    make: Callable[[], _Stream],
    *,
    is_several: bool = True,
    padding: int | None = None,
) -> Bytes:
    left = room.most
    parts: list[bytes] = []
    rest: memoryview = encoded.data
    while True:
        stream = make()
        part = stream.decompress(rest, left + 1)
        if len(part) > left:
            raise ValueError(f"it holds more than {room.most} bytes")
        if not stream.eof:
            raise ValueError("it ends early")
        left -= len(part)
        parts.append(part)
        rest = rest[len(rest) - len(stream.unused_data) :]
        if padding is not None:
            rest = _skip(rest, padding)
        if len(rest) == 0:
            return as_bytes(b"".join(parts))
        if not is_several:
            raise ValueError(f"{len(rest)} bytes follow its end")


def _skip(rest: memoryview, padding: int) -> memoryview:
    if len(rest) == 0 or rest[0] != padding:
        return rest
    other = np.flatnonzero(as_bytes(rest) != padding)
    return rest[int(other[0]) if len(other) > 0 else len(rest) :]
