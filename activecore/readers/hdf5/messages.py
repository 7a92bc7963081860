"""The messages that make up an HDF5 object header, of either version.

The format is that of the HDF5 File Format Specification, version 3, section IV.A.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

__all__ = [
    "CONTINUATION",
    "PREFIX_BYTES",
    "Block",
    "Message",
    "Read",
    "first_block",
    "messages",
]

Read: TypeAlias = Callable[[int, int], bytes]
"""Reads so many bytes (the second) at an address (the first)."""
Message: TypeAlias = tuple[int, bytes]
"""A header message: its type and its data."""

CONTINUATION = 0x10
"""Type of the message that says where a header goes on."""
PREFIX_BYTES = 48
"""As much of a header as tells where its first messages are."""
_MOST_BLOCKS = 1000
"""A header in more pieces than this runs in circles."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a header."""

    address: int
    """Where it begins."""
    size: int
    """How long it is, in bytes."""
    head: int
    """How many bytes precede the data of each message."""
    is_old: bool
    """Whether it is of the first version of headers."""
    is_first: bool = True
    """Whether no other piece leads to it."""

    def messages(self, data: bytes) -> Iterator[Message]:
        """Take its bytes apart; what is cut short is left out."""
        # A signature precedes, and a checksum follows, the messages of a later piece.
        fence = 0 if self.is_first or self.is_old else 4
        place, end = fence, len(data) - fence
        form = "<HH" if self.is_old else "<BH"
        while place + self.head <= end:
            kind, length = struct.unpack_from(form, data, place)
            yield kind, data[place + self.head : place + self.head + length]
            place += self.head + length

    def following(self, body: bytes, offset_size: int) -> Block:
        """Give the piece that a message of continuation leads to."""
        return replace(
            self,
            address=int.from_bytes(body[:offset_size], "little"),
            size=int.from_bytes(body[offset_size:], "little"),
            is_first=False,
        )


def first_block(address: int, prefix: bytes) -> Block:
    """Find the first piece of a header.

    Parameters
    ----------
    address
        Where the header begins.
    prefix
        Its first 48 bytes.

    Raises
    ------
    ValueError
        This is no object header.
    """
    if prefix[:1] == b"\x01":
        (size,) = struct.unpack_from("<I", prefix, 8)
        return Block(address + 16, size, head=8, is_old=True)
    if prefix[:4] != b"OHDR":
        raise ValueError(f"there is no object header at {address}")
    flags = prefix[5]
    place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    end = place + (1 << (flags & 0x03))
    size = int.from_bytes(prefix[place:end], "little")
    return Block(address + end, size, head=6 if flags & 0x04 else 4, is_old=False)


def messages(read: Read, address: int, offset_size: int) -> Iterator[Message]:
    """Give the messages of the header at an address, in order.

    Raises
    ------
    ValueError
        This is no object header, or it runs in circles.
    """
    blocks = [first_block(address, read(address, PREFIX_BYTES))]
    for number, block in enumerate(blocks):
        if number > _MOST_BLOCKS:
            raise ValueError(f"the object header at {address} runs in circles")
        for kind, body in block.messages(read(block.address, block.size)):
            if kind == CONTINUATION:
                blocks.append(block.following(body, offset_size))
            else:
                yield kind, body
