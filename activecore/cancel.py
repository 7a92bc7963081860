"""Stopping work that runs in another thread.

``execute`` arms a token around each batch; loops over chunks ask it between chunks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from activecore.errors import Cancelled

__all__ = ["cancellable", "check_cancelled"]

_token: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


@contextmanager
def cancellable(token: threading.Event) -> Iterator[None]:
    """Make ``check_cancelled`` obey ``token`` in this thread, within the block."""
    previous = _token.set(token)
    try:
        yield
    finally:
        _token.reset(previous)


def check_cancelled() -> None:
    """Raise ``Cancelled`` if the run that this thread works for was stopped.

    Call it between chunks, and between the attempts of a retry: it costs well under
    a microsecond, and is what makes Ctrl-C return at once.
    """
    token = _token.get()
    if token is not None and token.is_set():
        msg = "the run was stopped"
        raise Cancelled(msg)
