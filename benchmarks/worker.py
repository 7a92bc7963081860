"""One contender's process: told what to prepare, then one call for each line it gets.

Lines are JSON on the standard input and output. What libraries print goes nowhere, so
that it cannot get between; their errors are shown.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = 64
"""Elements of an answer that are compared: enough to see a wrong one."""


def _cpu() -> float:
    own, ended = (
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _bytes_read() -> int:
    """Count the bytes that this process's system calls have read, from any file."""
    for line in Path("/proc/self/io").read_text().splitlines():
        key, value = line.split(":")
        if key == "rchar":
            return int(value)
    return 0


def _peak() -> int:
    """Give the largest resident size; of this process, and not of its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _shown(answer: object) -> list[float]:
    """Give some elements of an answer, missing ones as NaN."""
    plain = np.ma.filled(np.ma.asarray(answer).astype(float), np.nan).ravel()
    step = max(1, len(plain) // SHOWN)
    shown: list[float] = plain[::step].tolist()
    return shown


def main() -> None:
    """Serve until the standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    task = json.loads(sys.stdin.readline())
    cores = sorted(os.sched_getaffinity(0))[: task["threads"]]
    os.sched_setaffinity(0, cores)
    try:
        function = getattr(importlib.import_module(task["module"]), task["function"])
        call = function(**task["options"])
        print("{}", file=replies, flush=True)
        for _ in sys.stdin:
            print(json.dumps(_turn(call)), file=replies, flush=True)
    except Exception as error:
        story = " ".join(f"{type(error).__name__}: {error}".split())
        print(json.dumps({"error": story}), file=replies, flush=True)
        raise


def _turn(call: Callable[[], Any]) -> dict[str, Any]:
    read, cpu, begin = _bytes_read(), _cpu(), time.perf_counter()
    answer = call()
    wall = time.perf_counter() - begin
    cpu, read = _cpu() - cpu, _bytes_read() - read
    figures: Mapping[str, Any] = {}
    if isinstance(answer, tuple):
        answer, figures = answer
    return {
        "wall": wall,
        "cpu": cpu,
        "read": read,
        "peak": _peak(),
        "answer": _shown(answer),
        "figures": dict(figures),
    }


if __name__ == "__main__":
    main()
