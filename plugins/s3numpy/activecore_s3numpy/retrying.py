"""The one layer of retries: how often, how long between, and on what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_base, wait_random_exponential

from activecore_s3numpy.failures import Failure, RequestFailed

__all__ = ["with_retries"]

T = TypeVar("T")

_FIRST_WAIT = 0.2
"""Seconds that the first wait lasts at most; each further one may be twice as long."""
_LONGEST_WAIT = 10.0
"""Seconds that a wait of our own lasts at most."""
_MOST_OBEYED = 60.0
"""Seconds that a server may ask us to wait; with more, the request has failed."""


class _AsTold(wait_base):
    """Waits as long as the server asks for, and some time between 0 and ours more.

    Ours grows exponentially and is drawn from all of its length (full jitter), so that
    a thousand clients that were refused together do not come back together.
    """

    def __init__(self) -> None:
        self._own = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)

    def __call__(self, state: RetryCallState) -> float:
        failure = _failure(state.outcome.exception()) if state.outcome else None
        told = 0.0 if failure is None or failure.wait is None else failure.wait
        return told + self._own(state)


async def with_retries(
    attempt: Callable[[Failure | None], Awaitable[T]], retries: int
) -> tuple[T, int]:
    """Make attempts until one succeeds or another would be in vain.

    Parameters
    ----------
    attempt
        Makes one; is told how the last one failed, None at first. Raises
        ``RequestFailed``.
    retries
        Further attempts at most.

    Returns
    -------
    value, retries
        What the attempt gave, and how many further ones it took.

    Raises
    ------
    RequestFailed
        The last attempt's.
    """
    try:
        return await attempt(None), 0
    except RequestFailed as error:
        first = error
    if not _is_worth_another(first):
        raise first
    last = first.failure
    attempts = 0

    async def once() -> T:
        nonlocal last, attempts
        attempts += 1
        if attempts == 1:
            raise first  # it was made above: nearly all requests end there
        try:
            return await attempt(last)
        except RequestFailed as error:
            last = error.failure
            raise

    caller = AsyncRetrying(
        stop=stop_after_attempt(retries + 1),
        wait=_AsTold(),
        retry=retry_if_exception(_is_worth_another),
        reraise=True,
    )
    try:
        value: T = await caller(once)
    except RequestFailed as error:
        raise RequestFailed(_with_attempts(error.failure, attempts)) from None
    return value, attempts - 1


def _with_attempts(failure: Failure, attempts: int) -> Failure:
    """Say how often it was tried, if it was worth another try."""
    if attempts == 1 or not failure.is_retried:
        return failure
    return replace(failure, reason=f"{failure.reason} (tried {attempts} times)")


def _is_worth_another(error: BaseException) -> bool:
    failure = _failure(error)
    if failure is None or not failure.is_retried:
        return False
    return failure.wait is None or failure.wait <= _MOST_OBEYED


def _failure(error: BaseException | None) -> Failure | None:
    return error.failure if isinstance(error, RequestFailed) else None
