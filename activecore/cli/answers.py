"""An answer on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.output.answer import Answer, Field, Masked
from activecore.output.clean import clean
from activecore.output.tables import coordinate_columns, heading, number_words
from activecore.output.words import (
    elements_words,
    quantity_words,
    range_words,
    short_number,
    where_words,
)
from activecore.sizes import bytes_words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from activecore.recording import Run

__all__ = ["answer_on_terminal", "cost_words"]

_MOST_ROWS = 30
"""An answer with as many values or fewer is shown whole."""


def cost_words(run: Run) -> str:
    """Say in one line what a reduction cost, and who did the work."""
    plural = "" if run.chunks == 1 else "s"
    parts = [f"{run.chunks} chunk{plural}"]
    idle = run.backends.get("", 0)
    if idle > 0:
        parts.append(f"{idle} of them without reading")
    parts.append(f"{bytes_words(run.bytes_read)} read")
    if run.bytes_received != run.bytes_read:
        parts.append(f"{bytes_words(run.bytes_received)} received")
    parts.append(f"{run.seconds:.2f} s")
    for number, word in ((run.retries, "retried"), (run.fallbacks, "fell back")):
        if number > 0:
            parts.append(f"{number} {word}")
    who = ", ".join(name for name in run.backends if name)
    return ", ".join(parts) + (f", by {who}" if who else "")


def answer_on_terminal(answer: Answer, written: list[Path]) -> Iterator[RenderableType]:
    """Give what to print: what was asked, the answer, what it cost.

    A single value and a few values are shown whole, more of them as a summary with a
    hint how to keep them.

    Parameters
    ----------
    written
        Files that hold the answer already.
    """
    from rich.table import Table
    from rich.text import Text

    field = answer.field
    what = clean(quantity_words(field.attrs, field.name))
    yield Text(f"{what}: {answer.reduction}", style="bold")
    details = Table.grid(padding=(0, 2))
    for name, words, number in _details(answer):
        details.add_row(f"  {clean(name)}", clean(words), clean(number))
    if details.row_count > 0:
        yield details
    yield ""
    if answer.field.values.size > _MOST_ROWS:
        for field in answer.fields:
            yield Text(f"  {_summary(field, named=len(answer.fields) > 1)}")
    elif len(answer.dims) == 0:
        for field in answer.fields:
            name = f"{clean(field.name)}  " if len(answer.fields) > 1 else ""
            value = number_words(field.values[()]) or "missing"
            yield Text.assemble(f"  {name}", (f"{value}{_units_after(field)}", "bold"))
    else:
        yield _table(answer)
    yield ""
    for path in written:
        yield Text(f"wrote {path}")
    if answer.field.values.size > _MOST_ROWS and len(written) == 0:
        yield Text("keep the values with --out FILE.nc (or .csv, .json)", style="dim")
    if answer.run is not None:
        yield Text(cost_words(answer.run), style="dim")


def _details(answer: Answer) -> Iterator[tuple[str, str, str]]:
    """Say what was reduced, weighted, selected; as rows."""
    for reduced in answer.reduced:
        weight = answer.weights.get(reduced.dim, "")
        by = f", weighted by {weight}" if weight else ""
        elements = elements_words(reduced)
        yield f"over {reduced.dim}", range_words(reduced) or "", elements + by
    if answer.by:
        yield "by", answer.by, ""
    where = where_words(answer)
    if where:
        yield "at", where, ""
    if len(answer.dims) > 0:
        left = ", ".join(
            f"{dim}: {length}"
            for dim, length in zip(answer.dims, answer.shape, strict=True)
        )
        yield "leaves", left, ""


def _units_after(field: Field) -> str:
    """Write units behind a number; "1" would look like a second one."""
    return "" if field.units in (None, "", "1") else f" {clean(field.units or '')}"


def _summary(field: Field, *, named: bool) -> str:
    values: Masked = field.values
    name = f"{clean(field.name)}: " if named else ""
    units = _units_after(field)
    missing = values.size - values.count()
    parts = [f"{values.size} values"]
    valid = values.compressed()
    if valid.dtype.kind == "f":
        nan = int(np.isnan(valid).sum())
        valid = valid[~np.isnan(valid)]
        if nan > 0:
            parts.append(f"{nan} NaN")
    if valid.size > 0 and valid.dtype.kind == "b":
        parts.append(f"{int(valid.sum())} true")
    elif valid.size > 0:
        ends = f"{short_number(valid.min())} to {short_number(valid.max())}{units}"
        parts.append(f"from {ends}")
    parts.append(f"{missing} missing" if missing > 0 else "none missing")
    return name + ", ".join(parts)


def _table(answer: Answer) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns = list(coordinate_columns(answer))
    table = Table(box=SIMPLE_HEAD, pad_edge=True, show_edge=False)
    for title, _ in columns:
        table.add_column(clean(title))
    for field in answer.fields:
        table.add_column(clean(heading(field.name, field.units)), justify="right")
    for row in np.ndindex(answer.shape):
        cells = [clean(cell(row)) for _, cell in columns]
        cells += [_cell(field.values[row]) for field in answer.fields]
        table.add_row(*cells)
    return table


def _cell(value: Any) -> str:
    """Write a value of a table for people: eight digits do."""
    if value is np.ma.masked:
        return "missing"
    number = np.asarray(value)
    return f"{float(value):.8g}" if number.dtype.kind == "f" else number_words(value)
