r"""A proxy on the loopback that counts, slows and breaks what passes through it.

::

    with Proxy("http://127.0.0.1:7070", Link(round_trip=0.02)) as proxy:
        proxy.fail(Reset(), path=r"tas\.nc", first=3, times=1)
        client = s3(endpoint_url=proxy.url)
        ...
        print(proxy.traffic)  # 4 requests in 3 rounds, ...

It knows HTTP/1.1 and one server, and passes on every header as it came, Host included,
so requests signed for the proxy's address are right at the server.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from services.conversation import Conversation, Wiring
from services.faults import (
    Alter,
    Delay,
    Drop,
    Fault,
    Garble,
    Hang,
    Raw,
    Reply,
    Reset,
    Rule,
    Shorten,
    Truncate,
    slow_down,
    too_many_requests,
)
from services.link import Link, Pipe
from services.messages import LARGEST_HEAD
from services.traffic import Exchange, Traffic

__all__ = [
    "Alter",
    "Delay",
    "Drop",
    "Exchange",
    "Fault",
    "Garble",
    "Hang",
    "Link",
    "Proxy",
    "Raw",
    "Reply",
    "Reset",
    "Rule",
    "Shorten",
    "Traffic",
    "Truncate",
    "slow_down",
    "too_many_requests",
]

_TIME_LIMIT = 10.0
"""Seconds to start and to end."""


class Proxy:
    """A proxy to one server, in a thread of its own; a context manager.

    Parameters
    ----------
    upstream
        The server, ``http://host:port``.
    link
        What is simulated between client and server; the loopback by itself if omitted.

    Attributes
    ----------
    url
        Where clients find it.
    """

    def __init__(self, upstream: str, link: Link | None = None) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"a proxy leads to http://host:port, not to {upstream!r}")
        link = link or Link()
        self._wiring = Wiring(
            server=(parts.hostname, parts.port or 80),
            link=link,
            up=Pipe(link.bandwidth),
            down=Pipe(link.bandwidth),
        )
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_TIME_LIMIT):
            raise TimeoutError("the proxy did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_TIME_LIMIT)
        if self._thread.is_alive():
            raise TimeoutError("the proxy did not end")

    # -- what tests ask of it --------------------------------------------------------

    def fail(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        ranged: str | None = None,
        first: int = 1,
        times: int | None = None,
    ) -> None:
        """Let a fault befall requests, from now on; see `Rule` for which.

        Of several rules the one that was given first, and befalls the request, counts;
        later ones do not count the request among those that match them.
        """
        self._wiring.rules.append(Rule(fault, method, path, ranged, first, times))

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._wiring.rules.clear()

    def forget(self) -> None:
        """Begin to count anew."""
        self._wiring.exchanges = []

    @property
    def traffic(self) -> Traffic:
        """What has passed since the start, or since `forget`."""
        return Traffic(tuple(self._wiring.exchanges))

    # -- in the proxy's thread -------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=LARGEST_HEAD, backlog=1024
        )
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._ending.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._connections += 1
        conversation = Conversation(self._wiring, (reader, writer), self._connections)
        task = asyncio.ensure_future(conversation.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])
