"""Blosc2: chunks, and the frames around them that HDF5's filter 32026 writes.

imagecodecs decodes the chunk. The frame is taken apart here, because the library that
knows frames dies of damaged ones. HDF5's filter writes one chunk to a frame; that of an
array of more dimensions holds it in blocks, with its edges filled up.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from activecore.codecs.memory import Bytes, Room
from activecore.codecs.step import Config, Step, library, require

__all__ = ["blosc2_step"]

_MAGIC = b"\x9e\xa8b2frame\x00"
_CHUNK_HEADER = 32
_HEAD = struct.Struct(">11xi x Q 5x x q x q x i x i x i")
"""Lengths of header and frame; bytes decoded and encoded; of an element, block, chunk.

Each is a number of MessagePack, behind its type's byte.
"""

_ZEROS = 0x81
"""Last byte of the place of a chunk that is not there, being all zeros."""

_NEVER_WRITTEN = 4
"""Kind of a chunk without data, in the upper bits of its header's last byte."""

_ND = b"\xa4b2nd\xd2"
"""Before the place of the description of an array of several dimensions."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How an array of several dimensions lies in its chunk."""

    shape: tuple[int, ...]
    filled: tuple[int, ...]
    block: tuple[int, ...]


def blosc2_step(_config: Config) -> Step:
    """Decode a Blosc2 chunk, or a frame of one chunk."""
    require("imagecodecs", "blosc2")

    def decode(encoded: Bytes, room: Room) -> Bytes:
        if encoded[: len(_MAGIC)].tobytes() == _MAGIC:
            return _frame(encoded, room)
        out = room.take(_decoded_size(encoded))
        return _chunk(encoded, out)

    return Step(decode)


def _decoded_size(chunk: Bytes) -> int:
    if chunk.nbytes < _CHUNK_HEADER:
        raise ValueError("it ends early")
    nbytes, block, length = (int(n) for n in chunk[4:16].copy().view("<i4"))
    if length != chunk.nbytes:
        raise ValueError(f"it is {length} bytes long, but there are {chunk.nbytes}")
    if not 0 <= block <= max(nbytes, 1):
        raise ValueError(f"it has blocks of {block} bytes in {nbytes}")
    if chunk[_CHUNK_HEADER - 1] >> 4 & 7 == _NEVER_WRITTEN:
        # The library would leave whatever the memory held.
        raise ValueError("it says that it was never written")
    return nbytes


def _chunk(chunk: Bytes, out: Bytes) -> Bytes:
    decoded = library("imagecodecs").blosc2_decode(chunk, numthreads=1, out=out)
    if len(decoded) != out.nbytes:
        raise ValueError(f"it holds {len(decoded)} bytes, not {out.nbytes}")
    return out


def _frame(encoded: Bytes, room: Room) -> Bytes:
    if encoded.nbytes < _HEAD.size:
        raise ValueError("it ends early")
    header, length, nbytes, stored, itemsize, _, chunk = _HEAD.unpack_from(encoded.data)
    if length != encoded.nbytes:
        raise ValueError(f"it is {length} bytes long, but there are {encoded.nbytes}")
    if nbytes != chunk or not 0 < header <= header + stored <= length or stored < 0:
        raise ValueError("it is not a frame of one chunk")
    blocks = _blocks(encoded[:header].tobytes(), itemsize, nbytes)
    if blocks is None:
        out = room.take(nbytes)
        return _contents(encoded, header, stored, out)
    if nbytes > room.limit:
        raise ValueError(f"it needs {nbytes} bytes, over the limit of {room.limit}")
    out = room.take(math.prod(blocks.shape) * itemsize)
    filled = np.empty(nbytes, dtype=np.uint8)
    _contents(encoded, header, stored, filled)
    _put_in_place(filled, out, blocks, itemsize)
    return out


def _contents(encoded: Bytes, header: int, stored: int, out: Bytes) -> Bytes:
    if stored > 0:
        chunk = encoded[header : header + stored]
        if _decoded_size(chunk) != out.nbytes:
            raise ValueError(f"its chunk does not hold {out.nbytes} bytes")
        return _chunk(chunk, out)
    place = np.zeros(8, dtype=np.uint8)
    (size,) = struct.unpack_from("<i", encoded.data, header + 12)
    index = encoded[header : header + size]
    if _decoded_size(index) != place.nbytes or _chunk(index, place)[-1] != _ZEROS:
        raise ValueError("its chunk is missing")
    out[...] = 0
    return out


def _blocks(header: bytes, itemsize: int, nbytes: int) -> _Blocks | None:
    """Read the description of an array of several dimensions, if there is one."""
    name = header.find(_ND)
    if name < 0:
        return None
    (place,) = struct.unpack_from(">i", header, name + len(_ND))
    # Behind 5 bytes of its own length: a list of version, dimensions, and three lists.
    ndim = header[place + 7]
    one_list = struct.Struct(">x" + "xq" * ndim + "x" + "xi" * ndim + "x" + "xi" * ndim)
    numbers = one_list.unpack_from(header, place + 8)
    shape, chunk, block = (numbers[k * ndim : (k + 1) * ndim] for k in range(3))
    if min(numbers) < 1 or shape != chunk:
        raise ValueError("it is not a frame of one chunk")
    filled = tuple(-(-c // b) * b for c, b in zip(chunk, block, strict=True))
    if math.prod(filled) * itemsize != nbytes:
        raise ValueError(f"its blocks do not make {nbytes} bytes")
    return _Blocks(shape, filled, block)


def _put_in_place(filled: Bytes, out: Bytes, blocks: _Blocks, itemsize: int) -> None:
    ndim = len(blocks.shape)
    counts = (f // b for f, b in zip(blocks.filled, blocks.block, strict=True))
    element = np.dtype(f"V{itemsize}")
    split = filled.view(element).reshape(*counts, *blocks.block)
    axes = [axis for place in range(ndim) for axis in (place, ndim + place)]
    elements = split.transpose(axes).reshape(blocks.filled)
    cut = tuple(slice(length) for length in blocks.shape)
    out.view(element).reshape(blocks.shape)[...] = elements[cut]
