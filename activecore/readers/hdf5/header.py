"""What HDF5's headers say of chunks and h5py does not.

Two facts decide whether a chunk index can be trusted: which kind of index it is, and
whether chunks over the edge were left unfiltered. Both stand in the dataset's "data
layout" message, and where the index lies stands there too. How large its nodes are
stands in the superblock. The format is that of the HDF5 File Format Specification,
version 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from activecore.readers.hdf5.messages import Read, messages

__all__ = [
    "B_TREE_2",
    "EXTENSIBLE_ARRAY",
    "FIXED_ARRAY",
    "LAYOUT",
    "ChunkStorage",
    "chunk_storage",
    "read_chunk_storage",
    "read_node_width",
]

FIXED_ARRAY = 3
"""Number of the index that has chunks of an array that cannot grow without limit."""
EXTENSIBLE_ARRAY = 4
"""Number of the index that has chunks of one unlimited dimension."""
B_TREE_2 = 5
"""Number of the index that has chunks of several unlimited dimensions."""

LAYOUT = 0x08
"""Type of the message of a dataset's layout."""
_TREE_WIDTHS = 0x13
_CHUNKED = 2
_EDGES_UNFILTERED = 0x01
_PARAMETERS = {FIXED_ARRAY: 1, EXTENSIBLE_ARRAY: 5, B_TREE_2: 6}
"""Bytes that a kind of index says of itself, between its number and its address."""
_USUAL_HALF = 32
"""Half of a node's room for chunks where the file says nothing of it."""


@dataclass(frozen=True, slots=True)
class ChunkStorage:
    """How a dataset's chunks are kept track of."""

    index: int | None
    """Number of the kind of index; None: the version-1 B-tree of older files."""
    edges_unfiltered: bool
    """Whether chunks that reach over the edge of the array went past all filters."""
    address: int | None
    """Where the index begins; None: there is none, as no chunk was ever written or
    the kind needs none."""


def read_chunk_storage(read: Read, address: int, offset_size: int) -> ChunkStorage:
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
    for kind, data in messages(read, address, offset_size):
        storage = chunk_storage(data, offset_size) if kind == LAYOUT else None
        if storage is not None:
            return storage
    raise ValueError(f"the object header at {address} has no layout of chunks")


def chunk_storage(data: bytes, offset_size: int) -> ChunkStorage | None:
    """Take a data layout message apart; None: it is not one of chunks."""
    version = data[0]
    if version < 4:  # noqa: PLR2004 - the format's numbers
        old = version < 3  # noqa: PLR2004 - the format's numbers
        if data[2 if old else 1] != _CHUNKED:
            return None
        place = 8 if old else 3
        root = _address(data[place : place + offset_size])
        return ChunkStorage(index=None, edges_unfiltered=False, address=root)
    if data[1] != _CHUNKED:
        return None
    flags, ndim, width = data[2:5]
    # The address stands behind what each kind of index says of itself.
    index = data[5 + ndim * width]
    place = 6 + ndim * width + _PARAMETERS.get(index, 0)
    found = data[place : place + offset_size]
    return ChunkStorage(
        index=index,
        edges_unfiltered=bool(flags & _EDGES_UNFILTERED),
        address=_address(found) if index in _PARAMETERS else None,
    )


def read_node_width(read: Read, offset_size: int) -> int:
    """Read how many chunks a node of a version-1 B-tree has room for.

    Parameters
    ----------
    read
        Reads bytes at an address.
    offset_size
        Size of addresses in this file, in bytes.

    Raises
    ------
    ValueError
        There is no superblock of a known version, or it says something impossible.
    """
    start = read(0, 12 + 2 * offset_size)
    version = start[8]
    half = _USUAL_HALF
    if version == 1:
        (half,) = struct.unpack("<H", read(24, 2))
    elif version in (2, 3):
        extension = _address(start[12 + offset_size :])
        if extension is not None:
            for kind, data in messages(read, extension, offset_size):
                if kind == _TREE_WIDTHS:
                    (half,) = struct.unpack_from("<H", data, 1)
    elif version != 0:
        raise ValueError(f"superblocks of version {version} are not known")
    if half == 0:
        raise ValueError("the superblock says that nodes of B-trees hold nothing")
    return 2 * half


def _address(data: bytes) -> int | None:
    return None if set(data) == {0xFF} else int.from_bytes(data, "little")
