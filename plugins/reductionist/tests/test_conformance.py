"""The conformance suite, against a stand-in; tests/live runs it on a real server."""

import botocore.session
import pytest
from moto.server import ThreadedMotoServer
from reductionist_standin import ACCESS

from activecore.testing import BackendConformance


@pytest.fixture(scope="module")
def store():
    """A store for what is read directly: metadata."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = botocore.session.get_session().create_client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
        aws_access_key_id="any", aws_secret_access_key="any",  # noqa: S106 - made up
    )  # fmt: skip
    client.create_bucket(Bucket="data")
    yield client
    client.close()
    server.stop()


class TestReductionist(BackendConformance):
    # The server sums float32 in float32; the suite's chunks have axes of five elements.
    float32_sum_tolerance = 1e-6

    @pytest.fixture
    def backend(self, standin, make, store, monkeypatch):
        # From the environment, as workers have it: then a pickled copy answers too.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCESS[1])
        self.standin, self.store = standin, store
        standin.objects["data", "there-is-a-bucket"] = b""
        url = store.meta.endpoint_url
        return make(standin, endpoint_url=url, key=None, secret=None)

    def put(self, name, data):
        self.standin.objects["data", name] = data
        return f"s3://data/{name}"

    def delete(self, source):
        del self.standin.objects["data", source.removeprefix("s3://data/")]

    def put_file(self, name, data):
        self.store.put_object(Bucket="data", Key=name, Body=data)
        return f"s3://data/{name}"
