"""The suite that every backend passes, with members stored and deflated."""

from __future__ import annotations

from activecore.testing import BackendConformance

from activecore_zip.testing import DeflatedRig, ZipRig


class TestStored(BackendConformance):
    rig = ZipRig


class TestDeflated(BackendConformance):
    rig = DeflatedRig
