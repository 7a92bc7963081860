"""A rig for every backend whose own filesystem can write: no code of its author's."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activecore.config import Settings
from activecore.discovery import resolve
from activecore.errors import ConfigError
from activecore.testing.rig import Rig

if TYPE_CHECKING:
    from activecore.backend import StorageBackend

__all__ = ["FilesystemRig"]


class FilesystemRig(Rig):
    """Stores objects below a URL, by the filesystem that the backend gives for it.

    The paths of that filesystem are the sources of requests: the contract says so.

    Parameters
    ----------
    folder
        As for every rig.
    name
        The backend.
    scratch
        URL of a folder or a prefix that may be written to; objects stay there.
    settings, profile, options
        As for ``activecore.open``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        scratch: str,
        settings: Settings,
        profile: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(folder)
        (self._resolved,) = resolve(
            scratch,
            backend=[name],
            profile=profile,
            storage_options=options,
            settings=settings,
        )
        self._scratch = scratch.rstrip("/")
        self._writer = self.backend()
        self._fs = self._writer.filesystem(scratch)

    def backend(self) -> StorageBackend:
        """Make the backend as it is configured for the scratch URL."""
        return self._resolved.make()

    def put(self, name: str, data: bytes) -> str:
        """Write a file."""
        path: str = self._fs._strip_protocol(f"{self._scratch}/{name}")  # noqa: SLF001 - fsspec's own way to get a path
        try:
            self._fs.pipe_file(path, data)
        except Exception as error:
            raise ConfigError(
                f"{self._scratch} cannot be written to by the filesystem of backend "
                f"{self._writer.name!r} ({type(error).__name__}: {error}): name "
                "another --scratch, or the --rig of this backend"
            ) from error
        self._fs.invalidate_cache(path)
        return path

    def delete(self, source: str) -> None:
        """Remove a file."""
        self._fs.rm_file(source)
        self._fs.invalidate_cache(source)

    def put_file(self, name: str, data: bytes) -> str:
        """Write a file, and give its URL."""
        self.put(name, data)
        return f"{self._scratch}/{name}"

    def close(self) -> None:
        """Close the backend that writes."""
        with contextlib.suppress(Exception):  # the suite's business is another instance
            self._writer.close()
