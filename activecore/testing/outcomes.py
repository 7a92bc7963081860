"""Running the suite without pytest's command: check by check, with a time limit."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pytest

from activecore.backend import StorageBackend
from activecore.errors import ActiveCoreError
from activecore.testing.conformance import BackendConformance
from activecore.testing.golden import GoldenCase

__all__ = ["Outcome", "checks", "outcomes_of"]

_HANGS = (
    "expected:  an end within {:g} s\ncame back: nothing; it hangs\nusually:   a read "
    "or a connection without a time limit, or a lock that is taken twice"
)

How: TypeAlias = Literal["passed", "failed", "not offered"]
Bench: TypeAlias = tuple[BackendConformance, StorageBackend]


@dataclass(frozen=True)
class Outcome:
    """What one check found, for one choice of its parameters."""

    check: str
    """Name of the test method."""
    how: How
    """What came of it."""
    said: str
    """Why it failed, or is not offered."""
    case: GoldenCase | None = None
    """The golden case that was asked, if there was one."""
    hangs: bool = False
    """Whether it had not ended when the time was up."""


def checks() -> list[str]:
    """Name every check that asks a backend, in the order in which they are written."""
    return [
        name
        for kind in BackendConformance.__mro__
        for name, test in vars(kind).items()
        if name.startswith("test_") and "backend" in inspect.signature(test).parameters
    ]


def outcomes_of(
    make: Callable[[], Bench], check: str, *, limit: float | None = None
) -> Iterator[Outcome]:
    """Run one check of the suite for all its parameters.

    Parameters
    ----------
    make
        Gives a suite and a backend, both made anew: some checks close the backend.
    check
        Name of the test method.
    limit
        Seconds that each may take; None: no limit, and no thread of its own.
    """
    test = getattr(BackendConformance, check)
    marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
    choices = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks]
    for chosen in itertools.product(*choices):
        arguments = dict(chosen)
        case = arguments.get("case")
        suite, backend = make()
        if "backend" in inspect.signature(test).parameters:
            arguments["backend"] = backend

        def run(
            suite: BackendConformance = suite, arguments: dict[str, Any] = arguments
        ) -> tuple[How, str]:
            return _run(getattr(suite, check), arguments)

        ended = run() if limit is None else _within(limit, run)
        how, said = _hung(limit) if ended is None else ended
        # A check may have closed it; what it does then has a check of its own.
        with contextlib.suppress(Exception):
            backend.close()
        yield Outcome(check, how, said, case, hangs=ended is None)


def _hung(limit: float | None) -> tuple[How, str]:
    return "failed", _HANGS.format(limit)


def _run(test: Callable[..., None], arguments: dict[str, Any]) -> tuple[How, str]:
    try:
        test(**arguments)
    except pytest.fail.Exception as failure:
        return "failed", str(failure)
    except pytest.skip.Exception as skip:
        return "not offered", str(skip).removeprefix("not offered: ")
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        kind = type(error).__name__
        if isinstance(error, ActiveCoreError):
            return "failed", f"came back: {kind}: {error}"
        return "failed", f"came back: {kind}: {error}\nusually:   a fault of the rig"
    return "passed", ""


def _within(limit: float, run: Callable[[], tuple[How, str]]) -> tuple[How, str] | None:
    """Run in a thread that can be left behind: nothing else stops a call that hangs."""
    result: queue.Queue[tuple[How, str]] = queue.Queue()
    start = time.monotonic()
    streams = sys.stdout, sys.stderr
    thread = threading.Thread(
        target=lambda: result.put(run()), name="conformance", daemon=True
    )
    thread.start()
    # In steps, so that Ctrl-C is heard.
    while time.monotonic() < start + limit:
        with contextlib.suppress(queue.Empty):
            return result.get(timeout=min(1.0, limit))
    # A check that looks for printing leaves them redirected when it does not end.
    sys.stdout, sys.stderr = streams
    return None
