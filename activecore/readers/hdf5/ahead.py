"""What HDF5 is about to read, read before it: all that lies equally deep together.

HDF5 follows one address after another, and far away each step is a round trip. Whatever
a structure is made of, its root says where the next pieces are, and so on; a few
steps down there are hundreds. Here the steps are taken for all pieces at once.

Nothing rests on what is found here but the time that HDF5 takes: what is damaged or not
known leads nowhere, and HDF5 says what it thinks of it. The format is that of the HDF5
File Format Specification, version 3, sections III and IV.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial as bind
from typing import TYPE_CHECKING, TypeAlias

from activecore.readers.hdf5.header import LAYOUT, chunk_storage
from activecore.readers.hdf5.messages import CONTINUATION, Block, first_block
from activecore.readers.hdf5.widths import ArrayWidths, Sizes, TreeWidths

if TYPE_CHECKING:
    from activecore.readers.hdf5.file import HDF5File

__all__ = ["ATTRIBUTES", "CHUNKS", "HEADERS", "MEMBERS", "read_ahead"]

_SYMBOL_TABLE, _LINK_INFO, _ATTRIBUTE_INFO = 0x11, 0x02, 0x15

HEADERS = frozenset({CONTINUATION})
"""What is followed to know what objects are: shapes and types of datasets."""
ATTRIBUTES = HEADERS | {_ATTRIBUTE_INFO}
"""What is followed to describe objects."""
MEMBERS = HEADERS | {_SYMBOL_TABLE, _LINK_INFO}
"""What is followed to list groups."""
CHUNKS = ATTRIBUTES | {LAYOUT}
"""What is followed to find the chunks of datasets, if it is not done in ``btree``."""

_WINDOW = 2048
"""How much is read of what does not say before how long it is."""
_MOST_STEPS = 12
_MOST_BYTES = 64 << 20
"""A step that would read more than this is not taken."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Something that will be read."""

    address: int
    size: int
    """How much of it, in bytes."""
    follow: Callable[[bytes], Iterable[_Piece]] | None = None
    """Says what its bytes lead to; None: nothing further."""


_Pieces: TypeAlias = Iterable[_Piece]
_Follow: TypeAlias = Callable[[bytes], _Pieces]


def read_ahead(file: HDF5File, objects: Mapping[int, Collection[int]]) -> None:
    """Read the headers of objects, and what they lead to.

    Parameters
    ----------
    file
        The file; one that is near is left alone.
    objects
        By the address of each header: which of its messages are followed.
    """
    if not file.is_far:
        return
    sizes = Sizes(*file.h5.id.get_create_plist().get_sizes())
    step = [
        _Piece(address, _WINDOW, bind(_Follower(sizes, what).header, address))
        for address, what in objects.items()
    ]
    seen: set[int] = set()
    for _ in range(_MOST_STEPS):
        new = [
            piece
            for piece in step
            if piece.address not in seen and 0 <= piece.address < file.size
        ]
        if not new or sum(piece.size for piece in new) > _MOST_BYTES:
            return
        seen.update(piece.address for piece in new)
        file.fetch([(piece.address, piece.address + piece.size) for piece in new])
        step = [
            following
            for piece in new
            for following in _followed(piece, file.read(piece.address, piece.size))
        ]


def _followed(piece: _Piece, data: bytes) -> list[_Piece]:
    if piece.follow is None:
        return []
    try:
        return list(piece.follow(data))
    except (ValueError, IndexError, struct.error):
        return []


class _Follower:
    """Says of each kind of structure what it leads to."""

    def __init__(self, sizes: Sizes, what: Collection[int]) -> None:
        self._sizes = sizes
        self._what = what

    def header(self, address: int, data: bytes) -> _Pieces:
        """Follow an object's header, which begins at an address."""
        return self._block(first_block(address, data), address, data)

    def _block(self, block: Block, start: int, data: bytes) -> _Pieces:
        """Follow a block of a header, of which ``data`` was read from ``start`` on."""
        first = block.address - start
        if first + block.size > len(data):
            yield self._rest(block)
            return
        for kind, body in block.messages(data[first : first + block.size]):
            if kind in self._what:
                yield from self._message(block, kind, body)

    def _rest(self, block: Block) -> _Piece:
        follow = bind(self._whole_block, block)
        return _Piece(block.address, block.size, follow)

    def _whole_block(self, block: Block, data: bytes) -> _Pieces:
        if len(data) == block.size:
            yield from self._block(block, block.address, data)

    def _message(self, block: Block, kind: int, body: bytes) -> _Pieces:
        take = self._sizes.addresses
        if kind == CONTINUATION:
            yield self._rest(block.following(body, self._sizes.offset))
        elif kind == _SYMBOL_TABLE:
            tree, heap = take(body, 0, 2)
            yield _Piece(tree, _WINDOW, self.old_tree)
            yield _Piece(heap, 32, self.local_heap)
        elif kind in (_LINK_INFO, _ATTRIBUTE_INFO):
            width = 8 if kind == _LINK_INFO else 2
            place = 2 + (width if body[1] & 1 else 0)
            heap, *trees = take(body, place, 3 if body[1] & 2 else 2)
            yield _Piece(heap, 192, self.heap)
            for tree in trees:
                yield _Piece(tree, 64, self.tree)
        elif kind == LAYOUT:
            storage = chunk_storage(body, self._sizes.offset)
            if storage is not None and storage.index is not None and storage.address:
                yield _Piece(storage.address, 96, self.chunks)

    def old_tree(self, data: bytes) -> _Pieces:
        """Follow a node of a version-1 B-tree of a group's members."""
        if data[:5] != b"TREE\0":
            return
        (used,) = struct.unpack_from("<H", data, 6)
        step = self._sizes.length + self._sizes.offset
        first = 8 + 2 * self._sizes.offset + self._sizes.length
        follow = self.old_tree if data[5] > 0 else None
        for number in range(used):
            (child,) = self._sizes.addresses(data, first + number * step, 1)
            yield _Piece(child, _WINDOW, follow)

    def local_heap(self, data: bytes) -> _Pieces:
        """Follow what holds the names of a group's members."""
        if data[:4] == b"HEAP":
            size = self._sizes.number(data, 8)
            (where,) = self._sizes.addresses(data, 8 + 2 * self._sizes.length, 1)
            yield _Piece(where, size)

    def heap(self, data: bytes) -> _Pieces:
        """Follow a fractal heap: attributes or links, when there are many."""
        if data[:4] != b"FRHP":
            return
        offset, length = self._sizes.offset, self._sizes.length
        place = 14 + 10 * length + 2 * offset
        width, start, largest, bits, _, root, rows = struct.unpack_from(
            f"<H{'HIQ'[length // 4]}{'HIQ'[length // 4]}HH{'HIQ'[offset // 4]}H",
            data,
            place,
        )
        if self._sizes.is_nowhere(root):
            return
        direct = (largest // max(1, start)).bit_length() + 1
        head = 5 + offset + (bits + 7) // 8

        def blocks(rows: int) -> _Follow:
            def follow(data: bytes) -> _Pieces:
                if data[:4] != b"FHIB":
                    return
                found = self._sizes.addresses(data, head, rows * width)
                for number, address in enumerate(found):
                    row = number // width
                    size = start << max(0, row - 1)
                    if row < direct:
                        yield _Piece(address, size)
                    else:
                        below = (size // (start * width)).bit_length()
                        room = head + below * width * offset + 4
                        yield _Piece(address, room, blocks(below))

            return follow

        if rows == 0:
            yield _Piece(root, start)
        else:
            yield _Piece(root, head + rows * width * offset + 4, blocks(rows))

    def chunks(self, data: bytes) -> _Pieces:
        """Follow the index of a dataset's chunks."""
        kinds: dict[bytes, _Follow] = {
            b"FAHD": self.fixed_array,
            b"EAHD": self.extensible_array,
            b"BTHD": self.tree,
        }
        if data[:4] in kinds:
            yield from kinds[data[:4]](data)

    def fixed_array(self, data: bytes) -> _Pieces:
        """Follow a fixed array's header: it has one block."""
        count = self._sizes.number(data, 8)
        (where,) = self._sizes.addresses(data, 8 + self._sizes.length, 1)
        pages = count >> data[7] if count > 1 << data[7] else 0
        size = 10 + self._sizes.offset + count * data[6] + 5 * (pages + 1)
        yield _Piece(where, size)

    def extensible_array(self, data: bytes) -> _Pieces:
        """Follow an extensible array's header: blocks of blocks."""
        array = ArrayWidths.of(self._sizes, data)
        (root,) = self._sizes.addresses(data, 12 + 6 * self._sizes.length, 1)

        def first(data: bytes) -> _Pieces:
            if data[:4] != b"EAIB":
                return
            direct, further = array.root_children(data)
            for address, size in direct:
                yield _Piece(address, size)
            for number, address, size in further:
                yield _Piece(address, size, second(number))

        def second(number: int) -> _Follow:
            def follow(data: bytes) -> _Pieces:
                if data[:4] == b"EASB":
                    for address, size in array.children(number, data):
                        yield _Piece(address, size)

            return follow

        yield _Piece(root, array.root_bytes, first)

    def tree(self, data: bytes) -> _Pieces:
        """Follow a version-2 B-tree's header."""
        if data[:4] != b"BTHD":
            return
        size, record, depth = struct.unpack_from("<IHH", data, 6)
        (root,) = self._sizes.addresses(data, 16, 1)
        (used,) = struct.unpack_from("<H", data, 16 + self._sizes.offset)
        widths = TreeWidths(self._sizes, size, record)

        def node(depth: int, used: int) -> _Follow | None:
            if depth == 0:
                return None

            def follow(data: bytes) -> _Pieces:
                if data[:4] == b"BTIN":
                    for address, below in widths.children(depth, used, data):
                        yield _Piece(address, size, node(depth - 1, below))

            return follow

        yield _Piece(root, size, node(depth, used))
