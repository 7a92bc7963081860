"""Writing files whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activecore.errors import ConfigError

__all__ = ["check_target", "whole_file"]


def check_target(path: Path, *, source: str, what: str) -> None:
    """Make sure, before any data is read, that a file can be written.

    Parameters
    ----------
    path
        The file to be written; what it holds now is replaced.
    source
        URL or path of the data.
    what
        What to call the file in an error: ``"--out"``.

    Raises
    ------
    ConfigError
        It is the source or lies inside it, is a directory, or its directory does not
        exist or cannot be written to.
    """
    if path.is_dir():
        raise ConfigError(f"{what} {path} is a directory")
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"{what} {path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{what} {path}: {folder} cannot be written to")
    data = Path(source.removeprefix("file://")).resolve()
    target = path.resolve()
    if target == data or data in target.parents or _same_file(target, data):
        raise ConfigError(f"{what} {path} would overwrite the data it comes from")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it to ``path`` at the end.

    If anything goes wrong, what was there before is still there, and nothing else.

    Raises
    ------
    OSError
        It cannot be written; the error names ``path``.
    """
    beside = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, reason, os.fspath(path)) from error
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()
