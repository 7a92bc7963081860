"""Where the time goes: index, read, inflate, unshuffle, mask, reduce, merge, Python.

Processor time of one thread, for a mean of compressed and uncompressed chunks and of
tiny ones, by NumPy and by compiled loops. Functions at the borders of the stages are
wrapped in timers; what they do not cover is Python between them. Compiled loops do
three stages in one pass.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import contenders
import local_data
import numpy as np
from harness import RESULTS, Case, Contender, measure

STAGES = ("index", "read", "inflate", "unshuffle", "mask", "reduce", "merge", "Python")

BORDERS = (
    ("activecore.readers.netcdf4", "NetCDF4Reader.array", "index"),
    ("activecore_posix.backend", "batch_bytes", "read"),
    ("activecore.kernel", "decode_somewhere", "inflate"),
    ("activecore.kernel", "decode_all", "inflate"),
    ("activecore.engines.base", "unshuffle_all", "unshuffle"),
    ("activecore.engines.blocked", "invalid_elements", "mask"),
    ("activecore.kernel", "reduce_block", "reduce"),
    ("activecore.answer", "merge_box", "merge"),
)
"""Module, function in it, and the stage whose time its own time is."""

TURNS = 5


class _Clock:
    """Time spent in each stage, without that of stages within it."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._within = [0.0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function. Only one thread at a time may be in such functions."""

        @functools.wraps(function)
        def wrapped(*args: Any, **options: Any) -> Any:
            self._within.append(0.0)
            begin = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                took = time.thread_time() - begin
                self.spent[stage] += took - self._within.pop()
                self._within[-1] += took

        return wrapped


def profiled(path: str, *, fused: bool) -> Callable[[], object]:
    """Give a mean by one thread, and how many milliseconds each stage took."""
    call = contenders.activecore(path, fused=fused)
    call()
    clock = _Clock()
    for module_name, place, stage in BORDERS:
        holder = importlib.import_module(module_name)
        *classes, name = place.split(".")
        for one in classes:
            holder = getattr(holder, one)
        setattr(holder, name, clock.timed(stage, getattr(holder, name)))

    def turn() -> tuple[object, Mapping[str, float]]:
        rounds = []
        for _ in range(TURNS):
            clock.spent = dict.fromkeys(STAGES, 0.0)
            begin = time.process_time()
            answer = call()
            total = time.process_time() - begin
            clock.spent["Python"] = total - sum(clock.spent.values())
            rounds.append([1000 * clock.spent[stage] for stage in STAGES])
        medians = np.median(rounds, axis=0).tolist()
        return answer, dict(zip(STAGES, medians, strict=True))

    return turn


def run(quick: bool) -> None:
    """Measure, show a table, and draw the picture."""
    shape = (10, 36, 72) if quick else (200, 360, 720)
    side = 48 if quick else 240
    tiny = {"chunksizes": (8, 8, 8), "compression": "zlib", "complevel": 1}
    zlib = {"chunksizes": (5, *shape[1:]), "compression": "zlib", "complevel": 4}
    kinds: list[tuple[str, local_data.Shape, int | None, dict[str, Any]]] = [
        ("compressed, rounded to 0.1", shape, 1, {**zlib, "shuffle": True}),
        ("compressed, full precision", shape, None, {**zlib, "shuffle": True}),
        ("uncompressed", shape, None, {"chunksizes": (5, *shape[1:])}),
        ("tiny chunks of 8³", (side, side, side), 1, {**tiny, "shuffle": True}),
    ]
    panels = []
    with tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder:
        for kind, lengths, digits, storage in kinds:
            path = local_data.write_netcdf(
                Path(folder) / "x.nc", lengths, digits=digits, **storage
            )
            case = Case(
                kind,
                [
                    Contender(name, profiled, {"path": str(path), "fused": fused})
                    for name, fused in (("NumPy", False), ("compiled", True))
                ],
                threads=1,
            )
            ran = measure(case, quick=True)
            rows = {name: one.figures for name, one in ran.items()}
            print(_table(kind, 4 * int(np.prod(lengths)), rows), flush=True)
            panels.append((kind, rows))
            path.unlink()
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        _draw(RESULTS / "stages.png", panels)


def _table(kind: str, nbytes: int, rows: Mapping[str, Mapping[str, float]]) -> str:
    lines = [f"### {kind}: milliseconds for {nbytes / 1e6:.3g} MB\n"]
    lines.append(" ".join(f"{head:>10}" for head in ("", *STAGES, "sum")))
    for name, stages in rows.items():
        figures = [stages[stage] for stage in STAGES]
        cells = [f"{one:10.1f}" for one in (*figures, sum(figures))]
        lines.append(" ".join([f"{name:>10}", *cells]))
    return "\n".join(lines) + "\n"


def _draw(
    path: Path, panels: Sequence[tuple[str, Mapping[str, Mapping[str, float]]]]
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    colours = dict(zip(STAGES, plt.get_cmap("tab10").colors, strict=False))
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(9, 1.7 * len(panels) + 0.8), squeeze=False
    )
    for axis, (kind, rows) in zip(axes.flat, panels, strict=True):
        total = max(sum(stages.values()) for stages in rows.values())
        for place, stages in enumerate(rows.values()):
            left = 0.0
            for stage in STAGES:
                width = max(0.0, stages[stage])
                axis.barh(place, width, left=left, color=colours[stage], label=stage)
                if width > 0.05 * total:
                    axis.text(
                        left + width / 2, place, f"{width:.0f}",
                        ha="center", va="center", fontsize=8, color="white",
                    )  # fmt: skip
                left += width
            axis.text(left + 0.01 * total, place, f"{left:.0f} ms", va="center")
        axis.set_yticks(range(len(rows)), list(rows))
        axis.invert_yaxis()
        axis.set_xlim(0, 1.12 * total)
        axis.set_title(kind, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes.flat[-1].set_xlabel(
        "processor time, ms, one thread at work; compiled loops unshuffle, mask and "
        "reduce in one pass"
    )
    handles, labels = axes.flat[0].get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named, loc="upper center", ncols=len(STAGES), fontsize=8
    )
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(path, dpi=110)
    plt.close(figure)
