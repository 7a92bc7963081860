"""Deflate, as zlib and gzip wrap it, through libdeflate.

libdeflate is told the decoded size and needs less than half of zlib's time, but says
only that something failed. What it will not decode, the standard library tries again:
its word is the last, and says why.

With ``activecore[fast]``, once compiled loops are worth their start-up, libdeflate is
called from such a loop. The bytes are the same, so that may begin at any chunk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step
from activecore.codecs.streams import decode_gzip, decode_zlib
from activecore.encoded import EncodedChunks

__all__ = ["gzip_step", "prepare_loop", "zlib_step"]

logger = logging.getLogger(__name__)

Addresses: TypeAlias = NDArray[np.uintp]
Sizes: TypeAlias = NDArray[np.int64]

_MOST_BYTES = 1 << 32
"""The package takes sizes modulo this without a word."""


_Inflate: TypeAlias = Callable[[Addresses, Sizes, Bytes], NDArray[np.bool_]]

_loop: _Inflate | None = None


def prepare_loop() -> None:
    """Compile, or load what was compiled, the loop that inflates from now on."""
    global _loop  # noqa: PLW0603 - set once, and any thread may see it or not yet
    try:
        from activecore.codecs.inflate_loop import inflate
    except (ImportError, AttributeError, OSError) as error:
        # No ``deflate``, or one that was built otherwise: as without the loop.
        logger.debug("zlib streams are not inflated by a compiled loop: %s", error)
        return
    nothing = np.empty(0, np.uintp), np.empty(0, np.int64), np.empty((0, 1), np.uint8)
    inflate(*nothing)
    _loop = inflate


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
    if _loop is not None and room.out is not None and room.out.nbytes > 0:
        where = np.array([encoded.ctypes.data], np.uintp)
        long = np.array([encoded.nbytes])
        if not _loop(where, long, room.out.reshape(1, -1))[0]:
            return room.out
        return decode_zlib(encoded, room)
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


def _zlib_all(encoded: EncodedChunks, out: Bytes) -> list[int]:
    if _loop is not None:
        others: list[int] = np.flatnonzero(
            _loop(encoded.addresses(), encoded.sizes, out)
        ).tolist()
        return others
    return _zlib_each(encoded, out)


def _zlib_each(encoded: EncodedChunks, out: Bytes) -> list[int]:
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
        if buffer is None:
            raise ValueError("there is no such object")
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
