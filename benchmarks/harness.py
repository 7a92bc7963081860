"""Measures contenders side by side and writes down what came of it.

A *case* is one question to several *contenders*. Each contender lives in a process of
its own, warmed by one call that is not counted (or, where start-up is the question, in
a new process for each call). The calls are interleaved: round after round every
contender has one turn, so that whatever else the machine does meets all of them alike.
Ratios are taken within a round; what is shown is their median and quartiles.

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
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

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


class _Process:
    """A contender's process; it waits between turns without using a processor."""

    def __init__(self, contender: Contender, threads: int) -> None:
        function = contender.prepare
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_FOR_BENCHMARKS
        }
        self._name = contender.name
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._ask(
            {
                "module": function.__module__,
                "function": function.__qualname__,
                "options": dict(contender.options),
                "threads": threads,
            }
        )

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} died; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def turn(self) -> dict[str, Any]:
        """Let it answer once."""
        return self._ask({})

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def measure(case: Case, *, quick: bool = False) -> dict[str, Ran]:
    """Let the contenders of a case take turns.

    Raises
    ------
    RuntimeError
        A contender failed, or answered something else than the first one did.
    """
    processes = {
        one.name: _Process(one, case.threads)
        for one in case.contenders
        if not one.is_fresh
    }
    if len({one.name for one in case.contenders}) != len(case.contenders):
        raise ValueError(f"{case.name}: two contenders have one name")
    turns: dict[str, list[dict[str, Any]]] = {one.name: [] for one in case.contenders}
    try:
        for process in processes.values():
            process.turn()
        begin = time.perf_counter()
        fewest, most = (1, 1) if quick else (FEWEST, MOST)
        for number in range(most):
            # Not always in the same order: what comes after a hungry one is slower.
            start = number % len(case.contenders)
            for one in (*case.contenders[start:], *case.contenders[:start]):
                turns[one.name].append(_turn(one, case, processes))
            if number + 1 >= fewest and time.perf_counter() - begin > MOST_SECONDS:
                break
    finally:
        for process in processes.values():
            process.close()
    _check_answers(case, turns)
    return {
        name: Ran(
            wall=tuple(turn["wall"] for turn in mine),
            cpu=tuple(turn["cpu"] for turn in mine),
            read=int(np.median([turn["read"] for turn in mine])),
            peak=max(turn["peak"] for turn in mine),
            figures=mine[-1]["figures"],
        )
        for name, mine in turns.items()
    }


def _turn(
    one: Contender, case: Case, processes: Mapping[str, _Process]
) -> dict[str, Any]:
    if not one.is_fresh:
        return processes[one.name].turn()
    process = _Process(one, case.threads)
    try:
        return process.turn()
    finally:
        process.close()


def _check_answers(case: Case, turns: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Compare with the first one's answer: a fast wrong answer is none."""
    if case.rtol is None:
        return
    of_all = {
        one.name: np.asarray(turns[one.name][-1]["answer"], dtype=float)
        for one in case.contenders
        if not one.is_floor
    }
    first, expected = next(iter(of_all.items()))
    for name, answer in of_all.items():
        if answer.shape != expected.shape or not np.allclose(
            answer, expected, rtol=case.rtol, atol=0, equal_nan=True
        ):
            raise RuntimeError(
                f"{case.name}: {name} answers {answer} where {first} says {expected}"
            )


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
    judged = []
    for target in targets:
        ran = results[target.case]
        ratio = Ratio.of(ran[target.slow].wall, ran[target.fast].wall)
        judged.append((target, ratio))
    if judged and not quick:
        print(report.target_table(judged), flush=True)
    if not quick:
        report.write(RESULTS, name, title or name, done, judged)
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
