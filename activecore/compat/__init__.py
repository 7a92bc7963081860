"""For those who have PyActiveStorage in their programs: ``Active`` and ``install``."""

from __future__ import annotations

from activecore.compat.active import Active
from activecore.compat.modules import install, uninstall

__all__ = ["Active", "install", "uninstall"]
