"""Measures contenders side by side and writes down what came of it.

A *case* is one question to several *contenders*. Each contender lives in a process of
its own, warmed by one call that is not counted (or, where start-up is the question, in
a new process for each call). The calls are interleaved: round after round every
contender has one turn, so that whatever else the machine does meets all of them alike.
Ratios are taken within a round; what is shown is their median and quartiles. Whoever
fails, takes too long or answers something else is in the table with what went wrong.

A suite is a module with ``run(quick)``, which calls ``run_suite``::

    def run(quick: bool) -> None:
        ours = Contender("activecore", contenders.activecore, {"path": path})
        theirs = Contender("xarray", contenders.xarray, {"path": path})
        run_suite(
            "local",
            [Case("mean", [ours, theirs])],
            [Target("3 times xarray", "mean", fast="activecore", slow="xarray",
                    at_least=3)],
            quick=quick,
        )
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

__all__ = [
    "Case",
    "Contender",
    "Ran",
    "Ratio",
    "Target",
    "measure",
    "run_suite",
]

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

MOST_SECONDS = 12.0
"""A case ends after the round in which it has taken this long, …"""
FEWEST, MOST = 5, 15
"""… but not before so many rounds, and after so many anyway."""

NOT_FOR_BENCHMARKS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Set on some machines for the sake of old libraries; they slow current ones."""


@dataclass(frozen=True)
class Contender:
    """Somebody who answers the question."""

    name: str
    """As the table shows it."""
    prepare: Callable[..., Callable[[], object]]
    """A function at the top of a module of this folder. It is called once in the
    contender's process (imports and configuration are not timed) and gives what is
    timed: a function of no arguments. What that returns is the answer, or a pair of
    the answer and a mapping of figures of its own (``{"requests": 12}``)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its keyword arguments; they must survive JSON."""
    is_fresh: bool = False
    """Whether each call has a new process. It is the call alone that is timed."""
    is_floor: bool = False
    """Whether it does less than was asked, to show what cannot be beaten."""
    meter: Callable[[], Mapping[str, float]] | None = None
    """Called here after each call: figures about it, of what it has called on. Begins
    to count anew each time."""


@dataclass(frozen=True)
class Case:
    """One question."""

    name: str
    contenders: Sequence[Contender]
    threads: int = 2
    """Cores that each contender's process may run on."""
    nbytes: int | None = None
    """Decoded bytes that the question is about; the table then shows GB/s."""
    note: str = ""
    """What the reader of the table should know."""
    rtol: float | None = 1e-5
    """By how much answers may differ; None: they answer different questions."""
    expected: Any = None
    """The right answer; the first contender's if omitted."""
    fewest: int = FEWEST
    """Rounds at least; less where peers take minutes."""
    limit: float = 600.0
    """Seconds that one call may take before it is given up."""


@dataclass(frozen=True)
class Target:
    """A ratio of two contenders' times in one case, and what it should be."""

    says: str
    case: str
    fast: str
    slow: str
    at_least: float | None = None
    """For time(slow) / time(fast)."""
    at_most: float | None = None
    of: Literal["wall", "cpu"] = "wall"
    """Which time."""

    def ratio(self, ran: Mapping[str, Ran]) -> Ratio | None:
        """Divide the two times; None where either failed."""
        slow, fast = ran[self.slow], ran[self.fast]
        if slow.error is not None or fast.error is not None:
            return None
        return Ratio.of(getattr(slow, self.of), getattr(fast, self.of))

    def is_met(self, ratio: Ratio) -> bool:
        """Say whether the median ratio is as it should be."""
        low = self.at_least is None or ratio.median >= self.at_least
        return low and (self.at_most is None or ratio.median <= self.at_most)


@dataclass(frozen=True)
class Ran:
    """What one contender took in each round of a case."""

    wall: tuple[float, ...]
    """Seconds."""
    cpu: tuple[float, ...]
    """Seconds of processor time, all threads and children that ended."""
    read: int
    """Bytes that its system calls read in one call; mapped memory is not seen."""
    peak: int
    """Largest resident size of its process so far, bytes."""
    figures: Mapping[str, float]
    """Its own figures, of the last round."""
    error: str | None = None
    """What went wrong; the figures are then of the rounds before, if any."""


@dataclass(frozen=True)
class Ratio:
    """Of two contenders' times, within rounds."""

    median: float
    low: float
    """Lower quartile."""
    high: float
    """Upper quartile."""

    @classmethod
    def of(cls, slow: Sequence[float], fast: Sequence[float]) -> Self:
        """Divide round by round."""
        ratios = np.asarray(slow) / np.asarray(fast)
        low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
        return cls(median, low, high)


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


def run_suite(
    name: str,
    cases: Iterable[Case],
    targets: Sequence[Target] = (),
    *,
    quick: bool,
    title: str = "",
) -> dict[str, dict[str, Ran]]:
    """Measure cases, show them as they come, and write the suite's results.

    ``benchmarks/results/`` gets ``<name>.json`` (every round), ``<name>.md`` (tables)
    and ``<name>.png``. With ``quick`` each contender has one turn and nothing is
    written: it shows only that all of it runs.
    """
    import report

    done: list[tuple[Case, dict[str, Ran]]] = []
    for case in cases:
        ran = measure(case, quick=quick)
        print(report.case_table(case, ran), flush=True)
        done.append((case, ran))
    results = {case.name: ran for case, ran in done}
    judged = [(target, target.ratio(results[target.case])) for target in targets]
    if judged and not quick:
        print(report.target_table(judged), flush=True)
    if not quick:
        report.write(RESULTS, name, title or name, done, judged)
    ours = [
        f"{case.name}: {one}: {result.error}"
        for case, ran in done
        for one, result in ran.items()
        if one.startswith("activecore") and result.error is not None
    ]
    if ours:
        sys.exit("\n".join(["activecore failed:", *ours]))
    return results


def as_json(case: Case, ran: Mapping[str, Ran]) -> dict[str, Any]:
    """Give a case and every round of it as plain data."""
    return {
        "case": case.name,
        "threads": case.threads,
        "nbytes": case.nbytes,
        "note": case.note,
        "contenders": {name: asdict(one) for name, one in ran.items()},
        "floors": [one.name for one in case.contenders if one.is_floor],
    }
