"""The suite that every backend passes, in both ways of reading files."""

import os
from pathlib import Path

import pytest

from activecore.testing import BackendConformance
from activecore_posix import PosixBackend, PosixOptions


class TestReading(BackendConformance):
    access = "read"

    @pytest.fixture
    def backend(self, tmp_path):
        self.folder = tmp_path
        backend = PosixBackend(PosixOptions(access=self.access))
        yield backend
        backend.close()

    def put(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def delete(self, source):
        Path(source).unlink()

    def unreadable(self):
        (self.folder / "directory").mkdir()
        (self.folder / "dangling").symlink_to(self.folder / "nothing")
        sources = {
            "a directory": str(self.folder / "directory"),
            "a dangling link": str(self.folder / "dangling"),
            "below a file": self.put("file", bytes(1000)) + "/0.0",
            "cut short": self.put("short", bytes(63)),
        }
        if os.geteuid() != 0:
            sources["forbidden"] = self.put("forbidden", bytes(1000))
            Path(sources["forbidden"]).chmod(0)
        return sources


class TestMapping(TestReading):
    access = "mmap"
