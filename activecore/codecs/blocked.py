"""HDF5's LZ4 and bitshuffle filters: blocks, each behind its length.

The blocks are decoded by numcodecs; the bits are put back in place with NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from activecore.codecs.blocks import lz4_decode, zstd_decode
from activecore.codecs.memory import Bytes, Room
from activecore.codecs.step import Config, Step, same
from activecore.errors import UnsupportedCodec

__all__ = ["hdf5_bitshuffle_step", "hdf5_lz4_step"]

_HEADER = 12
"""Bytes of the decoded size (8) and of the size of a block (4), big-endian."""

_LENGTH = 4
"""Bytes of a block's length, big-endian."""

_TRANSPOSE = (
    (7, 0x00AA00AA00AA00AA),
    (14, 0x0000CCCC0000CCCC),
    (28, 0x00000000F0F0F0F0),
)
"""Exchanges that transpose 8 bytes of 8 bits each: how far, and which bits."""

_WORK_BYTES = 1 << 18
"""Bytes whose bits are put in place together, so that they stay in cache."""


def hdf5_lz4_step(_config: Config) -> Step:
    """Decode what HDF5's registered filter 32004 writes."""

    def decode(encoded: Bytes, room: Room) -> Bytes:
        size, block = _header(encoded)
        out = room.take(size)
        if block == 0:
            raise ValueError("its blocks have no bytes")
        sizes = (min(block, size - start) for start in range(0, size, block))
        end = _decode_blocks(encoded, out, sizes, _lz4_or_stored)
        _check_end(encoded, end)
        return out

    return Step(decode)


def _lz4_or_stored(framed: Bytes, out: Bytes) -> None:
    if framed.nbytes - _LENGTH == out.nbytes:
        out[...] = framed[_LENGTH:]
    else:
        _lz4(framed, out)


def _lz4(framed: Bytes, out: Bytes) -> None:
    # numcodecs wants the decoded size where HDF5 has the encoded one.
    framed[:_LENGTH] = np.frombuffer(out.nbytes.to_bytes(_LENGTH, "little"), np.uint8)
    lz4_decode(framed, out)


def _zstd(framed: Bytes, out: Bytes) -> None:
    zstd_decode(framed[_LENGTH:], out)


_COMPRESSIONS: dict[int, Callable[[Bytes, Bytes], None]] = {2: _lz4, 3: _zstd}
"""By the number in bitshuffle's parameters; 0: none."""


def hdf5_bitshuffle_step(config: Config) -> Step:
    """Decode what HDF5's registered filter 32008 writes, compressed or not."""
    parameters = tuple(config.get("parameters", ()))
    itemsize, block, compression = (*parameters, 0, 0, 0)[2:5]
    if len(parameters) < 3 or itemsize < 1 or block % 8 != 0:  # noqa: PLR2004
        raise UnsupportedCodec(f"bitshuffle with the parameters {parameters}")
    length = block if block > 0 else max(8192 // itemsize // 8 * 8, 128)
    if compression == 0:
        return Step(
            lambda encoded, room: _unshuffled(
                encoded, room.take(encoded.nbytes), itemsize, length
            ),
            same,
        )
    if compression not in _COMPRESSIONS:
        raise UnsupportedCodec(f"bitshuffle with the compression {compression}")
    inner = _COMPRESSIONS[compression]

    def decode(encoded: Bytes, room: Room) -> Bytes:
        size, told = _header(encoded)
        out = room.take(size)
        if told == 0 or told % (8 * itemsize) != 0:
            raise ValueError(f"it has blocks of {told} bytes")
        # Elements that make no group of 8 follow the last block as they are.
        whole = size // (8 * itemsize) * (8 * itemsize)
        sizes = (min(told, whole - start) for start in range(0, whole, told))
        shuffled = np.empty(size, dtype=np.uint8)
        end = _decode_blocks(encoded, shuffled, sizes, inner)
        _check_end(encoded, end + size - whole)
        shuffled[whole:] = encoded[end:]
        return _unshuffled(shuffled, out, itemsize, told // itemsize)

    return Step(decode)


def _header(encoded: Bytes) -> tuple[int, int]:
    if encoded.nbytes < _HEADER:
        raise ValueError("it ends early")
    head = encoded[:_HEADER].tobytes()
    return int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")


def _check_end(encoded: Bytes, end: int) -> None:
    if end != encoded.nbytes:
        raise ValueError(f"it ends after {end} bytes of {encoded.nbytes}")


def _decode_blocks(
    encoded: Bytes,
    out: Bytes,
    sizes: Iterable[int],
    decode: Callable[[Bytes, Bytes], None],
) -> int:
    """Decode blocks, each to its size; give where they end in ``encoded``."""
    # Lengths are overwritten in a copy.
    framed = encoded.copy()
    place, start = _HEADER, 0
    for size in sizes:
        head = encoded[place : place + _LENGTH].tobytes()
        end = place + _LENGTH + int.from_bytes(head, "big")
        if len(head) < _LENGTH or end > encoded.nbytes:
            raise ValueError("it ends early")
        decode(framed[place:end], out[start : start + size])
        place, start = end, start + size
    return place


def _unshuffled(shuffled: Bytes, out: Bytes, itemsize: int, length: int) -> Bytes:
    """Put bits back in place, in blocks of ``length`` elements."""
    for start, count, elements in _runs(out.nbytes // itemsize, itemsize, length):
        place = slice(start * itemsize, (start + count * elements) * itemsize)
        _put_bits_in_place(shuffled[place], out[place], count, itemsize)
    rest = out.nbytes // itemsize % 8 * itemsize + out.nbytes % itemsize
    if rest > 0:
        out[-rest:] = shuffled[-rest:]
    return out


def _runs(total: int, itemsize: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Give runs of equal blocks: first element, number of blocks, elements of each."""
    together = max(1, _WORK_BYTES // (length * itemsize))
    blocks, rest = divmod(total, length)
    for first in range(0, blocks, together):
        yield first * length, min(together, blocks - first), length
    if rest >= 8:  # noqa: PLR2004 - elements of a group
        yield blocks * length, 1, rest // 8 * 8


def _put_bits_in_place(shuffled: Bytes, out: Bytes, blocks: int, itemsize: int) -> None:
    """Turn planes of first bits, second bits, … of each block into elements."""
    groups = shuffled.nbytes // (blocks * itemsize * 8)
    planes = shuffled.reshape(blocks * itemsize, 8, groups)
    squares = np.empty((blocks * itemsize, groups, 8), dtype=np.uint8)
    for bit in range(8):
        squares[:, :, bit] = planes[:, bit, :]
    numbers: NDArray[np.uint64] = squares.reshape(-1).view("<u8")
    changed = np.empty_like(numbers)
    for distance, bits in _TRANSPOSE:
        np.right_shift(numbers, distance, out=changed)
        changed ^= numbers
        changed &= np.uint64(bits)
        numbers ^= changed
        changed <<= np.uint64(distance)
        numbers ^= changed
    bytes_of = squares.reshape(blocks, itemsize, groups * 8)
    elements = out.reshape(blocks, groups * 8, itemsize)
    for place in range(itemsize):
        elements[:, :, place] = bytes_of[:, place, :]
