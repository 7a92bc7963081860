"""What can go wrong with one request, and with which."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from itertools import count

from services.messages import Head

__all__ = [
    "Alter",
    "Delay",
    "Drop",
    "Fault",
    "Garble",
    "Hang",
    "Hangup",
    "Raw",
    "Reply",
    "Reset",
    "Rule",
    "Shorten",
    "Truncate",
    "slow_down",
    "too_many_requests",
]


class Hangup(Exception):
    """Close the client's connection now."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Fault:
    """Nothing wrong; each fault changes one of these steps."""

    async def ask(self) -> bytes | None:
        """Give the whole reply instead of the server's; None lets the server answer.

        Called when the request has been read. ``Hangup`` closes the connection.
        """
        return None

    def head(self, head: Head) -> Head:
        """Give the head of the reply that the client gets."""
        return head

    def body(self, piece: bytes, position: int) -> bytes:
        """Give what the client gets of a piece of the body, which begins there.

        Called with an empty piece at position 0 when the head has been sent.
        """
        del position
        return piece


@dataclass(frozen=True)
class Delay(Fault):
    """The server's answer, later."""

    seconds: float

    async def ask(self) -> bytes | None:
        """Wait."""
        await asyncio.sleep(self.seconds)
        return None


@dataclass(frozen=True)
class Hang(Fault):
    """No answer, and the connection stays open."""

    async def ask(self) -> bytes | None:
        """Wait until the proxy ends."""
        await asyncio.Event().wait()
        return None


@dataclass(frozen=True)
class Drop(Fault):
    """The connection is closed in order, without an answer."""

    async def ask(self) -> bytes | None:
        """Close."""
        raise Hangup(reset=False)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset (RST), without an answer."""

    async def ask(self) -> bytes | None:
        """Reset."""
        raise Hangup(reset=True)


@dataclass(frozen=True)
class Truncate(Fault):
    """The head, some bytes of the body, and no more: the connection is closed."""

    after: int = 0
    """Bytes of the body that arrive; 0: only the head does."""
    reset: bool = False
    """By RST."""

    def body(self, piece: bytes, position: int) -> bytes:
        """Close once the bytes have been sent; the last of them may come together."""
        if position >= self.after:
            raise Hangup(reset=self.reset)
        return piece[: self.after - position]


@dataclass(frozen=True)
class Shorten(Fault):
    """A body shorter than was asked, in a reply that says so and is well formed."""

    to: int
    """Bytes that arrive."""

    def head(self, head: Head) -> Head:
        """Say the shorter length."""
        return head.with_header("Content-Length", str(self.to))

    def body(self, piece: bytes, position: int) -> bytes:
        """Leave out what is beyond."""
        return piece[: max(self.to - position, 0)]


@dataclass(frozen=True)
class Alter(Fault):
    """The server's answer under another status, or with other headers."""

    status: int | None = None
    headers: tuple[tuple[str, str | None], ...] = ()
    """Names and values; None removes one."""

    def head(self, head: Head) -> Head:
        """Change it."""
        if self.status is not None:
            head = Head(b"HTTP/1.1 %d Altered" % self.status, head.lines)
        for name, value in self.headers:
            head = head.with_header(name, value)
        return head


@dataclass(frozen=True)
class Garble(Fault):
    """A body of the right length that holds rubbish."""

    seed: int = 0

    def body(self, piece: bytes, position: int) -> bytes:
        """Replace it."""
        return random.Random(self.seed + position).randbytes(len(piece))  # noqa: S311 - rubbish


@dataclass(frozen=True)
class Raw(Fault):
    """These bytes instead of an HTTP reply, and the connection is closed."""

    data: bytes = b"\x00\xffthis is not HTTP\r\n\r\n"

    async def ask(self) -> bytes | None:
        """Answer."""
        return self.data


@dataclass(frozen=True)
class Reply(Fault):
    """An answer that the server did not give; the connection is closed after it."""

    status: int
    content: bytes = b""
    content_type: str = "application/xml"
    headers: tuple[tuple[str, str], ...] = ()

    async def ask(self) -> bytes | None:
        """Answer."""
        head = Head(b"HTTP/1.1 %d Injected" % self.status, ())
        told = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.content)),
            "Connection": "close",
        }
        for name, value in (told | dict(self.headers)).items():
            head = head.with_header(name, value)
        return bytes(head) + self.content


def slow_down(retry_after: str | None = None) -> Reply:
    """Give the 503 by which S3 asks for patience."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    content = (
        b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
        b"<Message>Please reduce your request rate.</Message></Error>"
    )
    return Reply(503, content, headers=headers)


def too_many_requests(retry_after: str | None = None) -> Reply:
    """Give a 429."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Reply(429, b"too many requests", "text/plain", headers)


@dataclass
class Rule:
    """Which requests a fault befalls: all conditions must hold."""

    fault: Fault
    method: str | None = None
    path: str | None = None
    """A regular expression, searched for in path and query."""
    ranged: str | None = None
    """A regular expression, searched for in the Range header; there must be one."""
    first: int = 1
    """The first of the matching requests that it befalls, counted from 1."""
    times: int | None = None
    """How many of them, from there on; None: every one."""
    matched: count[int] = field(default_factory=lambda: count(1), repr=False)

    def befalls(self, request: Head) -> bool:
        """Tell, and count the request where it matches."""
        if self.method is not None and request.method != self.method:
            return False
        if self.path is not None and not re.search(self.path, request.target):
            return False
        wanted = request.get("Range")
        if self.ranged is not None and not re.search(self.ranged, wanted or ""):
            return False
        if self.ranged is not None and wanted is None:
            return False
        number = next(self.matched)
        last = float("inf") if self.times is None else self.first + self.times - 1
        return self.first <= number <= last
