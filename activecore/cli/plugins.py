"""What ``backends`` and ``config`` show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from activecore.backend import CONTRACT
from activecore.discovery import resolve, survey
from activecore.errors import ActiveCoreError
from activecore.model import OPERATIONS
from activecore.output.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from activecore.config import Settings
    from activecore.config.view import Row
    from activecore.discovery import Report

__all__ = ["config_on_terminal", "plugins_on_terminal", "survey_plugins"]


def survey_plugins(settings: Settings, *, check: bool) -> list[dict[str, Any]]:
    """Describe every installed plugin, one that cannot be used with the reason.

    Parameters
    ----------
    settings
        The configuration that backends are made with.
    check
        Whether to ask each backend if it works, which may connect to its store.
    """
    return [_plugin(report, settings, check=check) for report in survey()]


def _plugin(report: Report, settings: Settings, *, check: bool) -> dict[str, Any]:
    plugin, backend = report.plugin, report.backend
    row: dict[str, Any] = {
        "name": plugin.name,
        "kind": report.kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "contract": None,
        "operations": [],
        "options": [],
        "problem": report.problem,
        "health": None,
    }
    if backend is None:
        return row
    row["contract"] = ".".join(map(str, backend.contract))
    row["operations"] = sorted(backend.operations)
    row["options"] = sorted(backend.options_type.model_fields)
    if check:
        row |= _health(plugin.name, settings)
    return row


def _health(name: str, settings: Settings) -> dict[str, Any]:
    """Make a backend as it is configured, and ask it how it is."""
    try:
        (resolved,) = resolve(f"{name}://", backend=[name], settings=settings)
        made = resolved.make()
        try:
            return {"health": made.check()}
        finally:
            made.close()
    except ActiveCoreError as error:
        return {"problem": str(error)}
    except Exception as error:  # noqa: BLE001 - somebody's plugin must not hide the others
        return {"problem": f"{type(error).__name__}: {error}"}


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
        if row["problem"] is not None:
            details.append(f"\n{clean(row['problem'])}", style="red")
        table.add_row(clean(row["name"]), clean(row["kind"]), details)
    yield table
    yield Text(f"\nthis activecore speaks contract {ours}", style="dim")


def _abilities(row: dict[str, Any]) -> str:
    if row["contract"] is None:
        return "metadata only" if row["problem"] is None else "cannot be used"
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
