"""Backends that a worker process keeps between runs: their connections are worth it.

A backend that arrives is looked up by its pickle, so that the next run, or another
array with the same options, finds it with its connections open. The few used last are
kept; one that nobody uses any more is closed, and all are when the process ends.
"""

from __future__ import annotations

import os
import pickle
import threading
import weakref
from collections import OrderedDict

from activecore.backend import StorageBackend
from activecore.errors import ConfigError

__all__ = ["Lent", "forget", "lend"]

_MOST = 8
"""Backends that are kept while nobody uses them."""

_kept: OrderedDict[bytes, Lent] = OrderedDict()
_lock = threading.Lock()


class Lent:
    """Holds a backend, and closes it when the last holder of this object is gone."""

    def __init__(self, backend: StorageBackend) -> None:
        self.backend = backend
        self._close = weakref.finalize(self, backend.close)
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            # Such a process ends without the interpreter's own farewell.
            util.Finalize(self, self._close, exitpriority=10)


def lend(pickled: bytes) -> Lent:
    """Give the backend of this pickle: the one that is here already, or a new one.

    Raises
    ------
    BackendError, ConfigError
        It cannot be made here; the message says in which process.
    """
    with _lock:
        held = _kept.pop(pickled, None)
        if held is None:
            held = Lent(_made(pickled))
        _kept[pickled] = held
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
        return held


def forget(pickled: bytes) -> None:
    """Keep this backend no longer: the next run makes it anew."""
    with _lock:
        _kept.pop(pickled, None)


def _made(pickled: bytes) -> StorageBackend:
    try:
        backend = pickle.loads(pickled)  # noqa: S301 - from the process that asks
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"a backend cannot be made in worker process {os.getpid()}: {error}; "
            "install there what is installed here"
        ) from error
    if not isinstance(backend, StorageBackend):
        raise ConfigError(f"a backend arrived as {type(backend).__name__}")
    return backend


def _forget_the_parents() -> None:
    # A forked child must not close, nor talk through, what its parent opened.
    global _lock  # noqa: PLW0603 - it may have been held when the process forked
    for held in _kept.values():
        held._close.detach()  # noqa: SLF001 - of this module
    _kept.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_the_parents)
