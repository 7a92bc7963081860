"""How wide numbers and how long blocks are in the indexes of newer HDF5 files.

They say so only by way of how many records fit. The format is that of the HDF5 File
Format Specification, version 3, sections III.A.2 and VII.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ArrayWidths", "Sizes", "TreeWidths"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many bytes the numbers of a file have."""

    offset: int
    """Those that are addresses."""
    length: int
    """Those that are lengths."""

    def addresses(self, data: bytes, place: int, count: int) -> list[int]:
        """Take addresses that stand one behind the other.

        One that stands for none is beyond the end of any file.
        """
        stop = place + count * self.offset
        if stop > len(data):
            raise ValueError("the addresses are cut short")
        steps = range(place, stop, self.offset)
        return [int.from_bytes(data[at : at + self.offset], "little") for at in steps]

    def number(self, data: bytes, place: int) -> int:
        """Take a length."""
        return int.from_bytes(data[place : place + self.length], "little")

    def is_nowhere(self, address: int) -> bool:
        """Tell whether an address stands for none."""
        return address == (1 << 8 * self.offset) - 1


@dataclass(frozen=True)
class TreeWidths:
    """A version-2 B-tree, whose pointers are as wide as their numbers need."""

    sizes: Sizes
    node_bytes: int
    record_bytes: int

    def children(self, depth: int, used: int, data: bytes) -> Iterator[tuple[int, int]]:
        """Give address and number of records of each child of an inner node.

        Parameters
        ----------
        depth
            How many levels lie below it.
        used
            How many records it has.
        data
            The node.
        """
        leaf = (self.node_bytes - 10) // self.record_bytes
        width = _width(leaf)
        most, total = leaf, 0
        for _ in range(1, depth):
            pointer = self.sizes.offset + width + total
            here = (self.node_bytes - 10 - pointer) // (self.record_bytes + pointer)
            most = (here + 1) * most + here
            total = _width(most)
        pointer = self.sizes.offset + width + total
        first = 6 + used * self.record_bytes
        if first + (used + 1) * pointer > len(data):
            raise ValueError("the node is cut short")
        for place in range(first, first + (used + 1) * pointer, pointer):
            (address,) = self.sizes.addresses(data, place, 1)
            at = place + self.sizes.offset
            yield address, int.from_bytes(data[at : at + width], "little")


@dataclass(frozen=True, slots=True)
class ArrayWidths:
    """An extensible array: super blocks of ever more, ever longer data blocks."""

    sizes: Sizes
    element_bytes: int
    bits: int
    """Size of element numbers, in bits."""
    root_elements: int
    """How many elements the root holds itself."""
    block_elements: int
    """How many the shortest data block holds."""
    pointers: int
    """How many data blocks the first super block that is a block has at least."""
    page_bits: int
    """A page of a longer data block has two to this power elements."""

    @classmethod
    def of(cls, sizes: Sizes, header: bytes) -> ArrayWidths:
        """Read them in the array's header."""
        element, bits, root, block, pointers, page = header[6:12]
        if 0 in (block, pointers):
            raise ValueError("blocks hold nothing")
        return cls(sizes, element, bits, root, block, pointers, page)

    @property
    def _in_root(self) -> int:
        """How many super blocks the root stands for itself."""
        return 2 * (self.pointers.bit_length() - 1)

    @property
    def _super_blocks(self) -> int:
        return 1 + self.bits - (self.block_elements.bit_length() - 1)

    @property
    def _head(self) -> int:
        return 6 + self.sizes.offset

    @property
    def root_bytes(self) -> int:
        """Length of the root."""
        blocks = 2 * (self.pointers - 1) + self._super_blocks - self._in_root
        elements = self.root_elements * self.element_bytes
        return self._head + elements + blocks * self.sizes.offset + 4

    def root_children(
        self, data: bytes
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
        """Give what the root leads to.

        Returns
        -------
        data blocks
            Address and length of each.
        super blocks
            Number, address and length of each.
        """
        first = self._head + self.root_elements * self.element_bytes
        count = 2 * (self.pointers - 1)
        blocks = self.sizes.addresses(data, first, count)
        lengths = [
            self._data_bytes(number)
            for number in range(self._in_root)
            for _ in range(1 << number // 2)
        ]
        first += count * self.sizes.offset
        numbers = range(self._in_root, self._super_blocks)
        further = self.sizes.addresses(data, first, len(numbers))
        return (
            list(zip(blocks, lengths, strict=True)),
            [
                (number, address, self._super_bytes(number))
                for number, address in zip(numbers, further, strict=True)
            ],
        )

    def children(self, number: int, data: bytes) -> Iterator[tuple[int, int]]:
        """Give address and length of each data block of a super block."""
        count = 1 << number // 2
        first = self._head + (self.bits + 7) // 8 + count * self._flags(number)
        size = self._data_bytes(number)
        for address in self.sizes.addresses(data, first, count):
            yield address, size

    def _elements(self, number: int) -> int:
        return self.block_elements << (number + 1) // 2

    def _pages(self, number: int) -> int:
        elements = self._elements(number)
        return elements >> self.page_bits if elements > 1 << self.page_bits else 0

    def _flags(self, number: int) -> int:
        """How many bytes say of each data block which of its pages are there."""
        return (self._pages(number) + 7) // 8

    def _super_bytes(self, number: int) -> int:
        count = 1 << number // 2
        per_block = self._flags(number) + self.sizes.offset
        return self._head + (self.bits + 7) // 8 + count * per_block + 4

    def _data_bytes(self, number: int) -> int:
        checksums = 4 * (self._pages(number) + 1)
        elements = self._elements(number) * self.element_bytes
        return self._head + (self.bits + 7) // 8 + elements + checksums


def _width(number: int) -> int:
    """Give how many bytes HDF5 takes for numbers up to this one."""
    return max(0, number.bit_length() - 1) // 8 + 1
