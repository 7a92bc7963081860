"""Connections to one server: a pool for each process, and one exchange over it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

__all__ = ["CallersSession", "Exchange", "PooledSession", "Transport"]


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


class Transport(Protocol):
    """Sends a request; the reply's body is still to be read."""

    def send(self, exchange: Exchange) -> requests.Response:
        """Send, and wait for the reply's head. Follows no redirect, retries nothing."""


class CallersSession:
    """A session of ``requests`` that somebody else made and goes on using.

    Its credentials, certificates and adapters hold.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def send(self, exchange: Exchange) -> requests.Response:
        """Send by ``session.post``."""
        return self._session.post(
            exchange.url,
            data=exchange.body,
            headers=exchange.headers,
            timeout=(exchange.connect_timeout, exchange.timeout),
            allow_redirects=False,
            stream=True,
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
        tls = make_tls() if url.startswith("https:") else None
        self._adapter = _adapter(tls)
        self._is_verified = tls is None or tls.verify_mode != ssl.CERT_NONE
        self._in_flight = 0
        self._condition = threading.Condition()

    def send(self, exchange: Exchange) -> requests.Response:
        """Send over a connection that is free, or a new one."""
        # A prepared request and the adapter alone: Session.post looks up proxies,
        # netrc, cookies and redirects for every chunk, which costs more than the rest.
        import requests
        from requests.structures import CaseInsensitiveDict

        prepared = requests.PreparedRequest()
        prepared.method = "POST"
        prepared.url = exchange.url
        prepared.headers = CaseInsensitiveDict(exchange.headers)
        prepared.headers["Content-Length"] = str(len(exchange.body))
        prepared.body = exchange.body
        return self._adapter.send(
            prepared,
            stream=True,
            timeout=(exchange.connect_timeout, exchange.timeout),
            verify=self._is_verified,
            proxies={},
        )

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
        self._adapter.close()


_MOST_CONNECTIONS = 256
"""Connections kept at most; beyond that many threads, some are opened for one use."""


def _adapter(tls: ssl.SSLContext | None) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=tls, **kwargs)

    return Adapter(pool_connections=1, pool_maxsize=_MOST_CONNECTIONS, max_retries=0)
