"""Asking a store: each question with its attempts, and at most so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from activecore_s3numpy.addresses import Address
from activecore_s3numpy.direct import DirectReads
from activecore_s3numpy.failures import Failure, RequestFailed, failure_of
from activecore_s3numpy.replies import Ask, Listing, Meta, Reply
from activecore_s3numpy.retrying import with_retries

if TYPE_CHECKING:
    from obstore import GetOptions

    from activecore_s3numpy.credentials import CredentialProvider
    from activecore_s3numpy.stores import Stores

__all__ = ["Requests"]

T = TypeVar("T")

_WITHOUT_A_REASON = frozenset({"forbidden", "other", "redirect", "refused"})


class Requests:
    """Coroutines that ask; all of them run in one event loop.

    Each raises ``RequestFailed`` when the last attempt has failed.

    Parameters
    ----------
    retries
        Further attempts at most.
    most
        Requests under way at once; more of them wait.
    """

    def __init__(
        self,
        stores: Stores,
        direct: DirectReads,
        credentials: CredentialProvider,
        *,
        retries: int,
        most: int,
    ) -> None:
        self._stores = stores
        self._direct = direct
        self._credentials = credentials
        self._retries = retries
        self._places = asyncio.Semaphore(most)

    async def read(self, ask: Ask) -> Reply:
        """Read bytes of an object."""

        async def attempt(last: Failure | None) -> Reply:
            is_throttled = last is not None and last.kind == "throttled"
            if is_throttled and self._direct.offers(ask):
                return await self._limited(lambda: self._direct.read(ask))
            return await self._limited(lambda: self._get(ask))

        try:
            reply, retries = await with_retries(attempt, self._retries)
        except RequestFailed as error:
            failure = error.failure
        else:
            return reply.after(retries)
        raise RequestFailed(failure.of_s3() if ask.address.place.is_s3 else failure)

    async def head(self, address: Address) -> Meta:
        """Ask what an object is.

        A refusal of HEAD has no body that would say why, and some servers refuse it
        always: then the first byte is asked for.
        """

        async def head() -> Meta:
            import obstore

            options: GetOptions = {"head": True}
            result = await obstore.get_async(
                self._stores[address.place], address.key, options=options
            )
            return _meta(result.meta, result.attributes)

        try:
            return await self._retried(head)
        except RequestFailed as error:
            refusal = error
        if refusal.failure.kind not in _WITHOUT_A_REASON:
            raise refusal
        try:
            return (await self.read(Ask(address, 0, 1))).meta
        except RequestFailed as error:
            # Of an empty object there is no first byte.
            raise refusal if error.failure.kind == "outside" else error from None

    async def has_any(self, address: Address) -> bool:
        """Tell whether any object lies below a prefix."""
        return await self._retried(lambda: self._first(address))

    async def ping(self, address: Address, patience: float) -> Failure | None:
        """Ask once for a bucket's first object; None: it answered that as it should.

        Parameters
        ----------
        patience
            Seconds to wait for the answer.
        """
        try:
            async with asyncio.timeout(patience):
                await self._limited(lambda: self._first(address))
        except RequestFailed as error:
            return error.failure
        except TimeoutError:
            return Failure("unavailable", f"it did not answer in {patience:g} seconds")
        return None

    async def list_one_level(self, address: Address) -> Listing:
        """List what lies directly below a prefix."""

        async def one_level() -> Listing:
            import obstore

            result = await obstore.list_with_delimiter_async(
                self._stores[address.place], address.key or None
            )
            objects = tuple((item["path"], _meta(item)) for item in result["objects"])
            return Listing(objects, tuple(result["common_prefixes"]))

        return await self._retried(one_level)

    async def list_all(self, address: Address) -> Listing:
        """List every object below a prefix, however deep."""

        async def every() -> Listing:
            import obstore

            stream = obstore.list(
                self._stores[address.place], address.key or None, chunk_size=1000
            )
            items = await stream.collect_async()
            return Listing(tuple((item["path"], _meta(item)) for item in items), ())

        return await self._retried(every)

    async def _first(self, address: Address) -> bool:
        import obstore

        stream = obstore.list(
            self._stores[address.place], address.key or None, chunk_size=1
        )
        async for page in stream:
            return len(page) > 0
        return False

    async def _get(self, ask: Ask) -> Reply:
        import obstore

        options: GetOptions = {}
        if ask.stop is not None:
            options["range"] = (ask.start, ask.stop)
        elif ask.start > 0:
            options["range"] = {"offset": ask.start}
        elif ask.start < 0:
            options["range"] = {"suffix": -ask.start}
        if ask.if_match is not None:
            options["if_match"] = ask.if_match
        result = await obstore.get_async(
            self._stores[ask.address.place], ask.address.key, options=options
        )
        first, behind = result.range
        ask.require_length(behind - first)
        data = await result.bytes_async()
        meta = _meta(result.meta, result.attributes)
        return Reply(data, meta).checked(ask, result.range)

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        async def attempt(last: Failure | None) -> T:  # noqa: ARG001 - all the same
            return await self._limited(call)

        value, _ = await with_retries(attempt, self._retries)
        return value

    async def _limited(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt, when there is a place for it; name what went wrong."""
        async with self._places:
            try:
                return await call()
            except RequestFailed as error:
                # What a server says may repeat what it was told.
                reason = self._redacted(error.failure.reason)
                failure = replace(error.failure, reason=reason)
            except Exception as error:  # noqa: BLE001 - told apart by its text
                failure = failure_of(error, self._redacted)
        # Outside of the handler: what obstore raised may hold what must not be shown.
        raise RequestFailed(failure)

    def _redacted(self, text: str) -> str:
        for secret in self._credentials.known():
            text = text.replace(secret, "**********")
        return text


def _meta(item: Any, attributes: Any = None) -> Meta:
    modified: datetime | None = item["last_modified"]
    if modified == datetime(1970, 1, 1, tzinfo=UTC):
        modified = None  # obstore's word for none
    kind = "" if attributes is None else str(attributes.get("Content-Type", ""))
    return Meta(int(item["size"]), item["e_tag"], modified, kind)
