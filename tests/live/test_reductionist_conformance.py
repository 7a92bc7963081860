"""The suite that every backend passes, on the real server."""

import pytest
from reductionist_parts import backend as opened

from activecore.testing import BackendConformance


class TestReductionist(BackendConformance):
    # The server sums float32 in float32; the suite's chunks have axes of five elements.
    float32_sum_tolerance = 1e-6

    @pytest.fixture
    def backend(self, services, bucket, monkeypatch):
        # From the environment, as workers have it: then a pickled copy answers too.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", services.s3.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", services.s3.secret)
        self.bucket = bucket
        own = {"key": None, "secret": None, "bucket": bucket.name}
        with opened(services, **own) as backend:
            yield backend

    def put(self, name, data):
        return self.bucket.put(name, data)

    def delete(self, source):
        self.bucket.delete(self.bucket.name_of(source))
