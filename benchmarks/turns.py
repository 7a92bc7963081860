"""Contenders in processes of their own, which take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from asked import Case, Contender, Ran

__all__ = ["measure"]

HERE = Path(__file__).resolve().parent

MOST_SECONDS = 12.0
"""A case ends after the round in which it has taken this long, …"""
MOST = 15
"""… but not before its fewest rounds, and after so many anyway."""

NOT_FOR_BENCHMARKS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Set on some machines for the sake of old libraries; they slow current ones."""


class _Failure(Exception):
    """A contender did not answer; says why in one line."""


class _Process:
    """A contender's process; it waits between turns without using a processor."""

    def __init__(self, contender: Contender, threads: int, limit: float) -> None:
        function = contender.prepare
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_FOR_BENCHMARKS
        }
        # Its threads would spin for a while after each call of the floor's, on the
        # processor that the next contender should have.
        environment["OPENBLAS_NUM_THREADS"] = "1"
        self._limit = limit
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        task = {
            "module": function.__module__,
            "function": function.__qualname__,
            "options": dict(contender.options),
            "threads": threads,
        }
        try:
            self._ask(task)
        except BaseException:
            self.close()
            raise

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        late = threading.Event()
        watch = threading.Timer(self._limit, self._give_up, [late])
        watch.start()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if late.is_set():
            raise _Failure(f"no answer in {self._limit:.0f} s")
        if not line:
            raise _Failure(f"its process ended (status {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _Failure(answer["error"])
        return answer

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def turn(self) -> dict[str, Any]:
        """Let it answer once."""
        return self._ask({})

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended already
                self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class _Seat:
    """A contender's place in a case: its process, its turns, and what went wrong."""

    def __init__(self, contender: Contender, case: Case) -> None:
        self.contender = contender
        self.turns: list[dict[str, Any]] = []
        self.error: str | None = None
        self._case = case
        self._process: _Process | None = None

    def warm(self) -> None:
        """Let it answer once without counting, unless it starts anew each time."""
        if not self.contender.is_fresh:
            self._attempt(self._turn)

    def take(self) -> None:
        """Let it answer once, unless it has failed before."""
        if self.error is None:
            turn = self._attempt(self._turn)
            if turn is not None:
                self.turns.append(turn)

    def _attempt(self, turn: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return turn()
        except _Failure as failure:
            self.error = str(failure)
            self.close()
            return None

    def _turn(self) -> dict[str, Any]:
        meter = self.contender.meter
        if self._process is None:
            self._process = _Process(
                self.contender, self._case.threads, self._case.limit
            )
        if meter is not None:
            meter()
        turn = self._process.turn()
        if meter is not None:
            turn["figures"] |= meter()
        if self.contender.is_fresh:
            self.close()
        return turn

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def compare(self, expected: Any) -> None:
        """Take a fast wrong answer for none."""
        if self.error is not None or self._case.rtol is None or self.contender.is_floor:
            return
        expected = np.asarray(expected, dtype=float)
        answer = np.asarray(self.turns[-1]["answer"], dtype=float)
        if answer.shape != expected.shape or not np.allclose(
            answer, expected, rtol=self._case.rtol, atol=0, equal_nan=True
        ):
            self.error = f"wrong: {answer} where {expected} is right"

    def ran(self) -> Ran:
        """Sum it up."""
        reads = [turn["read"] for turn in self.turns]
        return Ran(
            wall=tuple(turn["wall"] for turn in self.turns),
            cpu=tuple(turn["cpu"] for turn in self.turns),
            read=int(np.median(reads)) if reads else 0,
            peak=max((turn["peak"] for turn in self.turns), default=0),
            figures=self.turns[-1]["figures"] if self.turns else {},
            error=self.error,
        )


def measure(case: Case, *, quick: bool = False) -> dict[str, Ran]:
    """Let the contenders of a case take turns."""
    if len({one.name for one in case.contenders}) != len(case.contenders):
        raise ValueError(f"{case.name}: two contenders have one name")
    seats = [_Seat(one, case) for one in case.contenders]
    try:
        for seat in seats:
            seat.warm()
        begin = time.perf_counter()
        fewest, most = (1, 1) if quick else (case.fewest, MOST)
        for number in range(most):
            # Not always in the same order: what comes after a hungry one is slower.
            start = number % len(seats)
            for seat in (*seats[start:], *seats[:start]):
                seat.take()
            if number + 1 >= fewest and time.perf_counter() - begin > MOST_SECONDS:
                break
    finally:
        for seat in seats:
            seat.close()
    expected = case.expected
    if expected is None and seats[0].error is None:
        expected = seats[0].turns[-1]["answer"]
    if expected is not None:
        for seat in seats:
            seat.compare(expected)
    return {seat.contender.name: seat.ran() for seat in seats}
