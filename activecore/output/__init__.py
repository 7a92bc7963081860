"""Answers with their labels, and the files they are written to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from activecore.errors import ConfigError

if TYPE_CHECKING:
    from activecore.output.answer import Answer

__all__ = ["SUFFIXES", "check_suffix", "write"]

SUFFIXES: Mapping[str, str] = {
    ".nc": "netCDF",
    ".csv": "CSV",
    ".json": "JSON",
}
"""What an answer can be written as, by the file's suffix."""


def check_suffix(path: Path) -> None:
    """Make sure that a file's suffix says how to write it.

    Raises
    ------
    ConfigError
        It says nothing that is known here.
    """
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
        raise ConfigError(f"--out {path}: the suffix must be one of {known}")


def write(answer: Answer, path: Path) -> None:
    """Write an answer as its suffix says; an existing file is replaced at the end.

    Raises
    ------
    ConfigError
        The suffix is not known.
    OSError
        The file cannot be written; what was there before is still there.
    """
    from activecore.output.document import write_json
    from activecore.output.files import whole_file
    from activecore.output.netcdf import write_netcdf
    from activecore.output.tables import write_csv

    check_suffix(path)
    writers = {".nc": write_netcdf, ".csv": write_csv, ".json": write_json}
    with whole_file(path) as beside:
        writers[path.suffix.lower()](answer, beside)
