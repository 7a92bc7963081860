"""The suite that every backend passes, for ``s3numpy`` on a real S3 server."""

import pytest

from activecore.testing import BackendConformance
from activecore_s3numpy import S3NumpyBackend, S3NumpyOptions


class TestS3Numpy(BackendConformance):
    @pytest.fixture
    def backend(self, services, bucket, monkeypatch):
        # From the environment, as workers have it: then a pickled copy answers too.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", services.s3.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", services.s3.secret)
        self.bucket = bucket
        where = {"endpoint_url": services.s3.endpoint_url}
        backend = S3NumpyBackend(S3NumpyOptions.make(where))
        yield backend
        backend.close()

    def put(self, name, data):
        return self.bucket.put(name, data)

    def delete(self, source):
        self.bucket.delete(self.bucket.name_of(source))

    def unreadable(self):
        return {"cut short": self.put("short", bytes(63))}
