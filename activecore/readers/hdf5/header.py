"""What HDF5's object headers say of a chunked dataset and h5py does not.

Two facts decide whether a chunk index can be trusted: which kind of index it is, and
whether chunks over the edge were left unfiltered. Both stand in the dataset's "data
layout" message. The format is that of the HDF5 File Format Specification, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["EXTENSIBLE_ARRAY", "ChunkStorage", "read_chunk_storage"]

_Read: TypeAlias = Callable[[int, int], bytes]
"""Reads so many bytes (the second) at an address (the first)."""
_Message: TypeAlias = tuple[int, bytes]
"""A header message: its type and its data."""

EXTENSIBLE_ARRAY = 4
"""Number of the index that has chunks of one unlimited dimension."""

_LAYOUT, _CONTINUATION = 0x08, 0x10
_CHUNKED = 2
_EDGES_UNFILTERED = 0x01
_MOST_BLOCKS = 1000
"""A header in more pieces than this runs in circles."""


@dataclass(frozen=True, slots=True)
class ChunkStorage:
    """How a dataset's chunks are kept track of."""

    index: int | None
    """Number of the kind of index; None: the version-1 B-tree of older files."""
    edges_unfiltered: bool
    """Whether chunks that reach over the edge of the array went past all filters."""


def read_chunk_storage(read: _Read, address: int, offset_size: int) -> ChunkStorage:
    """Read the data layout message of a chunked dataset.

    Parameters
    ----------
    read
        Reads bytes at an address.
    address
        Where the dataset's object header lies.
    offset_size
        Size of addresses in this file, in bytes.

    Raises
    ------
    ValueError
        This is no object header, or no chunked dataset's.
    """
    for kind, data in _messages(read, address, offset_size):
        if kind != _LAYOUT:
            continue
        version = data[0]
        if version < 4:  # noqa: PLR2004 - the format's numbers
            return ChunkStorage(index=None, edges_unfiltered=False)
        if data[1] != _CHUNKED:
            break
        flags, ndim, width = data[2:5]
        return ChunkStorage(
            index=data[5 + ndim * width],
            edges_unfiltered=bool(flags & _EDGES_UNFILTERED),
        )
    raise ValueError(f"the object header at {address} has no layout of chunks")


def _messages(read: _Read, address: int, offset_size: int) -> Iterator[_Message]:
    prefix = read(address, 48)
    if prefix[:4] == b"OHDR":
        yield from _messages_v2(read, address, prefix, offset_size)
    elif prefix[:1] == b"\x01":
        (size,) = struct.unpack_from("<I", prefix, 8)
        blocks = [(address + 16, size)]
        yield from _walk(read, blocks, 8, 0, offset_size)
    else:
        raise ValueError(f"there is no object header at {address}")


def _messages_v2(
    read: _Read, address: int, prefix: bytes, offset_size: int
) -> Iterator[_Message]:
    flags = prefix[5]
    place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 0x03)
    size = int.from_bytes(prefix[place : place + width], "little")
    blocks = [(address + place + width, size)]
    yield from _walk(read, blocks, 6 if flags & 0x04 else 4, 4, offset_size)


def _walk(
    read: _Read,
    blocks: list[tuple[int, int]],
    head: int,
    signature: int,
    offset_size: int,
) -> Iterator[_Message]:
    """Give the messages of a header's blocks, those found on the way included.

    ``head`` is the size of what precedes a message's data, ``signature`` that of what
    precedes (and of the checksum that follows) the messages of a later block.
    """
    for number, (address, size) in enumerate(blocks):
        if number > _MOST_BLOCKS:
            raise ValueError(f"the object header at {blocks[0][0]} runs in circles")
        data = read(address, size)
        place = signature if number > 0 else 0
        end = len(data) - place
        while place + head <= end:
            if signature == 0:
                kind, length = struct.unpack_from("<HH", data, place)
            else:
                kind, length = struct.unpack_from("<BH", data, place)
            body = data[place + head : place + head + length]
            place += head + length
            if kind == _CONTINUATION:
                blocks.append(
                    (
                        int.from_bytes(body[:offset_size], "little"),
                        int.from_bytes(body[offset_size:], "little"),
                    )
                )
            else:
                yield kind, body
