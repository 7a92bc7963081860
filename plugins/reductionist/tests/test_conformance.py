"""The conformance suite, against a stand-in; tests/live runs it on a real server."""

import pytest

from activecore.testing import BackendConformance


class TestReductionist(BackendConformance):
    # The server sums float32 in float32; the suite's chunks have axes of five elements.
    float32_sum_tolerance = 1e-6

    @pytest.fixture
    def backend(self, standin, make):
        self.standin = standin
        standin.objects["b", "there-is-a-bucket"] = b""
        return make(standin)

    def put(self, name, data):
        self.standin.objects["b", name] = data
        return f"s3://b/{name}"

    def delete(self, source):
        del self.standin.objects["b", source.removeprefix("s3://b/")]
