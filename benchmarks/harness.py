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

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import report
from asked import Case, Contender, Ran, Ratio, Target
from turns import measure

__all__ = [
    "RESULTS",
    "Case",
    "Contender",
    "Ran",
    "Ratio",
    "Target",
    "measure",
    "run_suite",
]

RESULTS = Path(__file__).resolve().parent / "results"


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
