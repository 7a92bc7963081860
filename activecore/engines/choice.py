"""Which engine computes: NumPy, until compiled loops are worth their start-up.

Both give the same bits, so it may change from one block to the next. Importing numba
and loading loops from its cache costs about as much time as the loops save on the first
two gigabytes; compiling them, once on a machine, several seconds. So NumPy begins, and
when so much was reduced of one dtype by one operation, the thread that finds out
prepares the loops for it while the others go on.
"""

from __future__ import annotations

import logging
import os
import threading
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from activecore.codecs import prepare_loop
from activecore.elements import reduce_block
from activecore.engines.base import Block, Engine
from activecore.engines.blocked import BlockedEngine
from activecore.errors import ConfigError
from activecore.model import Missing

__all__ = ["VARIABLE", "WORTH", "Choice", "engine_for"]

logger = logging.getLogger(__name__)

VARIABLE = "ACTIVECORE_ENGINE"
"""Environment variable that settles it: ``numpy``, ``fused`` or ``auto``."""

WORTH = 2 << 30
"""Bytes of elements that NumPy reduces before loops are prepared."""

_Key: TypeAlias = tuple[str, str]


class Choice:
    """Chooses for one process. Safe to use from several threads.

    Parameters
    ----------
    worth
        Bytes that NumPy reduces, of each dtype by each operation, before loops are
        prepared; 0: none, everybody waits for the loops.
    """

    def __init__(self, worth: int = WORTH) -> None:
        self._worth = worth
        self._blocked: Engine = BlockedEngine()
        self._fused: Engine | None = None
        self._reduced: dict[_Key, int] = {}
        self._ready: set[_Key] = set()
        self._failed = False
        self._preparing = threading.Lock()

    def engine(self, dtype: np.dtype[Any], operation: str, nbytes: int) -> Engine:
        """Choose for so many bytes of elements."""
        key = (dtype.newbyteorder("=").str, operation)
        if key in self._ready and self._fused is not None:
            return self._fused
        if self._failed:
            return self._blocked
        # Two threads at once may lose one's bytes, which changes nothing.
        reduced = self._reduced.get(key, 0)
        self._reduced[key] = reduced + nbytes
        if reduced < self._worth:
            return self._blocked
        if self._preparing.acquire(blocking=self._worth == 0):
            try:
                self._prepare(key)
            finally:
                self._preparing.release()
        ready = self._fused if key in self._ready else None
        return self._blocked if ready is None else ready

    def _prepare(self, key: _Key) -> None:
        """Load or compile what one operation on one dtype needs, by using it."""
        if self._failed or key in self._ready:
            return
        dtype, operation = np.dtype(key[0]), key[1]
        try:
            if self._fused is None:
                from activecore.engines.fused import FusedEngine

                prepare_loop()
                self._fused = FusedEngine()
            block = Block(np.zeros((1, dtype.itemsize), np.uint8), dtype, (1,))
            reduce_block(self._fused, block, Missing(), (0,), operation)
        except Exception:
            # numba may refuse a NumPy that is newer than it, have no place for its
            # cache, or fail in ways of its own. NumPy gives the same answers.
            logger.warning("activecore[fast] cannot be used", exc_info=True)
            self._failed = True
            return
        self._ready.add(key)


def _choice_of_environment() -> Choice | None:
    # An empty variable is one that somebody unset for a command.
    wanted = os.environ.get(VARIABLE) or "auto"
    if wanted not in ("auto", "numpy", "fused"):
        raise ConfigError(f"{VARIABLE} is auto, numpy or fused, not {wanted!r}")
    if wanted == "numpy" or find_spec("numba") is None:
        return None
    return Choice(0 if wanted == "fused" else WORTH)


_NUMPY = BlockedEngine()
_lock = threading.Lock()
_made: list[Choice | None] = []


def engine_for(dtype: np.dtype[Any], operation: str, nbytes: int) -> Engine:
    """Choose the engine for so many bytes of elements.

    Raises
    ------
    ConfigError
        ``ACTIVECORE_ENGINE`` is none of its values.
    """
    if not _made:
        with _lock:
            if not _made:
                _made.append(_choice_of_environment())
    choice = _made[0]
    return _NUMPY if choice is None else choice.engine(dtype, operation, nbytes)
