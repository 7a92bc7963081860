"""What ``info`` shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.cli.stored import stored_words
from activecore.model import VariableInfo, is_reducible
from activecore.output.clean import clean
from activecore.output.document import plain
from activecore.output.words import quantity_words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from activecore.api import Dataset
    from activecore.array import ActiveArray

_WIDEST = 24
"""Columns that a single word may claim in a table."""

__all__ = ["dataset_document", "dataset_on_terminal", "variable_on_terminal"]


def dataset_document(dataset: Dataset, source: str) -> dict[str, Any]:
    """Describe every variable of a dataset as plain data."""
    return {
        "source": source,
        "format": dataset.format,
        "variables": {
            name: {
                "dims": list(variable.dims),
                "shape": list(variable.shape),
                "stored_dtype": str(variable.dtype),
                "attributes": plain(variable.attrs),
            }
            for name, variable in dataset.variables.items()
        },
    }


def dataset_on_terminal(dataset: Dataset, source: str) -> Iterator[RenderableType]:
    """Give the dimensions, and a table of the variables."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    number = len(dataset.variables)
    plural = "" if number == 1 else "s"
    title = f"{clean(source)}: {dataset.format}, {number} variable{plural}"
    yield Text(title, style="bold")
    lengths = _lengths(dataset.variables)
    if len(lengths) > 0:
        listed = ", ".join(f"{dim} {length}" for dim, length in lengths.items())
        yield Text(f"dimensions: {clean(listed)}")
    if number == 0:
        return
    yield ""
    variables = sorted(dataset.variables.items(), key=_places)
    rows = [list(_cells(name, variable, lengths)) for name, variable in variables]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("variable", style="bold", no_wrap=True, overflow="fold")
    for place, title in enumerate(("dimensions", "type", "units", "description"), 1):
        longest = max(len(word) for row in rows for word in ["", *row[place].split()])
        table.add_column(title, overflow="fold", min_width=min(longest, _WIDEST))
    for (_, variable), row in zip(variables, rows, strict=True):
        # What cannot be reduced is listed, and looks like it.
        table.add_row(*row, style=None if is_reducible(variable.dtype) else "dim")
    yield table


def _lengths(variables: Mapping[str, VariableInfo]) -> dict[str, int]:
    """Give the length of every dimension that has only one."""
    found: dict[str, set[int]] = {}
    for variable in variables.values():
        for dim, length in zip(variable.dims, variable.shape, strict=True):
            found.setdefault(dim, set()).add(length)
    return {dim: lengths.pop() for dim, lengths in found.items() if len(lengths) == 1}


def _places(item: tuple[str, VariableInfo]) -> tuple[str, int]:
    """Sort by group, then by how many dimensions there are."""
    name, variable = item
    return name.rpartition("/")[0], -len(variable.dims)


def _cells(
    name: str, variable: VariableInfo, lengths: Mapping[str, int]
) -> Iterator[str]:
    yield clean(name)
    # One name for several lengths, in different groups, is told apart here.
    dims = zip(variable.dims, variable.shape, strict=True)
    yield clean(", ".join(d if d in lengths else f"{d}: {n}" for d, n in dims))
    yield "text" if variable.dtype.kind in "OSU" else str(variable.dtype)
    yield clean(variable.attrs.get("units", "")).removesuffix(" 00:00:00")
    words = quantity_words(variable.attrs, "")
    yield "" if words == name else clean(words)


def variable_on_terminal(array: ActiveArray) -> Iterator[RenderableType]:
    """Give what is known about a variable: how it is stored, then its attributes."""
    from rich.table import Table
    from rich.text import Text

    yield Text(clean(array.name), style="bold")
    yield _grid(stored_words(array), Table.grid(padding=(0, 2)))
    if len(array.attrs) > 0:
        yield Text("\nattributes", style="bold")
        rows = ((name, attribute_words(value)) for name, value in array.attrs.items())
        yield _grid(rows, Table.grid(padding=(0, 2)))


def _grid(rows: Any, table: Any) -> RenderableType:
    table.add_column(no_wrap=False)
    table.add_column(overflow="fold")
    for name, words in rows:
        table.add_row(f"  {clean(name)}", clean(words))
    grid: RenderableType = table
    return grid


def attribute_words(value: object) -> str:
    """Write an attribute as one would in a sentence."""
    if isinstance(value, Mapping):
        return str(plain(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(str(item) for item in np.asarray(value).ravel().tolist())
    return str(value)
