"""Zstandard, LZ4 and Blosc, through numcodecs.

All three write down how much they hold. It is read here and compared before any memory
is taken, and Blosc's further lengths are compared with the bytes that there are:
numcodecs decodes half of its chunk into rubbish without an error.
"""

from __future__ import annotations

from typing import Any

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step, library

__all__ = ["blosc_step", "lz4_decode", "lz4_step", "zstd_decode", "zstd_step"]

_ZSTD_MAGIC = bytes.fromhex("28b52ffd")
_LZ4_MOST_BYTES = 0x7E000000
"""The longest block that LZ4 knows; numcodecs counts in 32 bits."""

_BLOSC_HEADER = 16
_BLOSC_COMPRESSORS = ("blosclz", "lz4", "snappy", "zlib", "zstd")
"""By number; lz4hc writes what lz4 reads."""


def zstd_step(_config: Config) -> Step:
    """Decode Zstandard frames, one after another; their checksums are verified."""
    return Step(_zstd)


def lz4_step(_config: Config) -> Step:
    """Decode an LZ4 block behind its size, little-endian, 4 bytes (numcodecs)."""
    return Step(_lz4)


def blosc_step(_config: Config) -> Step:
    """Decode a Blosc 1 chunk: any compressor, bytes or bits shuffled or not."""
    return Step(_blosc)


def zstd_decode(encoded: Bytes, out: Bytes) -> None:
    """Decode one Zstandard frame that holds exactly ``out``'s length."""
    if _zstd_content(encoded) != out.nbytes:
        raise ValueError(f"its frame does not hold {out.nbytes} bytes")
    library("numcodecs.zstd").decompress(encoded, out)


def lz4_decode(encoded: Bytes, out: Bytes) -> None:
    """Decode one LZ4 block behind its size, which must be ``out``'s length."""
    if encoded.nbytes > _LZ4_MOST_BYTES:
        raise ValueError(f"{encoded.nbytes} bytes are too many for a block")
    library("numcodecs.lz4").decompress(encoded, out)


def _zstd(encoded: Bytes, room: Room) -> Bytes:
    zstd = library("numcodecs.zstd")
    content = _zstd_content(encoded)
    size = content if room.size is None else room.size
    if size is None:
        raise ValueError("its frame does not say how much it holds")
    if size == content:
        out = room.take(size)
        zstd.decompress(encoded, out)
        return out
    if content is not None and content > size:
        room.check(content)
    # Untold, or more than one frame: is it not more than there is room for?
    out = room.take(size)
    zstd.decompress(encoded, out)
    if content is None and encoded[:4].tobytes() == _ZSTD_MAGIC:
        return out
    # It may be less, which only the length of what numcodecs makes itself tells.
    return as_bytes(zstd.decompress(encoded))


def _zstd_content(encoded: Bytes) -> int | None:
    """Read how many bytes the first frame says that it holds; None: it does not."""
    head = encoded[:18].tobytes()
    if head[:4] != _ZSTD_MAGIC or len(head) < 6:  # noqa: PLR2004 - with descriptor
        return None
    descriptor = head[4]
    is_single = descriptor >> 5 & 1
    width = (is_single, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    place = 5 + (1 - is_single) + dictionary
    if width == 0 or len(head) < place + width:
        return None
    content = int.from_bytes(head[place : place + width], "little")
    return content + 256 if width == 2 else content  # noqa: PLR2004 - as it is stored


def _lz4(encoded: Bytes, room: Room) -> Bytes:
    if encoded.nbytes < 4:  # noqa: PLR2004 - bytes of its size
        raise ValueError("it ends early")
    out = room.take(int.from_bytes(encoded[:4].tobytes(), "little"))
    lz4_decode(encoded, out)
    return out


def _blosc(encoded: Bytes, room: Room) -> Bytes:
    if encoded.nbytes < _BLOSC_HEADER:
        raise ValueError("it ends early")
    head: Any = encoded[:_BLOSC_HEADER].copy().view("<u4")
    nbytes, blocksize, length = (int(number) for number in head[1:])
    if length != encoded.nbytes:
        raise ValueError(f"it is {length} bytes long, but there are {encoded.nbytes}")
    if blocksize > nbytes:
        raise ValueError(f"it has blocks of {blocksize} bytes in {nbytes}")
    out = room.take(nbytes)
    try:
        library("numcodecs.blosc").decompress(encoded, out)
    except RuntimeError as error:
        number = int(encoded[2]) >> 5
        names = dict(enumerate(_BLOSC_COMPRESSORS))
        name = names.get(number, f"compressor {number}")
        raise ValueError(f"its {name} blocks cannot be decoded") from error
    return out
