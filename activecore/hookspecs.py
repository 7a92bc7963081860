"""The hooks by which other distributions extend activecore.

A distribution names its module in the entry-point group ``activecore``; the module
implements one hook or both, marked with ``activecore.hookimpl``. Only the plugin that
a user names is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from activecore.backend import StorageBackend
    from activecore.readers.base import Reader

__all__ = ["PROJECT", "activecore_backend", "activecore_reader", "hookimpl"]

PROJECT = "activecore"
"""Entry-point group and pluggy project name."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of a hook."""


@hookspec
def activecore_backend() -> type[StorageBackend]:  # type: ignore[empty-body] # pluggy calls the plugins'
    """Return the backend class that this plugin provides.

    Called once per process, when the backend is first named. The class's ``name``
    must be the name of the entry point. Import what is heavy inside the class's
    methods, not at the top of the module.
    """


@hookspec
def activecore_reader() -> type[Reader]:  # type: ignore[empty-body] # pluggy calls the plugins'
    """Return the reader class that this plugin provides.

    Called once per process, when the reader is first named, or when no built-in
    reader recognises a source. The class's ``name`` must be the name of the entry
    point.
    """
