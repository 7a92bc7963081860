"""A request's attempts: what is tried again, how long is waited, what comes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import tenacity

from activecore import BackendUnavailable, check_cancelled
from activecore_reductionist.connection import Arriving, Exchange, Transport
from activecore_reductionist.errors import ReductionistUnavailable, error_of
from activecore_s3numpy import may_be_obeyed, retry_after, seconds_to_wait

__all__ = ["Attempts", "Dropped", "Received"]

_PIECE = 1 << 20
"""Bytes of a reply that are read at once."""

_NAP = 0.1
"""Seconds after which a wait looks whether the run was stopped."""

_OK = 200


class Dropped(BackendUnavailable):
    """The server closed the connection without an answer, twice.

    It does so where its computation panics: on a minimum or maximum of data with a NaN.
    """


@dataclass(frozen=True, slots=True)
class Received:
    """A reply that came whole."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Names ignore case."""
    body: bytes
    """No longer than was allowed."""
    retries: int = 0
    """Further attempts that it took."""

    def require_type(self, wanted: str) -> None:
        """Make sure that the body is labelled as what it should be.

        Raises
        ------
        BackendUnavailable
            It is labelled as something else, or not at all.
        """
        label = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if label != wanted:
            raise BackendUnavailable(
                f"the Reductionist server answered with {label or 'no content type'} "
                f"instead of {wanted}"
            )


class _Failed(Exception):
    """One attempt failed. Never leaves this module."""

    def __init__(
        self,
        reason: str,
        *,
        is_retried: bool = True,
        was_dropped: bool = False,
        wait: float | None = None,
        received: Received | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_retried = is_retried
        self.was_dropped = was_dropped
        self.wait = wait
        self.received = received


@dataclass(frozen=True, slots=True)
class Attempts:
    """How a server is asked: the one layer that tries again.

    Asked again, after a wait that doubles and has a random part: when no connection can
    be made, a reply ends too early, or the server says that it cannot answer now. A
    connection that is dropped without a reply is tried once more, at once: it may have
    grown old in the pool, or the question makes the server panic. A server that does
    not answer in time is not asked again.
    """

    transport: Transport
    """What sends."""
    timeout: float
    """Seconds that a reply may take to come."""
    connect_timeout: float
    """Seconds that connecting may take."""
    retries: int
    """Further attempts at most."""

    def make(self, exchange: Exchange, *, largest: int) -> Received:
        """Send until a reply has come that counts.

        Parameters
        ----------
        exchange
            What is sent.
        largest
            Bytes that the reply's body may have.

        Returns
        -------
        Received
            Its status may be that of an error; one that passes has been tried again.

        Raises
        ------
        Dropped
            The connection was closed without an answer, twice.
        BackendUnavailable
            No reply came, or none that is whole.
        Cancelled
            The run was stopped.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retries + 1),
            retry=tenacity.retry_if_exception(_Patience()),
            wait=_wait,
            sleep=_sleep,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    check_cancelled()
                    number = attempt.retry_state.attempt_number
                    return self._once(exchange, largest, number - 1)
        except _Failed as error:
            failed = error
        if failed.received is not None:
            return failed.received
        # Outside of the handler: what the transport raised may hold what the server
        # sent, and a server may send back the secret that it was sent.
        where = exchange.url.rpartition("/v")[0]
        kind = Dropped if failed.was_dropped else BackendUnavailable
        raise kind(f"the Reductionist server at {where} {failed.reason}")

    def _once(self, exchange: Exchange, largest: int, retries: int) -> Received:
        import requests
        import urllib3

        from activecore_reductionist.patience import within

        failed: _Failed | None = None
        try:
            with within(self.connect_timeout + self.timeout):
                arriving = self.transport.send(exchange)
                try:
                    body = _body(arriving, largest, time.monotonic() + self.timeout)
                finally:
                    arriving.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = _failure(error)
        if failed is not None:
            # Without a cause: that would carry the request along, and with it the
            # Authorization header.
            raise failed
        received = Received(arriving.status, arriving.headers, body, retries)
        if received.status != _OK:
            meant = error_of(received.status, body)
            if isinstance(meant, ReductionistUnavailable):
                wait = retry_after(arriving.headers.get("retry-after"))
                raise _Failed(str(meant), wait=wait, received=received)
        return received


def _body(arriving: Arriving, largest: int, until: float) -> bytes:
    """Read a reply's body, and no more of it than it may have."""
    announced = arriving.headers.get("content-length", "")
    length = int(announced) if announced.isdecimal() else None
    pieces: list[bytes] = []
    came = 0
    while length is None or came < length:
        if came > largest or (length is not None and length > largest):
            raise _Failed(
                f"answered with more than the {largest} bytes that its answer may have",
                is_retried=False,
            )
        if time.monotonic() > until:
            raise _Failed("did not answer in time", is_retried=False)
        piece = arriving.body.read1(_PIECE)
        if not piece:
            break
        pieces.append(piece)
        came += len(piece)
    if length is not None and came != length:
        raise _Failed(f"answered with {came} of {length} bytes and hung up")
    return b"".join(pieces)


def _failure(error: Exception) -> _Failed:
    """Say in a few words what went wrong; no text of a library may hold a secret."""
    import requests.exceptions as ours
    import urllib3.exceptions as below

    kinds = _kinds(error)

    def is_any(*types: type[BaseException]) -> bool:
        return any(isinstance(kind, types) for kind in kinds)

    if is_any(ours.SSLError, below.SSLError):
        found = _Failed(f"cannot be trusted: {_root(kinds)}", is_retried=False)
    elif is_any(below.NewConnectionError):  # which is also a ConnectTimeoutError
        found = _Failed(f"cannot be reached: {_root(kinds)}")
    elif is_any(ours.ConnectTimeout, below.ConnectTimeoutError):
        found = _Failed("let nobody connect in time")
    elif is_any(ours.ReadTimeout, below.ReadTimeoutError):
        found = _Failed("did not answer in time", is_retried=False)
    elif is_any(below.IncompleteRead):
        found = _Failed("answered with half a reply and hung up")
    elif is_any(ConnectionError):
        found = _Failed("closed the connection without an answer", was_dropped=True)
    else:
        name = type(error).__name__
        found = _Failed(f"answered nothing that is HTTP ({name})", is_retried=False)
    return found


def _kinds(error: BaseException) -> list[BaseException]:
    """Give an error and all that it was made of, outermost first."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is known for known in found):
            continue
        found.append(each)
        inside = [arg for arg in each.args if isinstance(arg, BaseException)]
        waiting += [*inside, getattr(each, "reason", None), each.__cause__]
        waiting.append(each.__context__)
        waiting = [w for w in waiting if isinstance(w, BaseException)]
    return found


def _root(kinds: list[BaseException]) -> str:
    """Name the operating system's reason, which is the innermost."""
    for kind in reversed(kinds):
        verdict = getattr(kind, "verify_message", None)
        if isinstance(verdict, str) and verdict:
            return verdict
        if isinstance(kind, OSError) and kind.strerror:
            return str(kind.strerror)
    return type(kinds[-1]).__name__


class _Patience:
    """Says whether an attempt that failed is made again; one for each request."""

    def __init__(self) -> None:
        self._drops = 0

    def __call__(self, error: BaseException) -> bool:
        if not isinstance(error, _Failed):
            return False
        self._drops += error.was_dropped
        is_soon = may_be_obeyed(error.wait)
        return error.is_retried and is_soon and self._drops < 2  # noqa: PLR2004 - once


def _wait(state: tenacity.RetryCallState) -> float:
    error = None if state.outcome is None else state.outcome.exception()
    if not isinstance(error, _Failed):
        return seconds_to_wait(state, None)
    return 0.0 if error.was_dropped else seconds_to_wait(state, error.wait)


def _sleep(seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        check_cancelled()
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _NAP))
