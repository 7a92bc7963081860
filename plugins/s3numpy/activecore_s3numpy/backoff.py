"""How long is waited before another attempt, by every client that stands on this one.

A wait is what the server asks for and some time of our own more. Ours grows
exponentially and is drawn from all of its length (full jitter), so that a thousand
clients that were refused together do not come back together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState
from tenacity.wait import wait_random_exponential

__all__ = ["http_date", "may_be_obeyed", "retry_after", "seconds_to_wait"]

_FIRST_WAIT = 0.2
"""Seconds that the first wait lasts at most; each further one may be twice as long."""
_LONGEST_WAIT = 10.0
"""Seconds that a wait of our own lasts at most."""
_MOST_OBEYED = 60.0
"""Seconds that a server may ask us to wait; with more, the request has failed."""

_own = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)


def seconds_to_wait(state: RetryCallState, told: float | None) -> float:
    """Say how long to wait before the next attempt.

    Parameters
    ----------
    state
        tenacity's, of the attempt that failed.
    told
        Seconds that the server asks for; None: it asks for none.
    """
    return (0.0 if told is None else told) + float(_own(state))


def may_be_obeyed(told: float | None) -> bool:
    """Tell whether a server asks for no longer a wait than anybody has patience for."""
    return told is None or told <= _MOST_OBEYED


def retry_after(text: str | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date; None: it says nothing.

    Returns
    -------
    float or None
        Seconds from now.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    date = http_date(text)
    if date is None:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def http_date(text: str | None) -> datetime | None:
    """Read a date of HTTP; None: it is none."""
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
