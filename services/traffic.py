"""What has passed through a proxy, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Exchange", "Traffic"]


@dataclass
class Exchange:
    """One request and what became of it."""

    method: str
    path: str
    """Path and query."""
    range: str | None
    """The Range header."""
    connection: int
    """Number of the client's connection, from 1."""
    begin: float
    """When its head had arrived, in seconds of the monotonic clock."""
    status: int | None = None
    """What the client was told; None where it was told nothing."""
    up: int = 0
    """Bytes that the client sent, heads included."""
    down: int = 0
    """Bytes that the client was sent, heads included."""
    end: float | None = None
    """When the last byte was passed on; None: it goes on."""
    fault: str | None = None
    """What befell it."""

    def __str__(self) -> str:
        part = "" if self.range is None else f" [{self.range}]"
        fault = "" if self.fault is None else f" {self.fault}"
        return f"{self.method} {self.path}{part} {self.status or '-'}{fault}"


@dataclass(frozen=True)
class Traffic:
    """The requests of a stretch of time, in order of arrival."""

    exchanges: Sequence[Exchange]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __str__(self) -> str:
        return (
            f"{self.requests} requests in {self.rounds} rounds, "
            f"{self.connections} connections, {self.up:,} bytes up, {self.down:,} down"
        )

    @property
    def requests(self) -> int:
        """How many."""
        return len(self.exchanges)

    @property
    def connections(self) -> int:
        """How many connections they came over."""
        return len({one.connection for one in self.exchanges})

    @property
    def up(self) -> int:
        """Bytes from the client."""
        return sum(one.up for one in self.exchanges)

    @property
    def down(self) -> int:
        """Bytes to the client."""
        return sum(one.down for one in self.exchanges)

    @property
    def rounds(self) -> int:
        """Number of steps that had to wait for one another.

        Requests that overlap in time form one group, and so do those that are linked by
        others that overlap both; the groups are counted. Work through a window of
        requests in flight is one round, however long. On a link without latency a fast
        server may answer the first request of a group before the client has sent the
        next, which counts as two rounds: measure with a few milliseconds.
        """
        groups, until = 0, float("-inf")
        for one in sorted(self.exchanges, key=lambda one: one.begin):
            if one.begin >= until:
                groups += 1
            until = max(until, _end(one))
        return groups

    @property
    def longest_chain(self) -> int:
        """The most requests that came strictly one after another: never below rounds.

        Where requests in flight are bounded, the later ones of one step follow on the
        earlier ones, so this is more than a client had to wait for by its logic.
        """
        chain, until = 0, float("-inf")
        for one in sorted(self.exchanges, key=_end):
            if one.begin >= until:
                chain += 1
                until = _end(one)
        return chain


def _end(one: Exchange) -> float:
    return float("inf") if one.end is None else one.end
