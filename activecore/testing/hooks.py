"""What a backend's author supplies: a backend, and a way past it into the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from activecore.backend import StorageBackend

__all__ = ["Hooks"]


class Hooks:
    """Override ``backend`` and ``put``; the rest where you can."""

    float32_sum_tolerance: ClassVar[float] = 1e-12
    """Relative error that is allowed of sums of 4-byte and shorter floats. They
    accumulate in float64; raise this only for a server whose accumulator is narrow and
    whose error ``why_not`` bounds, and say so in your documentation."""

    @pytest.fixture
    def backend(self) -> StorageBackend:
        """Override: give a backend, open, and made anew for each test."""
        raise NotImplementedError("override the fixture `backend` of the suite")

    def put(self, name: str, data: bytes) -> str:
        """Override: store an object, and give the source by which requests name it.

        Go past the backend that is tested. An object of this name may be there
        already, and is replaced. Names hold letters, digits, ``.``, ``-`` and ``_``.
        """
        raise NotImplementedError("override the method `put` of the suite")

    def delete(self, source: str) -> None:
        """Override if you can: remove an object that ``put`` stored."""
        raise NotImplementedError

    def absent(self) -> str:
        """Give a source of which there is no object.

        By default an object that was put and deleted; without ``delete``, the source
        of an object that is there, and ``-absent`` behind it.
        """
        source = self.put("absent", b"soon gone")
        if type(self).delete is Hooks.delete:
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
