"""One client's connection through a proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from services.faults import Fault, Hangup, Rule
from services.link import Link, Pipe
from services.messages import (
    LARGEST_HEAD,
    Head,
    body_of_reply,
    body_of_request,
    read_head,
)
from services.traffic import Exchange

__all__ = ["Conversation", "Wiring"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOTHING_WRONG = Fault()

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Wiring:
    """What all connections of a proxy share."""

    server: tuple[str, int]
    link: Link
    up: Pipe
    down: Pipe
    rules: list[Rule] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


class Conversation:
    """Requests over one connection, one after another, each to the server and back.

    The connection to the server is opened with the first, and ends when the client's
    does, so that the server sees the connections that it would have seen.
    """

    def __init__(self, wiring: Wiring, client: Streams, number: int) -> None:
        self._wiring = wiring
        self._reader, self._writer = client
        self._number = number
        self._server: Streams | None = None
        self._writer.transport.set_write_buffer_limits(high=0)  # drained means sent

    async def run(self) -> None:
        """Pass on requests until either side has had enough, or a fault ends it."""
        try:
            await asyncio.sleep(self._wiring.link.round_trip)
            while await self._exchange():
                pass
        except Hangup as hangup:
            if hangup.reset:
                self._reset()
        except (
            *(OSError, asyncio.IncompleteReadError),  # either side is gone
            *(asyncio.LimitOverrunError, ValueError, IndexError),  # or speaks no HTTP
        ):
            self._writer.transport.abort()
        except asyncio.CancelledError:
            self._writer.transport.abort()  # the proxy ends, and the task with it
        finally:
            await self._close(self._writer)
            if self._server is not None:
                self._server[1].transport.abort()
                await self._close(self._server[1])

    async def _exchange(self) -> bool:
        """Pass on one request; tell whether another may follow."""
        request = await read_head(self._reader)
        if request is None:
            return False
        one = Exchange(
            method=request.method,
            path=request.target,
            range=request.get("Range"),
            connection=self._number,
            begin=time.monotonic(),
        )
        self._wiring.exchanges.append(one)
        try:
            return await self._answer(request, one)
        finally:
            one.end = time.monotonic()

    async def _answer(self, request: Head, one: Exchange) -> bool:
        await asyncio.sleep(self._wiring.link.round_trip)
        if request.get("Expect") is not None:
            self._writer.write(_CONTINUE)
            # It is not among the headers that S3 clients sign.
            request = request.with_header("Expect", None)
        body = body_of_request(request, self._reader)
        rules = self._wiring.rules
        fault = next((rule.fault for rule in rules if rule.befalls(request)), None)
        if fault is None:
            fault = _NOTHING_WRONG
        else:
            one.fault = type(fault).__name__
            body = await _held(body)
            instead = await fault.ask()
            if instead is not None:
                one.status = _status(instead)
                await self._tell(instead, one)
                return False
        reader = await self._forward(request, body, one)
        reply = await read_head(reader)
        while reply is not None and 100 <= reply.status < 200:  # noqa: PLR2004 - 1xx
            reply = await read_head(reader)
        if reply is None:
            raise Hangup(reset=False)  # as the server did
        told = fault.head(reply)
        one.status = told.status
        await self._tell(bytes(told), one)
        content = body_of_reply(request.method, reply, reader)
        if content is not None:
            await self._tell(fault.body(b"", 0), one)
            position = 0
            async for piece in content:
                await self._tell(fault.body(piece, position), one)
                position += len(piece)
            if reply.is_open_ended:
                return False
        return not (request.closes or reply.closes)

    async def _forward(
        self, request: Head, body: AsyncIterator[bytes] | None, one: Exchange
    ) -> asyncio.StreamReader:
        if self._server is not None and self._server[0].at_eof():
            await self._close(self._server[1])
            self._server = None
        if self._server is None:
            try:
                self._server = await asyncio.open_connection(
                    *self._wiring.server, limit=LARGEST_HEAD
                )
            except OSError as error:
                raise Hangup(reset=True) from error  # nobody listens there
        reader, writer = self._server
        await self._pass(bytes(request), writer, one)
        if body is not None:
            async for piece in body:
                await self._pass(piece, writer, one)
        return reader

    async def _pass(
        self, data: bytes, writer: asyncio.StreamWriter, one: Exchange
    ) -> None:
        await self._wiring.up.carry(len(data))
        writer.write(data)
        await writer.drain()
        one.up += len(data)

    async def _tell(self, data: bytes, one: Exchange) -> None:
        await self._wiring.down.carry(len(data))
        self._writer.write(data)
        await self._writer.drain()
        one.down += len(data)

    def _reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        # To close without lingering for what is unsent is what sends RST.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


async def _held(body: AsyncIterator[bytes] | None) -> AsyncIterator[bytes] | None:
    """Read a request's body whole: what is unread when closing would send RST."""
    if body is None:
        return None
    pieces = [piece async for piece in body]

    async def again() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return again()


def _status(reply: bytes) -> int | None:
    start = reply.split(b"\r\n", 1)[0].split(b" ")
    return int(start[1]) if start[0].startswith(b"HTTP/") else None
