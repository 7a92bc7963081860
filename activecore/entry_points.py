"""What installed distributions say they provide; nothing of it is imported here."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distributions,
    metadata,
)
from pathlib import Path

from activecore.errors import BackendNotInstalled, ConfigError, did_you_mean

__all__ = [
    "GROUP",
    "RIGS",
    "SCHEMES",
    "Plugin",
    "default_backend",
    "find",
    "installed",
    "plugin_extras",
    "rig_of",
    "scheme_of",
    "schemes_of",
]

logger = logging.getLogger(__name__)

GROUP = "activecore"
"""Entry-point group of plugins: the name of each, and the module of its hooks."""

SCHEMES = "activecore.schemes"
"""Entry-point group that gives URL schemes a backend, by the same object reference."""

RIGS = "activecore.testing"
"""Entry-point group of the rigs by which backends are tested, under their names."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of an installed distribution."""

    name: str
    """The name by which users know it."""
    value: str
    """The object that holds its hooks: ``"package.module"`` or ``"module:object"``."""
    distribution: str
    """Name of the distribution that declares it."""
    version: str
    """Version of that distribution."""
    entry_point: EntryPoint = field(repr=False, compare=False)
    """What imports it."""

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}"


def installed() -> tuple[Plugin, ...]:
    """List every plugin by name, without importing any; names may repeat."""
    return _plugins(GROUP)


def find(name: str, *, what: str = "backend") -> Plugin:
    """Give the one plugin of a name, without importing it.

    Parameters
    ----------
    what
        What it is wanted for, for the error.

    Raises
    ------
    BackendNotInstalled
        There is none; says what is installed and what to install.
    ConfigError
        Several distributions claim the name; names them.
    """
    claims = [plugin for plugin in installed() if plugin.name == name]
    if len(claims) > 1:
        who = " and ".join(f"{c.distribution} {c.version}" for c in claims)
        raise ConfigError(
            f"the name {name!r} is claimed by several distributions: {who}; "
            "uninstall all but one"
        )
    if not claims:
        raise BackendNotInstalled(_not_installed(name, what))
    return claims[0]


def _not_installed(name: str, what: str) -> str:
    here = sorted({plugin.name for plugin in installed()})
    offered = [extra for extra in plugin_extras() if extra not in here]
    listed = ", ".join(here) if here else "none"
    message = f"no {what} {name!r} is installed (installed: {listed})"
    if name in offered:
        return f"{message}; {_pip([name])}"
    hint = did_you_mean(name, [*here, *offered])
    meant = [extra for extra in offered if repr(extra) in hint]
    command = f"; {_pip(meant or offered)}" if offered else ""
    return f"{message}{hint}{command}"


def _pip(extras: Iterable[str]) -> str:
    commands = [f"pip install '{GROUP}[{extra}]'" for extra in extras]
    return f"to install: {' or '.join(commands)}"


def plugin_extras() -> list[str]:
    """Name the extras of this distribution that bring one plugin each.

    Read from its installed metadata; empty where it was not installed.
    """
    try:
        required = metadata(GROUP).get_all("Requires-Dist") or []
    except PackageNotFoundError:
        return []
    brought: dict[str, int] = {}
    for requirement in required:
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", requirement)
        if extra is not None and requirement.startswith(f"{GROUP}-"):
            brought[extra[1]] = brought.get(extra[1], 0) + 1
    return sorted(extra for extra, plugins in brought.items() if plugins == 1)


def scheme_of(url: str) -> str:
    """Give a URL's scheme in lower case; that of a plain path is ``"file"``."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.:-]*)://", url)
    return "file" if match is None else match[1].lower()


def default_backend(scheme: str) -> str:
    """Name the backend that is installed for a scheme, without importing it.

    Raises
    ------
    BackendNotInstalled
        None is; says what to install.
    ConfigError
        Several are: the user has to choose.
    """
    names: dict[str, Plugin] = {}
    for claim in _plugins(SCHEMES):
        if claim.name != scheme:
            continue
        for plugin in installed():
            same = (plugin.value, plugin.distribution)
            if same == (claim.value, claim.distribution):
                names[plugin.name] = plugin
    if len(names) > 1:
        who = ", ".join(str(plugin) for plugin in names.values())
        raise ConfigError(
            f"several backends are installed for {scheme}:// URLs: {who}; "
            "choose one with backend=, or in a config file"
        )
    if not names:
        here = sorted({plugin.name for plugin in installed()})
        offered = [extra for extra in plugin_extras() if extra not in here]
        command = f"; {_pip(offered)}" if offered else ""
        listed = ", ".join(here) if here else "none"
        what = "paths" if scheme == "file" else f"{scheme}:// URLs"
        raise BackendNotInstalled(
            f"no installed backend is the default for {what}: name one with backend= "
            f"(installed: {listed}){command}"
        )
    return next(iter(names))


def schemes_of(name: str) -> list[str]:
    """Name the URL schemes that the plugin of this name is the default for."""
    own = {(p.value, p.distribution) for p in installed() if p.name == name}
    return sorted(
        claim.name
        for claim in _plugins(SCHEMES)
        if (claim.value, claim.distribution) in own
    )


def rig_of(name: str) -> EntryPoint | None:
    """Give the entry point of the rig by which a backend is tested, if there is one.

    Raises
    ------
    ConfigError
        Several distributions bring one.
    """
    rigs = [rig for rig in _plugins(RIGS) if rig.name == name]
    if len(rigs) > 1:
        who = " and ".join(f"{rig.distribution} {rig.version}" for rig in rigs)
        raise ConfigError(f"several distributions bring a rig for {name!r}: {who}")
    return rigs[0].entry_point if rigs else None


def _plugins(group: str) -> tuple[Plugin, ...]:
    return tuple(
        plugin for plugin in _scanned(_state()) if plugin.entry_point.group == group
    )


def _state() -> tuple[tuple[str, int], ...]:
    """Tell one state of the import path from another, cheaply: folders and times."""
    state = []
    for folder in sys.path:
        changed = 0
        with suppress(OSError):
            changed = Path(folder).stat().st_mtime_ns
        state.append((folder, changed))
    return tuple(state)


@lru_cache(maxsize=1)
def _scanned(state: tuple[tuple[str, int], ...]) -> tuple[Plugin, ...]:  # noqa: ARG001 - the key of the cache
    """Read the entry points of every distribution on the import path."""
    found: list[Plugin] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            plugins = _declared(distribution)
        except Exception as error:  # noqa: BLE001 - somebody else's broken metadata must not stop us
            logger.warning("a distribution's metadata cannot be read: %s", error)
            continue
        # Of two of one name, the first on the path is the one that is imported.
        names = {_normal(plugin.distribution) for plugin in plugins}
        if not names & seen:
            found += plugins
        seen |= names
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.distribution)))


def _declared(distribution: Distribution) -> list[Plugin]:
    # Nearly all say nothing about us: their metadata are not parsed.
    if GROUP not in (distribution.read_text("entry_points.txt") or ""):
        return []
    if "Name" not in distribution.metadata:
        return []  # half removed: nothing left but this file
    name = distribution.metadata["Name"]
    return [
        Plugin(entry.name, entry.value, name, distribution.version, entry)
        for entry in distribution.entry_points
        if entry.group in (GROUP, SCHEMES, RIGS)
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
