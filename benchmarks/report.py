"""Tables, JSON and plots of what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from asked import Case, Ran, Ratio, Target
from machine import describe

__all__ = ["case_table", "target_table", "write"]

Done = Sequence[tuple[Case, Mapping[str, Ran]]]
Judged = Sequence[tuple[Target, Ratio | None]]
"""None: one of the two failed."""

NOTE = (
    "Files are in the page cache. Each contender answers in a warmed process of its "
    "own; calls are interleaved round by round. Times are medians, with the quartiles; "
    "ratios are taken within each round against the first contender: more than one "
    "means that it took that much longer."
)


_LONGEST_ERROR = 300


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _spread(values: Sequence[float]) -> str:
    low, high = np.quantile(values, (0.25, 0.75)).tolist()
    return f"{_time(low)} to {_time(high)}"


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.median:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"


def _plain(number: float, digits: int = 3) -> str:
    """Write a number without an exponent where it has many digits."""
    most = 10**digits
    return f"{number:,.0f}" if abs(number) >= most else f"{number:.{digits}g}"


def _megabytes(nbytes: float) -> str:
    return _plain(nbytes / 1e6)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def case_table(case: Case, ran: Mapping[str, Ran]) -> str:
    """Make the table of one case."""
    first = next(iter(ran.values()))
    own = sorted({key for one in ran.values() for key in one.figures})
    head = ["", "wall", "quartiles", "CPU", "ratio", "read MB", "peak MB"]
    if case.nbytes is not None:
        head.insert(5, "GB/s")
    rows = [[*head, *own]]
    floors = {one.name for one in case.contenders if one.is_floor}
    failures = []
    for name, one in ran.items():
        shown = f"{name} (floor)" if name in floors else name
        if one.error is not None:
            rows.append([shown, "**failed**", *[""] * (len(rows[0]) - 2)])
            failures.append(f"- {name} failed: {one.error[:_LONGEST_ERROR]}")
            continue
        row = [
            shown,
            _time(float(np.median(one.wall))),
            _spread(one.wall),
            _time(float(np.median(one.cpu))),
            "" if first.error else _ratio(Ratio.of(one.wall, first.wall)),
            _megabytes(one.read),
            _megabytes(one.peak),
        ]
        if case.nbytes is not None:
            row.insert(5, f"{case.nbytes / 1e9 / float(np.median(one.wall)):.3g}")
        figures = [
            _plain(one.figures[key], 4) if key in one.figures else "" for key in own
        ]
        rows.append(row + figures)
    rounds = max(len(one.wall) for one in ran.values())
    said = f"{case.threads} core{'s' if case.threads > 1 else ''}, {rounds} rounds"
    size = "" if case.nbytes is None else f", {_megabytes(case.nbytes)} MB decoded"
    note = f" {case.note}" if case.note else ""
    table = "\n".join([_markdown(rows), *(["", *failures] if failures else [])])
    return f"### {case.name}\n\n{said}{size}.{note}\n\n{table}\n"


def target_table(judged: Judged) -> str:
    """Make the table of targets."""
    rows = [["target", "wanted", "measured (quartiles)", "met", "case"]]
    for target, ratio in judged:
        bound = target.at_least if target.at_least is not None else target.at_most
        sign = "≥" if target.at_least is not None else "≤"
        if ratio is None:
            measured, met = "one of them failed", "not measured"
        else:
            measured = _ratio(ratio)
            met = "yes" if target.is_met(ratio) else "**no**"
        rows.append([target.says, f"{sign} {bound:g}", measured, met, target.case])
    return _markdown(rows) + "\n"


def _machine_lines(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    lines = [f"- {key}: {value}" for key, value in machine.items() if key != "versions"]
    return "\n".join([*lines, f"- versions: {versions}"])


def write(
    folder: Path,
    name: str,
    title: str,
    done: Done,
    judged: Judged,
) -> None:
    """Write ``name.json``, ``name.md`` and ``name.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = describe()
    record = {
        "suite": name,
        "machine": machine,
        "cases": [_as_json(case, ran) for case, ran in done],
        "targets": [
            {
                "says": target.says,
                "case": target.case,
                "fast": target.fast,
                "slow": target.slow,
                "at_least": target.at_least,
                "at_most": target.at_most,
                "median": None if ratio is None else ratio.median,
                "quartiles": None if ratio is None else [ratio.low, ratio.high],
                "met": None if ratio is None else target.is_met(ratio),
            }
            for target, ratio in judged
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    parts = [
        f"# {title}\n",
        f"Made by `python benchmarks {name}`. {NOTE}\n",
        _machine_lines(machine) + "\n",
    ]
    if judged:
        parts += ["## Targets\n", target_table(judged)]
    parts += [f"![times]({name}.png)\n", "## Cases\n"]
    parts += [case_table(case, ran) for case, ran in done]
    (folder / f"{name}.md").write_text("\n".join(parts))
    _draw(folder / f"{name}.png", title, done)


def _draw(path: Path, title: str, done: Done) -> None:
    """Draw a panel for each case: a bar for each contender, quartiles as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    heights = [0.3 * len(ran) + 0.7 for _, ran in done]
    figure, panels = plt.subplots(
        len(done),
        1,
        figsize=(8, sum(heights) + 0.4),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    for panel, (case, ran) in zip(panels.flat, done, strict=True):
        floors = {one.name for one in case.contenders if one.is_floor}
        first = next(iter(ran))
        for place, (name, one) in enumerate(ran.items()):
            if one.error is not None:
                panel.annotate(
                    " failed",
                    (0, place),
                    xycoords=("axes fraction", "data"),
                    va="center",
                )
                continue
            low, median, high = np.quantile(one.wall, (0.25, 0.5, 0.75)).tolist()
            colour = "#d95f02" if name.startswith("activecore") else "#7570b3"
            if name in floors:
                colour = "#aaaaaa"
            panel.barh(place, median, color=colour, height=0.7)
            panel.plot([low, high], [place, place], color="black", linewidth=1)
            text = _time(median)
            if ran[first].error is None:
                ratio = Ratio.of(one.wall, ran[first].wall).median
                text += f"  (x {_plain(ratio, 2)})"
            panel.annotate(
                text,
                (max(high, median), place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        panel.set_yticks(range(len(ran)), list(ran))
        panel.invert_yaxis()
        # Bars begin at nothing, so that twice the length is twice the time.
        panel.set_xlim(0, 1.25 * panel.get_xlim()[1])
        panel.xaxis.set_major_locator(mpl.ticker.MaxNLocator(6))
        cores = "1 core" if case.threads == 1 else f"{case.threads} cores"
        panel.set_title(f"{case.name}, {cores}", loc="left", fontsize=11)
        panel.spines[["top", "right"]].set_visible(False)
    panels.flat[-1].set_xlabel("seconds (in brackets: times the first)")
    figure.suptitle(title)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _as_json(case: Case, ran: Mapping[str, Ran]) -> dict[str, Any]:
    """Give a case and every round of it as plain data."""
    return {
        "case": case.name,
        "threads": case.threads,
        "nbytes": case.nbytes,
        "note": case.note,
        "contenders": {name: asdict(one) for name, one in ran.items()},
        "floors": [one.name for one in case.contenders if one.is_floor],
    }
