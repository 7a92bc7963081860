"""The client of a backend: opened on first use, once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from activecore import ActiveCoreError
from activecore_s3numpy.addresses import Address, Place
from activecore_s3numpy.aws import AwsSettings
from activecore_s3numpy.background import BackgroundLoop
from activecore_s3numpy.credentials import CredentialProvider
from activecore_s3numpy.direct import DirectReads
from activecore_s3numpy.endpoints import Endpoints
from activecore_s3numpy.errors import error_of
from activecore_s3numpy.failures import Failure, RequestFailed
from activecore_s3numpy.merging import Merging
from activecore_s3numpy.options import S3Options
from activecore_s3numpy.read_cache import ReadCache
from activecore_s3numpy.replies import Ask, Listing, Meta, Reply
from activecore_s3numpy.requests import Requests
from activecore_s3numpy.stores import Stores

__all__ = ["Client"]

T = TypeVar("T")

_ORDINARY = frozenset({"absent", "outside", "too large"})
"""Failures that are answers: there is no such object; it ends before these bytes; it is
longer than what was asked for may be."""

_NOBODYS = "activecore-check"
"""A bucket that need not exist: the answer that it does not is an answer."""
_DENIED = "AccessDenied"
_PATIENCE = 2.0
"""Seconds for an answer that only says that there is one."""


class Client:
    """Asks object stores and web servers. Threads share one.

    Making it does no I/O. Every call may raise ``AuthenticationError``,
    ``BackendUnavailable``, ``SourceNotFound`` for a bucket, and others of
    ``activecore.errors``; each names the object and the reason in one line.

    Parameters
    ----------
    options
        What is configured.
    name
        What errors call it: the backend's name.
    max_requests
        Requests under way at once.
    merging
        How neighbouring ranges are read together; None: only where they touch.
    """

    def __init__(
        self,
        options: S3Options,
        *,
        name: str,
        max_requests: int,
        merging: Merging | None = None,
    ) -> None:
        aws = AwsSettings(options.aws_profile)
        self.options = options
        self.endpoints = Endpoints(options, aws)
        """Where requests go."""
        self.credentials = CredentialProvider(options, aws)
        """Who asks."""
        self.merging = Merging() if merging is None else merging
        """How neighbouring ranges are read together."""
        self.read_cache = ReadCache(self.merging.along)
        """What came along with the pieces of indexes."""
        self._stores = Stores(self.endpoints, self.credentials)
        self._requests = Requests(
            self._stores,
            DirectReads(self.endpoints, self._stores),
            self.credentials,
            retries=options.retries,
            most=max_requests,
        )
        self._loop = BackgroundLoop(name)

    def read(self, ask: Ask) -> Reply | Failure:
        """Read bytes of one object; a failure says absent, or outside of it."""
        (answer,) = self.read_all([ask])
        return answer

    def read_all(self, asks: Sequence[Ask]) -> list[Reply | Failure]:
        """Read many ranges in parallel; the first real failure ends all of them."""
        self._prepare([ask.address for ask in asks])
        return self._loop.run(self._read_all(asks))

    def try_all(self, asks: Sequence[Ask]) -> list[Reply | Failure | ActiveCoreError]:
        """Read many ranges in parallel; each failure is given instead of raised."""
        self._prepare([ask.address for ask in asks])
        return self._loop.run(self._try_all(asks))

    def head(self, address: Address) -> Meta | None:
        """Ask what an object is; None: there is none."""
        answer = self._ask(address, self._requests.head(address))
        return None if isinstance(answer, Failure) else answer

    def has_any(self, address: Address) -> bool:
        """Tell whether anything lies below a prefix."""
        return self._ask(address, self._requests.has_any(address)) is True

    def list_one_level(self, address: Address) -> Listing:
        """List what lies directly below a prefix."""
        return self._listing(address, self._requests.list_one_level(address))

    def list_all(self, address: Address) -> Listing:
        """List every object below a prefix."""
        return self._listing(address, self._requests.list_all(address))

    def ping(self, bucket: str | None) -> None:
        """Make sure that the object store answers, and knows who asks.

        Parameters
        ----------
        bucket
            A bucket that must be there and may be listed; None: any answer will do.

        Raises
        ------
        BackendError, SourceNotFound
            It does not answer in two seconds, or does not want this key.
        """
        address = Address(Place("s3", bucket or _NOBODYS), "")
        self._prepare([address])
        failure = self._loop.run(self._requests.ping(address, _PATIENCE))
        if failure is None:
            return
        if bucket is None and (failure.kind == "no bucket" or failure.code == _DENIED):
            return
        raise error_of(failure, address, self.endpoints)

    def require_open(self) -> None:
        """Make sure that it is open, and not a forked child's."""
        self._loop.require_open()

    def close(self) -> None:
        """Refuse later calls; wait for those under way, at most for their time limit.

        Idempotent.
        """
        self._loop.close(self.options.timeout)
        self.read_cache.clear()

    def _listing(
        self, address: Address, question: Coroutine[Any, Any, Listing]
    ) -> Listing:
        answer = self._ask(address, question)
        return Listing((), ()) if isinstance(answer, Failure) else answer

    def _ask(self, address: Address, question: Coroutine[Any, Any, T]) -> T | Failure:
        try:
            self._prepare([address])
        except BaseException:
            question.close()
            raise
        return self._loop.run(self._answer(address, question))

    def _prepare(self, addresses: Sequence[Address]) -> None:
        """Find, or renew, what requests need, in the thread that waits for them."""
        self.require_open()
        if any(address.place.is_s3 for address in addresses):
            self.credentials()
        for place in {address.place for address in addresses}:
            self._stores[place]

    async def _read_all(self, asks: Sequence[Ask]) -> list[Reply | Failure]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self._answer(ask.address, self._requests.read(ask))
                    )
                    for ask in asks
                ]
        except BaseExceptionGroup as errors:
            error = errors.exceptions[0]
        else:
            return [task.result() for task in tasks]
        raise error

    async def _try_all(
        self, asks: Sequence[Ask]
    ) -> list[Reply | Failure | ActiveCoreError]:
        async def settled(ask: Ask) -> Reply | Failure | ActiveCoreError:
            try:
                return await self._answer(ask.address, self._requests.read(ask))
            except ActiveCoreError as error:
                return error

        return await asyncio.gather(*map(settled, asks))

    async def _answer(
        self, address: Address, question: Coroutine[Any, Any, T]
    ) -> T | Failure:
        try:
            return await question
        except RequestFailed as error:
            failure = error.failure
        if failure.kind in _ORDINARY:
            return failure
        raise error_of(failure, address, self.endpoints)
