"""One read through Python's own HTTP client, which shows the headers of a refusal.

obstore tells nothing of a refusal's headers, so ``Retry-After`` would not be known. A
read that was refused as one too many (429, 503) is therefore tried again through here,
until it is answered.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from activecore_s3numpy.backoff import http_date, retry_after
from activecore_s3numpy.failures import Failure, RequestFailed, failure_of_status
from activecore_s3numpy.replies import Ask, Meta, Reply

if TYPE_CHECKING:
    from activecore_s3numpy.endpoints import Endpoints
    from activecore_s3numpy.stores import Stores

__all__ = ["DirectReads"]

T = TypeVar("T")

_VALID = timedelta(minutes=5)
"""How long the URL is good for that a read is asked with."""
_MOST_OF_A_REFUSAL = 16 << 10
_PARTIAL = 206
_IGNORES = Failure("no range", "the server ignores byte ranges (Range)")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class DirectReads:
    """Reads with the same credentials and the same trust as the stores."""

    def __init__(self, endpoints: Endpoints, stores: Stores) -> None:
        self._endpoints = endpoints
        self._stores = stores

    def offers(self, ask: Ask) -> bool:
        """Tell whether this read can be asked for here: not where the reader pays."""
        return not (ask.address.place.is_s3 and self._endpoints.options.requester_pays)

    async def read(self, ask: Ask) -> Reply:
        """Make one attempt.

        Raises
        ------
        RequestFailed
            ``failure.wait`` says what ``Retry-After`` said.
        """
        url = await self._url(ask)
        seconds = self._endpoints.options.timeout
        try:
            async with asyncio.timeout(seconds):
                return await _in_thread(lambda: self._read(ask, url))
        except TimeoutError:
            failure = Failure("unavailable", "it did not answer in time")
            raise RequestFailed(failure) from None

    async def _url(self, ask: Ask) -> str:
        """Give a URL that carries its own signature: a secret for five minutes."""
        place, key = ask.address.place, ask.address.key
        if not place.is_s3 or self._endpoints.options.anon:
            return f"{self._endpoints.base(place)}/{quote(key)}"
        import obstore

        bucket: Any = self._stores[place]
        url: str = await obstore.sign_async(bucket, "GET", key, _VALID)
        return url

    def _read(self, ask: Ask, url: str) -> Reply:
        headers = {"User-Agent": "activecore-s3numpy", "Accept-Encoding": "identity"}
        if not ask.is_whole:
            last = "" if ask.stop is None else ask.stop - 1
            wanted = f"{ask.start}-{last}" if ask.start >= 0 else f"{ask.start}"
            headers["Range"] = f"bytes={wanted}"
        if ask.if_match is not None:
            headers["If-Match"] = ask.if_match
        opener = urllib.request.build_opener(
            _NoRedirects(), urllib.request.HTTPSHandler(context=self._endpoints.tls())
        )
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the stores' own
        try:
            with opener.open(request, timeout=self._endpoints.options.timeout) as reply:
                if not ask.is_whole and reply.status != _PARTIAL:
                    raise RequestFailed(_IGNORES)  # before its body is read
                length = reply.headers.get("Content-Length", "")
                if length.isdecimal():
                    ask.require_length(int(length))
                return _reply(ask, reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                body = error.read(_MOST_OF_A_REFUSAL).decode("utf-8", "replace")
                wait = retry_after(error.headers.get("Retry-After"))
                failure = failure_of_status(error.code, body, wait=wait)
        except (OSError, HTTPException) as error:
            # Its text may hold the URL, and so the signature.
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                failure = Failure("certificate", "its certificate is not trusted")
            else:
                failure = Failure("unavailable", "the connection broke")
        raise RequestFailed(failure)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Gives redirects back as they are: what is signed goes nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _reply(ask: Ask, status: int, headers: Message, body: bytes) -> Reply:
    """Make a reply of what came; ``checked`` holds it to what was asked."""
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if ask.is_whole:
        size, extent = len(body), (0, len(body))
        if headers.get("Content-Length", str(size)) != str(size):
            raise RequestFailed(Failure("unavailable", "the reply ended too early"))
    elif status != _PARTIAL or found is None:
        raise RequestFailed(_IGNORES)
    else:
        first, last, size = map(int, found.groups())
        extent = (first, last + 1)
    written = headers.get("Last-Modified")
    meta = Meta(size, headers.get("ETag"), http_date(written))
    return Reply(body, meta).checked(ask, extent)


async def _in_thread(call: Callable[[], T]) -> T:
    """Run what blocks in a thread that keeps no program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type] # no error: a value

    def work() -> None:
        try:
            value, error = call(), None
        except BaseException as caught:  # noqa: BLE001 - it is raised where it is awaited
            value, error = None, caught
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            return  # nobody waits any more: the loop is closed

    threading.Thread(target=work, name="activecore-direct", daemon=True).start()
    return await future
