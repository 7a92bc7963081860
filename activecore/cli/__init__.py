"""The ``activecore`` command. Everything is imported when it is needed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status.

    Parameters
    ----------
    arguments
        Words after the program's name; None: those of this process.
    """
    try:
        from activecore.cli.running import run

        # What libraries warn of is for those who ask with -v, not for everybody.
        logging.captureWarnings(True)
        status = run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt as error:  # while modules are still being imported
        from activecore.cli.failures import report

        status = report(error)
    sys.exit(status)
