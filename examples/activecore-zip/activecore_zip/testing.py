"""How the conformance suite puts bytes into archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from activecore.testing import Rig
from activecore_zip.backend import ZipBackend

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = ["DeflatedRig", "ZipRig"]


class ZipRig(Rig):
    """Writes an archive for each object, its one member stored."""

    method: ClassVar[int] = zipfile.ZIP_STORED

    def backend(self) -> StorageBackend:
        """Make a backend; archives are wherever sources say."""
        return ZipBackend()

    def put(self, name: str, data: bytes) -> str:
        """Write an archive with two members, the second of them the object."""
        archive = self.folder / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", self.method) as file:
            file.writestr("first.txt", "something that lies before it\n" * 3)
            file.writestr(f"folder/{name}", data)
        return f"{archive}!/folder/{name}"

    def put_file(self, name: str, data: bytes) -> str:
        """Write an archive, and give the member's URL."""
        return f"zip://{self.put(name, data)}"

    def delete(self, source: str) -> None:
        """Remove the archive."""
        Path(source.partition("!")[0]).unlink()

    def unreadable(self) -> Mapping[str, str]:
        """Give what is there and cannot be read."""
        whole = Path(self.put("whole", bytes(1000)).partition("!")[0])
        (self.folder / "cut.zip").write_bytes(whole.read_bytes()[:-30])
        (self.folder / "text.zip").write_text("no archive at all\n" * 9)
        return {
            "an archive that was cut short": f"{self.folder}/cut.zip!/folder/whole",
            "no archive": f"{self.folder}/text.zip!/folder/whole",
            "a folder of an archive": f"{whole}!/folder",
        }


class DeflatedRig(ZipRig):
    """Deflates members."""

    method = zipfile.ZIP_DEFLATED
