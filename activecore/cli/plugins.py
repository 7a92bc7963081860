"""What ``backends`` and ``config`` show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from activecore.contract import CONTRACT
from activecore.model import OPERATIONS
from activecore.output.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from activecore.config.view import Row

__all__ = ["config_on_terminal", "plugins_on_terminal"]


def plugins_on_terminal(rows: Sequence[dict[str, Any]]) -> Iterator[RenderableType]:
    """Give a table of the plugins."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    ours = ".".join(map(str, CONTRACT))
    if len(rows) == 0:
        yield "no backend is installed: pip install 'activecore[posix]'"
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("distribution, what it can do, how it is", overflow="fold")
    for row in rows:
        first = f"{row['distribution']} {row['version']}, {_abilities(row)}"
        details = Text(clean(first))
        if row["health"] is not None:
            details.append(f"\n{clean(row['health'])}", style="green")
        for warning in row["warnings"]:
            details.append(f"\n{clean(warning)}", style="yellow")
        if row["problem"] is not None:
            details.append(f"\n{clean(row['problem'])}", style="red")
        table.add_row(clean(row["name"]), clean(row["kind"]), details)
    yield table
    yield Text(f"\nthis activecore speaks contract {ours}", style="dim")


def _abilities(row: dict[str, Any]) -> str:
    if row["contract"] is None:
        return "cannot be used"
    if not row["operations"]:
        return f"contract {row['contract']}: metadata only"
    all_of_them = set(row["operations"]) == OPERATIONS
    can = "every operation" if all_of_them else ", ".join(row["operations"])
    return f"contract {row['contract']}: {can or 'no operation'}"


def config_on_terminal(rows: Sequence[Row]) -> Iterator[RenderableType]:
    """Give a table of what is configured; defaults are dimmed."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("key", overflow="fold")
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        note = f" ({row.note})" if row.note else ""
        style = "dim" if row.origin == "default" else None
        words = _value_words(row.value)
        table.add_row(
            clean(row.key), clean(words), clean(row.origin + note), style=style
        )
    yield table


def _value_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
