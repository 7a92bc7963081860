"""Importing plugins, one at a time, and making sure of each before it is used."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from activecore import hookspecs
from activecore.backend import StorageBackend
from activecore.contract import require_contract
from activecore.entry_points import Plugin, find, installed
from activecore.errors import ActiveCoreError, BackendError, did_you_mean
from activecore.options import BackendOptions
from activecore.readers.base import Reader

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Report",
    "backend_of",
    "examine",
    "load",
    "reader_class",
    "reader_plugins",
    "survey",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one plugin provides."""

    backend: type[StorageBackend] | None
    reader: type[Reader] | None


@dataclass(frozen=True, slots=True)
class Report:
    """One row of a listing of plugins."""

    plugin: Plugin
    backend: type[StorageBackend] | None = None
    """Its backend, if it has one."""
    reader: type[Reader] | None = None
    """Its reader, if it has one."""
    problem: str | None = None
    """Why it cannot be used, in one line; None: it can."""

    @property
    def kind(self) -> str:
        """What it is: ``"backend"``, ``"reader"``, both, or ``"failed"``."""
        if self.problem is not None:
            return "failed"
        kinds = {"backend": self.backend, "reader": self.reader}
        return " and ".join(kind for kind, of in kinds.items() if of is not None)


def backend_of(name: str) -> type[StorageBackend]:
    """Give the backend class of a plugin; imports that plugin only.

    Raises
    ------
    BackendNotInstalled, ConfigError, BackendError
        There is none, there are several, or it cannot be used.
    """
    plugin = find(name)
    backend = load(plugin).backend
    if backend is None:
        raise BackendError(f"the plugin {plugin} provides a reader, not a backend")
    return backend


def reader_class(name: str) -> type[Reader]:
    """Give the reader class of a plugin; imports that plugin only.

    Raises
    ------
    BackendNotInstalled, ConfigError, BackendError
        There is none, there are several, or it cannot be used.
    """
    plugin = find(name, what="reader")
    reader = load(plugin).reader
    if reader is None:
        raise BackendError(f"the plugin {plugin} provides a backend, not a reader")
    return reader


def reader_plugins() -> Iterator[type[Reader]]:
    """Give every reader of a plugin, importing one plugin after the other.

    Nothing says before the import whether a plugin has a reader, so this is for
    sources that no built-in reader recognises. Plugins that fail are logged and left
    out.
    """
    for report in survey():
        if report.problem is not None:
            logger.warning("left out: %s", report.problem)
        elif report.reader is not None:
            yield report.reader


def survey() -> Iterator[Report]:
    """Import every plugin, each by itself, and say what it is or why it fails."""
    for plugin in installed():
        yield examine(plugin)


def examine(plugin: Plugin) -> Report:
    """Import one plugin, and say what it is or why it fails."""
    try:
        loaded = load(find(plugin.name))
    except ActiveCoreError as error:
        return Report(plugin, problem=str(error))
    return Report(plugin, loaded.backend, loaded.reader)


_loaded: dict[Plugin, Loaded] = {}
_loading = threading.RLock()


def load(plugin: Plugin) -> Loaded:
    """Import a plugin, once per process, and check what it provides.

    Raises
    ------
    BackendError
        It cannot be imported, or is not what it should be; names its distribution.
    """
    # One at a time, because standard output is caught meanwhile. A plugin that failed
    # is tried again: it may have been mended.
    with _loading:
        if plugin not in _loaded:
            _loaded[plugin] = _load(plugin)
        return _loaded[plugin]


def _load(plugin: Plugin) -> Loaded:
    module = _import(plugin)
    hooks = _register(plugin, module)
    with _blaming(plugin, "its hook failed"):
        backends = hooks.activecore_backend()
        readers = hooks.activecore_reader()
    if not backends and not readers:
        raise BackendError(
            f"the plugin {plugin} provides nothing: {plugin.value} has no function "
            "activecore_backend or activecore_reader marked with activecore.hookimpl"
        )
    for backend in backends:
        _check_class(plugin, backend, StorageBackend)
        _check_backend(plugin, backend)
    for reader in readers:
        _check_class(plugin, reader, Reader)
    return Loaded(next(iter(backends), None), next(iter(readers), None))


def _import(plugin: Plugin) -> ModuleType:
    """Import the module; what it prints goes to the log, not into somebody's pipe."""
    printed = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(printed),
            _blaming(plugin, "it cannot be imported"),
        ):
            module: ModuleType = plugin.entry_point.load()
    finally:
        if printed.getvalue().strip():
            text = " ".join(printed.getvalue().split())
            logger.info("the plugin %s printed on import: %s", plugin, text)
    return module


@contextlib.contextmanager
def _blaming(plugin: Plugin, what: str) -> Iterator[None]:
    """Make one clear error of whatever a plugin does; only Ctrl-C passes."""
    try:
        yield
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise BackendError(f"the plugin {plugin}: {what}: {kind}: {error}") from error


def _register(plugin: Plugin, module: ModuleType) -> Any:
    """Let pluggy look for hooks in the module, and at nothing else."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = set(vars(manager.hook))
    try:
        manager.register(module, name=plugin.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        specs = [name for name in known if not name.startswith("_")]
        unknown = sorted(set(vars(manager.hook)) - known)
        if not unknown:
            raise BackendError(f"the plugin {plugin}: {error}") from error
        raise BackendError(
            f"the plugin {plugin} implements an unknown hook {unknown[0]!r}"
            f"{did_you_mean(unknown[0], specs, most=1)}"
        ) from error
    return manager.hook


def _check_class(plugin: Plugin, found: Any, base: type) -> None:
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BackendError(
            f"the plugin {plugin} gives {found!r}, which is not a class derived from "
            f"activecore.{base.__name__}"
        )
    name = getattr(found, "name", None)
    if name != plugin.name:
        raise BackendError(
            f"the plugin {plugin}: its class {found.__name__} calls itself {name!r}"
        )
    stated = getattr(found, "contract", None)
    require_contract(stated, who=str(plugin), distribution=plugin.distribution)
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise BackendError(
            f"the plugin {plugin}: its class {found.__name__} lacks {lacking}"
        )


def _check_backend(plugin: Plugin, backend: type[StorageBackend]) -> None:
    options: Any = backend.options_type
    if not (isinstance(options, type) and issubclass(options, BackendOptions)):
        raise BackendError(
            f"the plugin {plugin}: its options_type {options!r} is not a class "
            "derived from activecore.BackendOptions"
        )
