"""Writing a new distribution: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from activecore.contract import CONTRACT
from activecore.errors import ConfigError
from activecore.scaffold.names import Names

__all__ = ["write_distribution"]

_SUFFIX = ".tmpl"


def write_distribution(names: Names, directory: Path, *, reader: bool = False) -> Path:
    """Write a distribution into a new folder below ``directory``.

    It is written aside and then renamed: where something goes wrong, nothing is left.

    Parameters
    ----------
    names
        Checked ones.
    reader
        A reader, instead of a backend.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        There is something of this name, or the directory cannot be written to.
    """
    target = directory / names.distribution
    if os.path.lexists(target):
        raise ConfigError(f"{target} exists already; nothing was written")
    values = _values(names, reader=reader)
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{names.distribution}-", dir=directory))
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}") from error
    try:
        for folder in ("common", "reader" if reader else "backend"):
            for name, text in _templates(files(__package__) / "templates" / folder):
                _write(aside, name, text, values)
        aside.chmod(0o777 & ~_umask())
        aside.rename(target)
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _values(names: Names, *, reader: bool) -> Mapping[str, str]:
    """Give what stands in templates for what."""
    stem = f"{names.stem}{'Reader' if reader else 'Backend'}"
    major, minor = version("activecore").split(".")[:2]
    later = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    rig = (
        '\n# How `python -m activecore.testing` stores test chunks.\n'
        '[project.entry-points."activecore.testing"]\n'
        f'{names.plugin} = "{names.module}.testing:{stem}Rig"\n'
    )  # fmt: skip
    kind = "reader" if reader else "backend"
    return {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "Class": stem,
        "summary": f"A {kind} for activecore",
        "contract": str(CONTRACT),
        "core": f">={major}.{minor},<{later}",
        "extras": "posix,testing" if reader else "testing",
        "more_entry_points": "" if reader else rig,
        "ci_more": ""
        if reader
        else f"      - run: python -m activecore.testing {names.plugin}",
        "year": str(datetime.now(tz=UTC).year),
    }


def _templates(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    """Give every template below a folder: its path, and its text."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _templates(item, f"{above}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            yield above + item.name.removesuffix(_SUFFIX), item.read_text("utf-8")


def _write(folder: Path, name: str, text: str, values: Mapping[str, str]) -> None:
    named = Template(name.replace("MODULE", "$module")).substitute(values)
    path = folder / named
    path.parent.mkdir(parents=True, exist_ok=True)
    filled = Template(text).substitute(values).rstrip("\n")
    path.write_text(filled + "\n" if filled else "", encoding="utf-8")


def _umask() -> int:
    """Give the process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
