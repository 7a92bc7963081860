"""How loops are compiled. Imported where ``activecore[fast]`` is used alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba

__all__ = ["loop"]

logger = logging.getLogger(__name__)


def loop(function: Callable[..., Any]) -> Any:
    """Compile on first use; keep what was compiled on disk where there is a place.

    Compiled loops run without Python's lock.
    """
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError as error:
        logger.debug("compiled loops are not kept on disk: %s", error)
        return numba.njit(nogil=True, error_model="numpy")(function)
