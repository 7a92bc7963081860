"""The version-1 B-tree of chunks, read level by level into columns.

HDF5 walks this tree node by node, each read after the one before it has come; its nodes
lie scattered among the chunks, so on an object store a round trip is paid for each. The
addresses of a level's nodes all stand in the level above. Here a level is read
together, and no Python object is made for a chunk. The format is that of the HDF5 File
Format Specification, version 3, section III.A.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedFormat

if TYPE_CHECKING:
    from activecore.readers.hdf5.file import HDF5File

__all__ = ["TreeShape", "read_tree"]

_CHUNKS = 1
"""Type of the nodes that lead to chunks."""
_TOGETHER = 32 << 20
"""How many bytes of nodes are read and held at once."""
_MOST_LEVELS = 32
"""More levels than 2**64 chunks need."""


@dataclass(frozen=True, slots=True)
class TreeShape:
    """What a file's and an array's trees of chunks look like."""

    offset_size: int
    """Size of addresses in this file, in bytes."""
    width: int
    """How many children a node has room for."""
    ndim: int
    """How many dimensions the array has."""

    def __post_init__(self) -> None:
        if self.offset_size not in (2, 4, 8):
            raise UnsupportedFormat(
                f"addresses of {self.offset_size} bytes are not supported"
            )

    @property
    def node(self) -> np.dtype[Any]:
        """Dtype of a whole node, its last key left out."""
        address = np.dtype(f"<u{self.offset_size}")
        key = [("size", "<u4"), ("mask", "<u4"), ("start", "<u8", (self.ndim + 1,))]
        entry = np.dtype([*key, ("child", address)])
        head = [("signature", "S4"), ("type", "u1"), ("level", "u1"), ("used", "<u2")]
        siblings = [("left", address), ("right", address)]
        return np.dtype([*head, *siblings, ("entries", entry, (self.width,))])

    @property
    def nowhere(self) -> int:
        """The address that stands for none."""
        return int(2 ** (8 * self.offset_size) - 1)


def read_tree(file: HDF5File, root: int, shape: TreeShape) -> NDArray[Any]:
    """Read what a tree lists, in its order.

    Parameters
    ----------
    file
        The file that it lies in.
    root
        Address of its root node.
    shape
        What it looks like.

    Returns
    -------
    structured array
        ``size`` in bytes and filter ``mask`` of each chunk, ``start`` (n, ndim + 1) of
        its first element in the array, and ``child``, where it begins in the file.

    Raises
    ------
    UnsupportedFormat
        The tree is damaged: whatever it says, memory and time are bounded by the
        length of the file.
    """
    addresses = np.array([root], dtype=np.uint64)
    level = None
    for _ in range(_MOST_LEVELS):
        _check_places(file, addresses, shape)
        parts = []
        for first in range(0, len(addresses), _at_once(shape)):
            nodes = _read(file, addresses[first : first + _at_once(shape)], shape)
            if level is None:
                level = int(nodes["level"][0])
            _check_nodes(nodes, level, addresses, first, shape)
            used = np.arange(shape.width) < nodes["used"][:, np.newaxis]
            parts.append(nodes["entries"][used])
        entries = np.concatenate(parts)
        _check_order(entries["start"])
        if level == 0:
            return entries
        addresses = entries["child"].astype(np.uint64)
        level = (level or 0) - 1
    raise _damaged("it has too many levels")


def _at_once(shape: TreeShape) -> int:
    return max(1, _TOGETHER // shape.node.itemsize)


def _check_places(
    file: HDF5File, addresses: NDArray[np.uint64], shape: TreeShape
) -> None:
    """Make sure that the nodes lie in the file and that no two overlap.

    So a level is never longer than the file, whatever the level above says.
    """
    size = shape.node.itemsize
    if len(addresses) > 0 and int(addresses.max()) > file.size - size:
        raise _damaged("a node lies beyond the end of the file")
    if (np.diff(np.sort(addresses)) < size).any():
        raise _damaged("a node lies within another")


def _read(file: HDF5File, addresses: NDArray[np.uint64], shape: TreeShape) -> Any:
    size = shape.node.itemsize
    starts = addresses.tolist()
    file.fetch([(start, start + size) for start in starts])
    nodes = np.empty(len(starts), shape.node)
    raw = nodes.view(np.uint8).reshape(len(starts), size)
    for row, start in enumerate(starts):
        raw[row] = np.frombuffer(file.read(start, size), np.uint8)
    return nodes


def _check_nodes(
    nodes: Any,
    level: int,
    addresses: NDArray[np.uint64],
    first: int,
    shape: TreeShape,
) -> None:
    """Make sure that nodes are what, and where, the level above says."""
    if (nodes["signature"] != b"TREE").any() or (nodes["type"] != _CHUNKS).any():
        raise _damaged("there is no node where it says")
    if (nodes["level"] != level).any():
        raise _damaged("a node is not of the level that it should be of")
    if (nodes["used"] > shape.width).any():
        raise _damaged("a node has more children than it has room for")
    if len(addresses) > 1 and (nodes["used"] == 0).any():
        raise _damaged("a node has no children")
    stop = first + len(nodes)
    ends = [np.array([shape.nowhere], np.uint64)] * 2
    row = np.concatenate([ends[0], addresses, ends[1]])
    if (nodes["left"] != row[first:stop]).any() or (
        nodes["right"] != row[first + 2 : stop + 2]
    ).any():
        raise _damaged("a node has other neighbours than the level above says")


def _check_order(starts: NDArray[np.uint64]) -> None:
    """Make sure that keys ascend in C order, and so that none occurs twice."""
    before, after = starts[:-1], starts[1:]
    ascending = np.zeros(len(after), dtype=bool)
    equal = np.ones(len(after), dtype=bool)
    for axis in range(starts.shape[1] - 1):
        ascending |= equal & (after[:, axis] > before[:, axis])
        equal &= after[:, axis] == before[:, axis]
    if not ascending.all():
        raise _damaged("its keys are not in order")
    if starts[:, -1].any():
        raise _damaged("a chunk begins within an element")


def _damaged(what: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"a tree of chunks is damaged: {what}")
