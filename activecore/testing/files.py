"""Objects in memory as a filesystem."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import fsspec

__all__ = ["ObjectFileSystem"]


class ObjectFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc] # fsspec is untyped
    """A dict of objects as a read-only filesystem; ``/`` in a name makes folders."""

    protocol = "fake"
    cachable = False

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        super().__init__()
        self._objects = objects

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or the object itself."""
        name = self._strip_protocol(path).strip("/")
        if name in self._objects:
            entries = {name: self._entry(name)}
        else:
            entries = {}
            prefix = "" if name == "" else f"{name}/"
            for key in sorted(self._objects):
                if key.startswith(prefix):
                    child = prefix + key[len(prefix) :].split("/")[0]
                    entries[child] = self._entry(child)
        if not entries and name != "":
            raise FileNotFoundError(path)
        return list(entries.values()) if detail else list(entries)

    def _entry(self, name: str) -> dict[str, Any]:
        if name in self._objects:
            return {"name": name, "size": len(self._objects[name]), "type": "file"}
        return {"name": name, "size": 0, "type": "directory"}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if mode != "rb":
            raise PermissionError("fake objects are read-only here")
        name = self._strip_protocol(path).strip("/")
        if name not in self._objects:
            raise FileNotFoundError(path)
        return io.BytesIO(self._objects[name])
