"""The suite that every backend passes."""

from __future__ import annotations

from activecore.testing import BackendConformance

from activecore_sqlite.testing import SqliteRig


class TestSqlite(BackendConformance):
    rig = SqliteRig
