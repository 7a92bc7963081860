"""The suite that every backend passes."""

from __future__ import annotations

from activecore_sqlite.testing import SqliteRig

from activecore.testing import BackendConformance


class TestSqlite(BackendConformance):
    rig = SqliteRig
