"""Where settings are written: files, the environment, arguments; one layer each."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import ValidationError

from activecore.config.keys import Document, Table
from activecore.errors import ConfigError
from activecore.validation import KeyPath, complaints

__all__ = [
    "CONFIG",
    "Layer",
    "Rank",
    "Value",
    "argument_layer",
    "checked_layer",
    "file_layers",
]

CONFIG = "ACTIVECORE_CONFIG"
"""The environment variable that names a config file."""

Rank = Literal["argument", "environment", "file"]
"""What kind of place a layer is, highest precedence first."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value and where it was written. Its repr shows no value."""

    value: Any = field(repr=False)
    origin: str
    is_text: bool = False
    """Whether it is text that stands for a value of another type."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Everything that one place says, checked."""

    rank: Rank
    values: Mapping[str, Any] = field(repr=False)
    """Nested, routes by prefix: what merges key by key."""
    leaves: Mapping[KeyPath, Value]
    """Every single value by its keys."""

    def table(self, *keys: str) -> dict[str, Value]:
        """Give the values right below some keys, by the last key."""
        return {
            path[-1]: value for path, value in self.leaves.items() if path[:-1] == keys
        }


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Take nested values apart, down to the options of backends."""
    for key, value in values.items():
        if key in ("backends", "routes"):
            for name, table in value.items():
                for option, content in table.items():
                    yield (key, name, option), content
        elif key == "profiles":
            for name, profile in value.items():
                for path, content in _leaves(profile):
                    yield (key, name, *path), content
        else:
            yield (key,), value


def _origin(origins: Mapping[KeyPath, str], path: KeyPath) -> str:
    """Find what was written for a path, for a part of it, or around it."""
    for written, origin in origins.items():
        shorter = min(len(written), len(path))
        if written[:shorter] == path[:shorter]:
            return origin
    return next(iter(origins.values()))


def checked_layer(
    rank: Rank, values: Mapping[str, Any], origins: Mapping[KeyPath, str]
) -> Layer:
    """Check what one place says.

    Parameters
    ----------
    values
        As nested as it is written.
    origins
        What to call the places of single values, or, under ``()``, of all of them.

    Raises
    ------
    ConfigError
        Names the key and its place; never the value.
    """
    # Variables hold text; in files and calls a number is not to be written as text.
    is_text = rank == "environment"
    wrong: str | None = None
    try:
        document = Document.model_validate(dict(values), strict=not is_text)
    except ValidationError as error:
        wrong = complaints(error, Document, say=lambda path: _origin(origins, path))
    if wrong is not None:
        # Outside of the handler: pydantic's error holds the values, which may be
        # secrets, and must not even be this one's context.
        raise ConfigError(wrong)
    written = document.model_dump(exclude_unset=True)
    for top in (written, *written.get("profiles", {}).values()):
        if "backends" in top:
            # pydantic-settings logs what it merges when it is told to.
            tables = top["backends"].items()
            top["backends"] = {name: Table(table) for name, table in tables}
    if "routes" in written:
        written["routes"] = {
            route["prefix"]: {k: v for k, v in route.items() if k != "prefix"}
            for route in written["routes"]
        }
    leaves = {
        path: Value(value, _origin(origins, path), is_text)
        for path, value in _leaves(written)
    }
    return Layer(rank, written, leaves)


def argument_layer(values: Mapping[str, Any]) -> Layer:
    """Check what a caller passes.

    Raises
    ------
    ConfigError
        A key is unknown or a value wrong.
    """
    return checked_layer("argument", values, {(): "argument"})


def file_layers(named: str | os.PathLike[str] | None) -> list[Layer]:
    """Read the file that is named, the user's and the site's; nearest first.

    Raises
    ------
    ConfigError
        A file cannot be read, is not TOML, or says something wrong; or the one that
        is named is not there.
    """
    if named is None:
        named = os.environ.get(CONFIG) or None
    layers = []
    if named is not None:
        layer = _file_layer(Path(named).expanduser().absolute())
        if layer is None:
            raise ConfigError(f"there is no config file {os.fspath(named)}")
        layers.append(layer)
    for folder in (
        platformdirs.user_config_dir("activecore"),
        *platformdirs.site_config_dir("activecore", multipath=True).split(os.pathsep),
    ):
        # A relative folder would be one in the current directory, which is anybody's.
        if os.path.isabs(folder):  # noqa: PTH117 - as the platform wrote it
            layer = _file_layer(Path(folder) / "config.toml")
            if layer is not None:
                layers.append(layer)
    return layers


def _file_layer(path: Path) -> Layer | None:
    origin = f"file {path}"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{origin} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        wrong = f"{origin} is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        wrong = f"{origin} is not TOML: {error}"
    else:
        return checked_layer("file", values, {(): origin})
    # Outside of the handlers: those errors keep the whole text.
    raise ConfigError(wrong)
