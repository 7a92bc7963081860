"""HTTP/1.1 messages as they pass: what must be understood, and every byte kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

__all__ = ["LARGEST_HEAD", "Head", "body_of_reply", "body_of_request", "read_head"]

LARGEST_HEAD = 1 << 18
"""Bytes; more is no HTTP."""
PIECE = 1 << 16
"""Bytes that are passed on at a time."""


@dataclass(frozen=True)
class Head:
    """A start line and the header lines below it, in their order."""

    start: bytes
    lines: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.start, *self.lines, b"", b""])

    def get(self, name: str) -> str | None:
        """Give the value of a header, or None."""
        for line in self.lines:
            key, _, value = line.decode("latin-1").partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return None

    def with_header(self, name: str, value: str | None) -> Head:
        """Give the same with one header changed, added, or removed (None)."""
        kept = tuple(
            line
            for line in self.lines
            if line.partition(b":")[0].strip().lower() != name.lower().encode()
        )
        more = () if value is None else (f"{name}: {value}".encode("latin-1"),)
        return replace(self, lines=kept + more)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.start.split(b" ")[0].decode("latin-1")

    @property
    def target(self) -> str:
        """Of a request: path and query."""
        return self.start.split(b" ")[1].decode("latin-1")

    @property
    def status(self) -> int:
        """Of a reply."""
        return int(self.start.split(b" ")[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        wish = (self.get("Connection") or "").lower()
        if b"HTTP/1.0" in self.start:
            return wish != "keep-alive"
        return wish == "close"

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return (self.get("Transfer-Encoding") or "").lower() == "chunked"

    @property
    def is_open_ended(self) -> bool:
        """Whether the body of a reply, if there is one, goes on until it closes."""
        counted = self.get("Content-Length") is not None
        return not counted and not self.is_chunked and self.status not in (204, 304)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read a head, or give None where the peer has closed before one."""
    try:
        text = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ConnectionError("closed in the middle of a head") from error
        return None
    start, *lines = text[:-4].split(b"\r\n")
    return Head(start, tuple(lines))


def body_of_request(
    head: Head, reader: asyncio.StreamReader
) -> AsyncIterator[bytes] | None:
    """Give the pieces of a request's body; None where it has none."""
    if head.is_chunked:
        return _chunked(reader)
    length = int(head.get("Content-Length") or 0)
    return _counted(reader, length) if length else None


def body_of_reply(
    method: str, head: Head, reader: asyncio.StreamReader
) -> AsyncIterator[bytes] | None:
    """Give the pieces of a reply's body; None where it has none."""
    if method == "HEAD" or head.status in (204, 304):
        return None
    if head.is_chunked:
        return _chunked(reader)
    length = head.get("Content-Length")
    return _to_the_end(reader) if length is None else _counted(reader, int(length))


async def _counted(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length > 0:
        piece = await reader.read(min(length, PIECE))
        if not piece:
            raise ConnectionError("closed in the middle of a body")
        length -= len(piece)
        yield piece


async def _to_the_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(PIECE):
        yield piece


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Give the chunks with their framing, which is passed on as it is."""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        yield line
        if size == 0:
            break
        async for piece in _counted(reader, size + 2):
            yield piece
    while True:
        trailer = await reader.readuntil(b"\r\n")
        yield trailer
        if trailer == b"\r\n":
            return
