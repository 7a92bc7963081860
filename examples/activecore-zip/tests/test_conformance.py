"""The suite that every backend passes, with members stored and deflated."""

from __future__ import annotations

from activecore_zip.testing import DeflatedRig, ZipRig

from activecore.testing import BackendConformance


class TestStored(BackendConformance):
    rig = ZipRig


class TestDeflated(BackendConformance):
    rig = DeflatedRig
