"""A rig: the way past a backend into its store, for whoever runs the suite on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from activecore.backend import StorageBackend

__all__ = ["Rig"]


class Rig(ABC):
    """What the conformance suite has to know about the store behind a backend.

    Subclass it in a module of your distribution, and name the class in the entry-point
    group ``activecore.testing``, under the name of your backend:

        [project.entry-points."activecore.testing"]
        mystore = "activecore_mystore.testing:MyStoreRig"

    ``python -m activecore.testing mystore`` then finds it, and a test module needs no
    more than ``rig = MyStoreRig`` in a subclass of ``BackendConformance``.

    Parameters
    ----------
    folder
        An empty folder of this rig's own. Whoever made it removes it.
    """

    float32_sum_tolerance: ClassVar[float] = 1e-12
    """Relative error that is allowed of sums of 4-byte and shorter floats. They
    accumulate in float64; raise this only for a server whose accumulator is narrow and
    whose error ``why_not`` bounds, and say so in your documentation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def backend(self) -> StorageBackend:
        """Make a backend that finds what ``put`` stores; a new one at each call."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> str:
        """Store an object, and give the source by which requests name it.

        Go past the backend that is tested. An object of this name may be there
        already, and is replaced. Names hold letters, digits, ``.``, ``-`` and ``_``.
        """

    def delete(self, source: str) -> None:
        """Override if you can: remove an object that ``put`` stored."""
        raise NotImplementedError

    def absent(self) -> str:
        """Give a source of which there is no object.

        By default an object that was put and deleted; without ``delete``, the source
        of an object that is there, and ``-absent`` behind it.
        """
        source = self.put("absent", b"soon gone")
        if type(self).delete is Rig.delete:
            return f"{source}-absent"
        self.delete(source)
        return source

    def unreadable(self) -> Mapping[str, str]:
        """Override if you can: give sources that are there and cannot be read.

        What is wrong -> source, as in ``{"forbidden": "bucket/secret"}``. At least 64
        bytes are asked of each.
        """
        return {}

    def put_file(self, name: str, data: bytes) -> str:
        """Give the URL of a file that ``backend.filesystem`` can read.

        By default an object of ``put``, whose source then is its URL.
        """
        return self.put(name, data)

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Override to stop what was started for this rig."""
