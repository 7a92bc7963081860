"""Settings in environment variables: ``ACTIVECORE_THREADS=4``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from activecore.config.keys import Document, Profile
from activecore.config.layers import CONFIG, Layer, checked_layer
from activecore.engines.choice import VARIABLE as ENGINE
from activecore.entry_points import installed
from activecore.errors import ConfigError, did_you_mean
from activecore.validation import KeyPath

__all__ = ["environment_layer"]

PREFIX = "ACTIVECORE_"

_OTHERS = frozenset({CONFIG, ENGINE})
"""Variables that are no setting: where settings lie, and what a process is to test."""


def environment_layer(files: Sequence[Layer]) -> Layer | None:
    """Read the variables ``ACTIVECORE_…``; nested keys by two underscores.

    Names of backends and profiles are written in capitals there, so they are looked
    for among the installed ones and in ``files``.

    Raises
    ------
    ConfigError
        A variable means nothing, or its value is wrong.
    """
    values: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    for variable, text in sorted(os.environ.items()):
        # An empty variable is one that somebody unset for a command.
        if not variable.startswith(PREFIX) or variable in _OTHERS or text == "":
            continue
        path = _path(variable, files)
        origins[path] = f"environment {variable}"
        table = values
        for key in path[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ConfigError(f"environment {variable}: {key!r} is no table")
        table[path[-1]] = text
    if not values:
        return None
    return checked_layer("environment", values, origins)


def _path(variable: str, files: Sequence[Layer]) -> KeyPath:
    """Turn the name of a variable into keys."""
    first, *rest = variable.removeprefix(PREFIX).lower().split("__")
    if first == "backends":
        return "backends", *_backend_path(variable, rest, files)
    if first == "profiles":
        known = _profiles(files)
        if len(rest) > 1 and rest[1] == "backends":
            table = _backend_path(variable, rest[2:], files)
            return "profiles", _spelled(rest[0], known), "backends", *table
        if len(rest) == 2 and rest[1] in Profile.model_fields:  # noqa: PLR2004 - profile and key
            return "profiles", _spelled(rest[0], known), rest[1]
        if len(rest) > 1:
            hint = did_you_mean(rest[1], Profile.model_fields, most=1)
            what = f"a profile has no key {rest[1]!r}{hint}"
            raise ConfigError(f"environment {variable}: {what}")
    elif first in Document.model_fields and not rest:
        return (first,)
    raise _unknown(variable, [*Document.model_fields, "config", "engine"])


def _backend_path(
    variable: str, rest: Sequence[str], files: Sequence[Layer]
) -> KeyPath:
    if len(rest) < 2 or "" in rest:  # noqa: PLR2004 - backend and option
        raise ConfigError(
            f"environment {variable}: write …BACKENDS__<backend>__<option>, with two "
            "underscores between nested keys"
        )
    here = {plugin.name for plugin in installed()}
    known = here | _backends(files)
    name = _spelled(rest[0], known)
    if name not in known:
        hint = did_you_mean(name, here)
        if hint:
            raise ConfigError(f"environment {variable}: no backend {name!r}{hint}")
    return name, *rest[1:]


def _backends(files: Sequence[Layer]) -> set[str]:
    """Name the backends that some files have tables for."""
    tables = [layer.values for layer in files]
    tables += [p for top in tables for p in top.get("profiles", {}).values()]
    return {name for table in tables for name in table.get("backends", {})}


def _profiles(files: Sequence[Layer]) -> set[str]:
    """Name the profiles of some files."""
    return {name for layer in files for name in layer.values.get("profiles", {})}


def _spelled(lowered: str, known: Iterable[str]) -> str:
    """Give the known name that a variable's part stands for, or the part itself."""
    folded = {re.sub(r"[-_.]+", "_", name).lower(): name for name in sorted(known)}
    return folded.get(lowered, lowered)


def _unknown(variable: str, known: Iterable[str]) -> ConfigError:
    if re.match(f"{PREFIX}(BACKENDS|PROFILES)_", variable):
        hint = "; between nested keys write two underscores"
    else:
        hint = did_you_mean(
            variable, (f"{PREFIX}{key.upper()}" for key in known), most=1
        )
    return ConfigError(f"unknown environment variable {variable}{hint}")
