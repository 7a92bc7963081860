"""Connections to one server: a pool for each process, and one exchange over it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

__all__ = ["Arriving", "CallersSession", "Exchange", "PooledSession", "Transport"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent: one POST."""

    url: str
    body: bytes
    headers: dict[str, str]
    connect_timeout: float
    """Seconds for connecting."""
    timeout: float
    """Seconds for every wait for bytes of the reply."""


class Body(Protocol):
    """What a reply's bytes are read from."""

    def read1(self, amt: int) -> bytes:
        """Give bytes that have come, at most so many; none at the end."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """A reply whose body is still to be read."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Names ignore case."""
    body: Body
    close: Callable[[], None]
    """Gives the connection back if the body was read to its end; else closes it."""


class Transport(Protocol):
    """Sends a request, and gives the reply as it arrives."""

    def send(self, exchange: Exchange) -> Arriving:
        """Send, and wait for the reply's head. Follows no redirect, retries nothing."""


class CallersSession:
    """A session of ``requests`` that somebody else made and goes on using.

    Its credentials, certificates and adapters hold.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def send(self, exchange: Exchange) -> Arriving:
        """Send by ``session.post``."""
        response = self._session.post(
            exchange.url,
            data=exchange.body,
            headers=exchange.headers,
            timeout=(exchange.connect_timeout, exchange.timeout),
            allow_redirects=False,
            stream=True,
        )
        return Arriving(
            response.status_code, response.headers, response.raw, response.close
        )


class PooledSession:
    """As many connections as there are threads, kept open between requests.

    For one process: a forked child must not speak over its parent's connections.
    Nothing of the environment is obeyed: ``REQUESTS_CA_BUNDLE`` would silently replace
    the certificates that are configured, and a ``netrc`` the credentials.

    Parameters
    ----------
    url
        The server.
    make_tls
        Makes what TLS is spoken with. Not called for a server without TLS: to load the
        system's certificates takes as long as many requests.
    """

    def __init__(self, url: str, make_tls: Callable[[], ssl.SSLContext]) -> None:
        import urllib3

        from activecore_reductionist.patience import HTTPConnection, HTTPSConnection

        # The pool below requests' sessions: these look up proxies, cookies and
        # certificates for every chunk, which costs as much again as the request.
        parts = urlsplit(url)
        common: dict[str, Any] = {"maxsize": _MOST_CONNECTIONS, "retries": False}
        host = parts.hostname or "localhost"
        self._pool: urllib3.HTTPConnectionPool
        if parts.scheme == "https":
            tls = make_tls()
            is_verified = tls.verify_mode != ssl.CERT_NONE
            reqs = "CERT_REQUIRED" if is_verified else "CERT_NONE"
            self._pool = urllib3.HTTPSConnectionPool(
                host, parts.port, ssl_context=tls, cert_reqs=reqs, **common
            )
            self._pool.ConnectionCls = HTTPSConnection
        else:
            self._pool = urllib3.HTTPConnectionPool(host, parts.port, **common)
            self._pool.ConnectionCls = HTTPConnection
        self._in_flight = 0
        self._condition = threading.Condition()

    def send(self, exchange: Exchange) -> Arriving:
        """Send over a connection that is free, or a new one."""
        import urllib3

        response = self._pool.urlopen(
            "POST",
            urlsplit(exchange.url).path,
            body=exchange.body,
            headers=exchange.headers,
            timeout=urllib3.Timeout(
                connect=exchange.connect_timeout, read=exchange.timeout
            ),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

        def close() -> None:
            response.close()
            response.release_conn()

        return Arriving(response.status, response.headers, response, close)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let ``close`` wait for what happens within."""
        with self._condition:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._condition:
                self._in_flight -= 1
                self._condition.notify_all()

    def close(self, patience: float) -> None:
        """Wait for calls in flight, and close the connections.

        Parameters
        ----------
        patience
            Seconds to wait at most.
        """
        until = time.monotonic() + patience
        with self._condition:
            while self._in_flight > 0 and time.monotonic() < until:
                self._condition.wait(until - time.monotonic())
        self._pool.close()


_MOST_CONNECTIONS = 256
"""Connections kept at most; beyond that many threads, some are opened for one use."""
