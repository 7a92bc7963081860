"""The one layer of retries: how often, and on what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_after_attempt

from activecore_s3numpy.backoff import may_be_obeyed, seconds_to_wait
from activecore_s3numpy.failures import Failure, RequestFailed

__all__ = ["with_retries"]

T = TypeVar("T")


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
        wait=_wait,
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


def _wait(state: RetryCallState) -> float:
    failure = None if state.outcome is None else _failure(state.outcome.exception())
    return seconds_to_wait(state, None if failure is None else failure.wait)


def _is_worth_another(error: BaseException) -> bool:
    failure = _failure(error)
    return failure is not None and failure.is_retried and may_be_obeyed(failure.wait)


def _failure(error: BaseException | None) -> Failure | None:
    return error.failure if isinstance(error, RequestFailed) else None
