"""The conformance suite, set up for the fakes; and a way to run one test of it."""

from __future__ import annotations

import pytest

from activecore.errors import AuthenticationError, ChunkReadError
from activecore.testing import BackendConformance, FakeBackend, outcomes


class FakeSuite(BackendConformance):
    """Not collected itself: its name does not begin with Test."""

    fake = FakeBackend

    @pytest.fixture
    def backend(self):
        self.store = self.fake()
        yield self.store
        self.store.close()

    def put(self, name, data):
        return self.store.put(name, data)

    def delete(self, source):
        self.store.delete(source)

    def unreadable(self):
        forbidden = self.put("forbidden", bytes(1000))
        broken = self.put("broken", bytes(1000))
        no_entry = AuthenticationError("no entry")
        self.store.fail(no_entry, source=forbidden, times=None)
        self.store.fail(ChunkReadError("bad disk"), source=broken, times=None)
        return {"forbidden": forbidden, "a broken disk": broken}


TESTS = sorted(name for name in dir(FakeSuite) if name.startswith("test_"))


def outcomes_of(backend_type, name):
    """Run one test of the suite, for all its parameters: (outcome, what it said)."""

    def make():
        suite = FakeSuite()
        suite.store = backend_type()
        return suite, suite.store

    for outcome in outcomes.outcomes_of(make, name):
        yield outcome.how, outcome.said


def failures_of(backend_type, name):
    """Run one test of the suite, for all its parameters: what its failures said."""
    return [said for how, said in outcomes_of(backend_type, name) if how == "failed"]
