"""The command ``activecore-sqlite``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from activecore import ActiveCoreError
from activecore_sqlite.ingest import ingest

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def common() -> None:
    """Arrays in SQLite, reduced there."""


@app.command("ingest")
def ingest_command(
    url: Annotated[str, typer.Argument(help="What activecore opens.")],
    target: Annotated[Path, typer.Argument(help="The database to write.")],
    variables: Annotated[
        list[str] | None, typer.Argument(help="Which variables; without: all.")
    ] = None,
) -> None:
    """Copy the variables of a file into a new database."""
    for name in ingest(url, target, variables or ()):
        typer.echo(f"{name}: copied")


def main() -> None:
    """Run the command; failures are one line."""
    try:
        app()
    except (ActiveCoreError, OSError, ValueError) as error:
        sys.exit(f"activecore-sqlite: {error}")
