"""Archives as folders, for readers of metadata."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import fsspec

from activecore_zip.archive import members_of, open_member, split, state_of

__all__ = ["ArchiveFileSystem"]


class ArchiveFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc] # untyped
    """A read-only filesystem of paths such as ``/path/archive.zip!/member``."""

    protocol = "zip"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(path).removeprefix("zip://").rstrip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a member; its ETag changes with its checksum and its archive."""
        path = self._strip_protocol(path)
        archive, name = split(path)
        members = self._members(archive)
        entry = members.get(name)
        if entry is not None and not entry.is_dir():
            state = "-".join(map(str, state_of(archive)))
            return {
                "name": path,
                "size": entry.file_size,
                "type": "file",
                "ETag": f"{entry.CRC:08x}-{state}",
            }
        if name == "" or any(other.startswith(f"{name}/") for other in members):
            return {"name": path, "size": 0, "type": "directory"}
        if entry is not None:
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder of an archive, or the member itself."""
        path = self._strip_protocol(path)
        if self.info(path)["type"] == "file":
            found = {path}
        else:
            archive, name = split(path)
            below = f"{name}/" if name else ""
            found = {
                f"{archive}!/{below}{other[len(below) :].split('/')[0]}"
                for other in self._members(archive)
                if other.startswith(below) and other != name
            }
        return [self.info(one) for one in sorted(found)] if detail else sorted(found)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if mode != "rb":
            raise PermissionError("members of archives are read-only")
        return io.BytesIO(self.cat_file(path))

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        """Open a member; one that is stored is read where it lies."""
        path = self._strip_protocol(path)
        archive, name = split(path)
        entry = self._members(archive).get(name)
        if mode != "rb" or entry is None:
            return super().open(path, mode, **more)
        return zipfile.ZipFile(archive).open(entry)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Read a member, or a part of it."""
        path = self._strip_protocol(path)
        archive, name = split(path)
        entry = self._members(archive).get(name)
        if entry is None:
            raise FileNotFoundError(path)
        if entry.is_dir():
            raise IsADirectoryError(path)
        part = range(entry.file_size)[start:end]
        with open_member(archive, entry, state_of(archive)) as member:
            member.seek(part.start)
            return member.read(len(part))

    @staticmethod
    def _members(archive: str) -> dict[str, zipfile.ZipInfo]:
        try:
            return members_of(archive, state_of(archive))
        except zipfile.BadZipFile as error:
            raise OSError(f"{archive} is no zip archive: {error}") from error
