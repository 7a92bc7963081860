"""Examining plugins in a process of their own, with a limit to everybody's patience.

One process examines them one after the other. Where a plugin hangs or ends it, that is
the plugin's row, and another process goes on with the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from activecore.cli.arguments import TIME_LIMIT
from activecore.cli.examined import row_of
from activecore.entry_points import Plugin, installed
from activecore.errors import BackendError

__all__ = ["examine_plugins"]

_START_LIMIT = 120.0
"""Seconds until a process must have imported activecore itself."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from activecore.cli.examined import main; main()"
)


def examine_plugins(
    *, check: bool, config: Path | None = None, limit: float = TIME_LIMIT
) -> list[dict[str, Any]]:
    """Describe every installed plugin, one that cannot be used with the reason.

    Parameters
    ----------
    check
        Whether to ask each backend if it works, which may connect to its store.
    config
        The config file that was named, if one was.
    limit
        Seconds that each plugin may take to be imported, and to be checked.
    """
    rows: list[dict[str, Any]] = []
    plugins = installed()
    while len(rows) < len(plugins):
        rows += _examined(plugins[len(rows) :], check, config, limit)
    return rows


def _examined(
    plugins: Sequence[Plugin], check: bool, config: Path | None, limit: float
) -> Iterator[dict[str, Any]]:
    """Give the rows of plugins up to the first that hangs or ends the process."""
    task = {
        "plugins": [(plugin.name, plugin.distribution) for plugin in plugins],
        "check": check,
        "config": None if config is None else os.fspath(config),
    }
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - this Python, and our own code
            # -P: a module in the current directory is nobody's plugin.
            [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            lines = _lines_of(process, json.dumps(task))
            if _next(lines, _START_LIMIT) != "ready":
                raise BackendError(f"plugins cannot be examined: {_last(errors)}")
            for plugin in plugins:
                row, problem = _row(lines, limit, errors)
                if row is None:
                    yield row_of(plugin, f"the plugin {plugin} {problem}")
                    return
                yield row
        finally:
            process.kill()
            process.wait()


def _row(
    lines: queue.Queue[str], limit: float, errors: IO[bytes]
) -> tuple[dict[str, Any] | None, str]:
    """Give the next plugin's row; or None, and what it did instead."""
    doing = "looked at"
    while True:
        try:
            told = _next(lines, limit)
        except queue.Empty:
            return None, f"hangs: after {limit:g} s it was still {doing}"
        if told is None:
            return None, f"ended the process while {doing}: {_last(errors)}"
        if isinstance(told, dict):
            return told, ""
        doing = told


def _lines_of(process: subprocess.Popen[str], task: str) -> queue.Queue[str]:
    """Hand the task over, and let a thread collect the lines that come back."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    lines: queue.Queue[str] = queue.Queue()
    output = process.stdout

    def collect() -> None:
        with output:
            for line in output:
                lines.put(line)
        lines.put("")

    threading.Thread(target=collect, name="examine", daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # it has ended; its last words say why
        process.stdin.write(task)
        process.stdin.close()
    return lines


def _next(lines: queue.Queue[str], limit: float) -> Any:
    """Give what the next line says; None: there is no further one."""
    line = lines.get(timeout=limit)
    return json.loads(line) if line else None


def _last(errors: IO[bytes]) -> str:
    """Give the last words of a process."""
    errors.seek(0)
    said = errors.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), "no word")
