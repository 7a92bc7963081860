"""Variables that another library has open: where they come from, to be opened here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from activecore.errors import ConfigError

__all__ = ["OpenVariable", "Opened", "opened"]


class OpenVariable(Protocol):
    """A variable as pyfive, h5py and netCDF4-python give it."""

    @property
    def name(self) -> Any:
        """Its name; h5py and pyfive put the group before it."""
        ...

    @property
    def shape(self) -> Any:
        """Length of each dimension; what a path does not have."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """What to open here instead of a variable that another library has open."""

    url: str
    """Path or URL of its source."""
    variable: str
    """Its name, with its group."""
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """How the filesystem behind it was made, credentials included."""


def opened(variable: object) -> Opened:
    """Find out where an open variable comes from.

    One that was opened over an fsspec file (pyfive does that for object stores)
    comes with the URL of that file, and with the options of its filesystem.

    Raises
    ------
    ConfigError
        That cannot be told.
    """
    name = getattr(variable, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"{type(variable).__name__} is no path, URL or open variable")
    file = _file_behind(variable)
    if file is not None:
        url = file.fs.unstrip_protocol(file.path)
        return Opened(str(url), name, dict(file.fs.storage_options))
    group = getattr(variable, "group", None)  # netCDF4-python's, a method
    if callable(group):
        holder = group()
        path = f"{holder.path}/{name}"
        return Opened(_existing(holder.filepath(), variable), path)
    where = getattr(getattr(variable, "file", None), "filename", None)
    return Opened(_existing(where, variable), name)


def _file_behind(variable: object) -> Any:
    """Give the fsspec file that a pyfive variable is read from, or None."""
    # Not the variable's own handle, which pyfive opens anew for every file on disk.
    handle = getattr(getattr(variable, "file", None), "_fh", None)
    handle = getattr(handle, "fh", handle)  # pyfive wraps it to buffer metadata
    is_of_fsspec = hasattr(handle, "fs") and hasattr(handle, "path")
    return handle if is_of_fsspec else None


def _existing(where: object, variable: object) -> str:
    """Make sure that a file's name is one: h5py has none for a file object."""
    if isinstance(where, (str, os.PathLike)) and (
        "://" in os.fspath(where) or os.path.exists(where)  # noqa: PTH110 - a name may be bad
    ):
        return os.fspath(where)
    raise ConfigError(
        f"it cannot be told which file the {type(variable).__module__} variable "
        f"{getattr(variable, 'name', None)!r} comes from; give its path or URL"
    )
