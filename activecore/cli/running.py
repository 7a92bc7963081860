"""One run of the command line, from its words to its exit status."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import typer

from activecore.cli.app import COMMANDS, app
from activecore.cli.failures import STOPPED, USAGE, report, say
from activecore.cli.terminal import set_up_logging
from activecore.errors import did_you_mean

__all__ = ["run", "run_app"]


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status; failures are one line."""
    return run_app(app, arguments, "activecore", COMMANDS)


def run_app(
    app: typer.Typer, arguments: Sequence[str], program: str, commands: Sequence[str]
) -> int:
    """Run one command line of a program that has these commands, as ``run`` does."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # never fail on a letter it has not got
            stream.reconfigure(errors="replace")
    set_up_logging(0)
    try:
        status = app(
            args=list(arguments),
            prog_name=program,
            standalone_mode=False,
            obj=tuple(arguments),
        )
        sys.stdout.flush()
    except typer.Abort:  # how older typers say that Ctrl-C was pressed
        status = STOPPED
    except Exception as error:  # noqa: BLE001 - the last place before the user
        return _refuse(error, commands)
    if status == STOPPED:
        say("stopped")
    return int(status or 0)


def _refuse(error: Exception, commands: Sequence[str]) -> int:
    """Say what is wrong with the command line itself, or what went wrong later."""
    # Typer's errors are click's, or its own copy of them: no public name is in both.
    if not hasattr(error, "format_message"):
        return report(error)
    name = getattr(error, "option_name", None)
    message = error.format_message()
    possible = getattr(error, "possibilities", None)
    if name is not None and possible:
        message = f"there is no option {name}; did you mean {' or '.join(possible)}?"
    command = re.match(r"No such command '(.*?)'", message)
    if command is not None:
        hint = did_you_mean(command[1], commands) or f" (known: {', '.join(commands)})"
        message = f"there is no command {command[1]!r}{hint}"
    # Without arguments the help is shown, and the error says nothing.
    if message:
        say(message)
    return USAGE
