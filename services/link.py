"""A slower network than the loopback."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

__all__ = ["Link", "Pipe"]


@dataclass(frozen=True)
class Link:
    """What lies between client and server.

    A new connection costs one round trip, as the handshake of TCP does, and so does
    each request on it. All connections share the bandwidth, which is the same in both
    directions, each of them by itself. TLS's handshake, TCP's slow start and lost
    packets are not simulated: a real link of these numbers is slower, the more so for
    many short connections.
    """

    round_trip: float = 0.0
    """Seconds."""
    bandwidth: float | None = None
    """Bits a second; None: as fast as it goes."""


class Pipe:
    """One direction of a link, shared by all connections of a proxy."""

    def __init__(self, bandwidth: float | None) -> None:
        self._bandwidth = bandwidth
        self._free = 0.0

    async def carry(self, size: int) -> None:
        """Wait until so many bytes would have passed behind those that came before."""
        if self._bandwidth is None:
            return
        now = time.monotonic()
        self._free = max(self._free, now) + 8 * size / self._bandwidth
        await asyncio.sleep(self._free - now)
