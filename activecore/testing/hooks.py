"""What a backend's author supplies: a backend, and a way past it into the store."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from activecore.backend import StorageBackend
from activecore.testing.rig import Rig

__all__ = ["Hooks"]


class Hooks:
    """Name a ``rig``; or override ``backend`` and ``put``, and the rest where you can.

    The methods are those of ``Rig``, whose docstrings hold.
    """

    rig: ClassVar[type[Rig] | None] = None
    """What makes backends and fills their store; None: the methods here do."""
    float32_sum_tolerance: float = Rig.float32_sum_tolerance
    """As ``Rig.float32_sum_tolerance``; a rig's own goes before it."""
    _in_use: Rig | None = None

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[StorageBackend]:
        """Give a backend, open, and made anew for each test."""
        if self.rig is None:
            raise NotImplementedError(
                "name a `rig`, or override the fixture `backend` of the suite"
            )
        rig = self.rig(tmp_path)
        self.use(rig)
        backend = rig.backend()
        yield backend
        backend.close()
        rig.close()

    def use(self, rig: Rig) -> None:
        """Put objects where this rig puts them."""
        self._in_use = rig
        self.float32_sum_tolerance = rig.float32_sum_tolerance

    def another(self, backend: StorageBackend) -> StorageBackend:
        """Give a second backend of the same store; by default a pickled copy."""
        if self._in_use is not None:
            return self._in_use.backend()
        copy: StorageBackend = pickle.loads(pickle.dumps(backend))  # noqa: S301 - our own pickle
        return copy

    def put(self, name: str, data: bytes) -> str:
        """Store an object, and give the source by which requests name it."""
        if self._in_use is None:
            raise NotImplementedError("override the method `put` of the suite")
        return self._in_use.put(name, data)

    def delete(self, source: str) -> None:
        """Remove an object that ``put`` stored."""
        if self._in_use is None:
            raise NotImplementedError
        self._in_use.delete(source)

    def absent(self) -> str:
        """Give a source of which there is no object."""
        if self._in_use is not None:
            return self._in_use.absent()
        source = self.put("absent", b"soon gone")
        if type(self).delete is Hooks.delete:
            return f"{source}-absent"
        self.delete(source)
        return source

    def unreadable(self) -> Mapping[str, str]:
        """Give sources that are there and cannot be read: what is wrong -> source."""
        return {} if self._in_use is None else self._in_use.unreadable()

    def put_file(self, name: str, data: bytes) -> str:
        """Give the URL of a file that ``backend.filesystem`` can read."""
        if self._in_use is None:
            return self.put(name, data)
        return self._in_use.put_file(name, data)
