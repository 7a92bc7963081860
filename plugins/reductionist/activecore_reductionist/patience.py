"""Connections on which one time limit holds for the whole reply, its head included.

A socket's own limit begins anew with every byte: of a server that sends a header line
now and then, or ``100 Continue`` for ever, urllib3 would never give up.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import urllib3.connection

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

__all__ = ["HTTPConnection", "HTTPSConnection", "within"]

_of_thread = threading.local()
"""When the request that this thread makes is given up."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give up reading in this thread that many seconds from now."""
    _of_thread.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _of_thread.until = None


class _Limited(io.RawIOBase):
    """What a socket receives, until the time limit of the thread that reads."""

    def __init__(self, below: Any) -> None:
        self._socket = below
        self._raw = below.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        until = getattr(_of_thread, "until", None)
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the time limit of the reply has passed")
            limit = self._socket.gettimeout()
            self._socket.settimeout(left if limit is None else min(limit, left))
        received: int | None = self._raw.readinto(buffer)
        return received

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Socket:
    """A socket that is read from with a time limit; in all else the socket itself."""

    def __init__(self, below: Any) -> None:
        self._socket = below

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(_Limited(self._socket))


class HTTPConnection(urllib3.connection.HTTPConnection):
    """A connection without TLS."""

    def connect(self) -> None:
        """Connect."""
        super().connect()
        self.sock = cast("socket.socket", _Socket(self.sock))


class HTTPSConnection(urllib3.connection.HTTPSConnection):
    """A connection with TLS."""

    def connect(self) -> None:
        """Connect."""
        super().connect()
        self.sock = cast("socket.socket", _Socket(self.sock))
