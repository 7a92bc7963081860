"""The process in which plugins are examined, so that none of them can harm another.

It is told on standard input which plugins, and answers in lines of JSON: what it is
about to do with a plugin, then the plugin's row. Nothing else gets into those lines:
what a plugin prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from activecore.config import Settings, load_settings
from activecore.discovery import resolve
from activecore.entry_points import Plugin, installed
from activecore.errors import ActiveCoreError
from activecore.plugins import Report, examine

__all__ = ["main", "row_of"]

Tell = Callable[[Any], None]


def main() -> None:
    """Examine the plugins that standard input names, and end, whatever still runs."""
    # Plugins that print, in whatever language, print to what is now standard output.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(document: Any) -> None:
        lines.write(json.dumps(document) + "\n")
        lines.flush()

    task = json.load(sys.stdin)
    settings = load_settings(task["config"])
    known = {(p.name, p.distribution): p for p in installed()}
    tell("ready")
    for name, distribution in task["plugins"]:
        plugin = known[name, distribution]
        tell(_row(plugin, settings, check=task["check"], tell=tell))
    # A thread that some plugin left behind would keep an ordinary exit waiting.
    os._exit(0)


def row_of(plugin: Plugin, problem: str | None = None) -> dict[str, Any]:
    """Say what is known of a plugin without importing it, and why that is all."""
    return {
        "name": plugin.name,
        "kind": "failed",
        "distribution": plugin.distribution,
        "version": plugin.version,
        "contract": None,
        "operations": [],
        "options": [],
        "problem": problem,
        "health": None,
        "warnings": [],
    }


def _row(
    plugin: Plugin, settings: Settings, *, check: bool, tell: Tell
) -> dict[str, Any]:
    before = set(threading.enumerate())
    tell("being imported")
    report = examine(plugin)
    row = row_of(plugin, report.problem) | {"kind": report.kind}
    provided = [one for one in (report.backend, report.reader) if one is not None]
    if provided:
        row["contract"] = ".".join(map(str, provided[0].contract))
    if report.backend is not None:
        row["operations"] = sorted(report.backend.operations)
        row["options"] = sorted(report.backend.options_type.model_fields)
    if report.backend is not None and check:
        tell("asked whether it works")
        row |= _health(report, settings)
    left = [t.name for t in threading.enumerate() if t not in before and not t.daemon]
    if left:
        row["warnings"] = [f"it leaves threads running: {', '.join(left)}"]
    return row


def _health(report: Report, settings: Settings) -> dict[str, Any]:
    """Make a backend as it is configured, and ask it how it is."""
    name = report.plugin.name
    try:
        (resolved,) = resolve(f"{name}://", backend=[name], settings=settings)
        made = resolved.make()
        try:
            return {"health": made.check()}
        finally:
            made.close()
    except ActiveCoreError as error:
        return {"problem": str(error)}
    except BaseException as error:  # noqa: BLE001 - somebody's plugin must not hide the others
        return {"problem": f"{type(error).__name__}: {error}"}
