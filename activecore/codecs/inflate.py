"""Deflate, as zlib and gzip wrap it, through libdeflate.

libdeflate is told the decoded size and needs less than half of zlib's time, but says
only that something failed. What it will not decode, the standard library tries again:
its word is the last, and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType

from activecore.codecs.memory import Buffer, Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step
from activecore.codecs.streams import decode_gzip, decode_zlib

__all__ = ["gzip_step", "zlib_step"]

_MOST_BYTES = 1 << 32
"""The package takes sizes modulo this without a word."""


@cache
def _libdeflate() -> ModuleType | None:
    try:
        import deflate
    except ImportError:
        return None
    module: ModuleType = deflate
    return module


def zlib_step(_config: Config) -> Step:
    """Decode a zlib stream."""
    return Step(_zlib, decode_all=_zlib_all)


def gzip_step(_config: Config) -> Step:
    """Decode gzip members, one after another."""
    return Step(_gzip)


def _zlib(encoded: Bytes, room: Room) -> Bytes:
    library, size = _libdeflate(), room.size
    if library is not None and size is not None and 0 < size < _MOST_BYTES:
        try:
            decoded = library.zlib_decompress(encoded, size)
        except library.DeflateError:
            return decode_zlib(encoded, room)
        # It says nothing of bytes after the stream; the last ones must be its check.
        check = int.from_bytes(encoded[-4:].tobytes(), "big")
        if len(decoded) == size and library.adler32(decoded) == check:
            return as_bytes(decoded)
    return decode_zlib(encoded, room)


def _zlib_all(encoded: Sequence[Buffer], out: Bytes) -> list[int]:
    library = _libdeflate()
    count, size = out.shape
    if library is None or size == 0:
        return list(range(count))
    decompress, check, failed = (
        library.zlib_decompress,
        library.adler32,
        library.DeflateError,
    )
    # Through memoryviews: NumPy takes longer to copy 2 kB than libdeflate to check it.
    memory, others = memoryview(out.reshape(-1)), []  # type: ignore[arg-type] # an array is a buffer, as of Python 3.12
    for position, buffer in enumerate(encoded):
        try:
            decoded = decompress(buffer, size)
        except failed:
            others.append(position)
            continue
        end = check(decoded).to_bytes(4, "big")
        if len(decoded) != size or bytes(buffer[-4:]) != end:
            others.append(position)
            continue
        memory[position * size : (position + 1) * size] = decoded
    return others


def _gzip(encoded: Bytes, room: Room) -> Bytes:
    library, size = _libdeflate(), room.size
    if library is not None and size is not None and 0 < size < _MOST_BYTES:
        try:
            decoded = library.gzip_decompress(encoded, size)
        except library.DeflateError:
            return decode_gzip(encoded, room)
        # The same of bytes after the first member, which its length ends.
        end = encoded.tobytes().find(size.to_bytes(4, "little"))
        if len(decoded) == size and end == encoded.nbytes - 4:
            return as_bytes(decoded)
    return decode_gzip(encoded, room)
