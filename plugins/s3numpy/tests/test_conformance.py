"""The suite that every backend passes, on moto's server in this process."""

import pytest

from activecore.testing import BackendConformance
from activecore_s3numpy import S3NumpyBackend


class TestS3(BackendConformance):
    @pytest.fixture
    def backend(self, store, monkeypatch):
        # From the environment, as workers have it: then a pickled copy answers too.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret)
        self.store = store
        backend = S3NumpyBackend(store.options(key=None, secret=None))
        yield backend
        backend.close()

    def put(self, name, data):
        return self.store.put("data", name, data)

    def delete(self, source):
        self.store.client.delete_object(
            Bucket="data", Key=source.removeprefix("s3://data/")
        )

    def unreadable(self):
        return {"cut short": self.put("short", bytes(63))}
