"""Answering for ``activestorage``, so that programs reach ``Active`` unchanged."""

from __future__ import annotations

import logging
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from activecore.compat.active import Active

__all__ = ["install", "uninstall"]

logger = logging.getLogger(__name__)

_NAMES = ("activestorage", "activestorage.active")

_replaced: dict[str, ModuleType] = {}
"""Modules of the real PyActiveStorage that were there before."""


def install() -> None:
    """Let ``from activestorage import Active`` give activecore's ``Active``.

    For this process, PyActiveStorage installed or not; cf-python and others that
    import it where they use it are then answered by activecore. Call it before
    anything else imports ``activestorage``: a module that has its ``Active`` already
    keeps it, and the log says so. Idempotent; ``uninstall`` undoes it.
    """
    for name in _NAMES:
        before = sys.modules.get(name)
        if before is not None and getattr(before, "Active", None) is not Active:
            logger.warning("%s was imported before; what holds it keeps it", name)
            _replaced[name] = before
        sys.modules[name] = _module(name)
    sys.modules["activestorage"].__dict__["active"] = sys.modules[_NAMES[1]]


def uninstall() -> None:
    """Undo ``install``: ``activestorage`` is PyActiveStorage again, if there is one."""
    for name in _NAMES:
        if getattr(sys.modules.get(name), "Active", None) is Active:
            del sys.modules[name]
        if name in _replaced:
            sys.modules[name] = _replaced.pop(name)


def _module(name: str) -> ModuleType:
    module = ModuleType(name, "activecore in place of PyActiveStorage.")
    # With a spec, importlib.util.find_spec finds it: cf-python asks that way.
    module.__spec__ = ModuleSpec(name, loader=None, is_package="." not in name)
    module.__dict__.update(Active=Active, __all__=["Active"], __path__=[])
    return module
