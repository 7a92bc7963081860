"""The suite that every backend passes, on real servers."""

import pytest

from activecore.testing import BackendConformance
from activecore_s3numpy import S3NumpyBackend


class OnS3(BackendConformance):
    """Puts objects into the bucket past the backend."""

    backend_type: type
    more = ()

    @pytest.fixture
    def backend(self, services, bucket, monkeypatch):
        # From the environment, as workers have it: then a pickled copy answers too.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", services.s3.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", services.s3.secret)
        self.bucket = bucket
        kind = self.backend_type.options_type
        given = {"endpoint_url": services.s3.endpoint_url, **self.where(services)}
        backend = self.backend_type(kind.make(given))
        yield backend
        backend.close()

    def where(self, services):
        return {}

    def put(self, name, data):
        return self.bucket.put(name, data)

    def delete(self, source):
        self.bucket.delete(self.bucket.name_of(source))

    def unreadable(self):
        return {"cut short": self.put("short", bytes(63))}


class TestS3Numpy(OnS3):
    backend_type = S3NumpyBackend


del OnS3, BackendConformance
