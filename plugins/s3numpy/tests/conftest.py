"""An object store in this process, and an environment that is nobody's."""

import os
from dataclasses import dataclass

import boto3
import pytest
from moto.server import ThreadedMotoServer

from activecore_s3numpy import S3NumpyOptions
from services.faults import Fault, Rule
from services.proxy import Proxy

KEY, SECRET = "AKIDTESTKEY", "test-secret-of-nobody-93b1"
REGION = "us-east-1"


@dataclass
class ObjectStore:
    """moto's server, past the backend that is tested."""

    url: str
    key: str = KEY
    secret: str = SECRET

    def __post_init__(self):
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def options(self, **changes):
        """Give options that work, with changes."""
        given = {
            "endpoint_url": self.url,
            "key": self.key,
            "secret": self.secret,
            "timeout": 10,
            "retries": 1,
        }
        return S3NumpyOptions.make({**given, **changes})

    def put(self, bucket, key, data):
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    def get(self, bucket, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture(scope="session")
def moto_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def store(moto_url):
    """An object store with one bucket, ``data``."""
    store = ObjectStore(moto_url)
    store.client.create_bucket(Bucket="data")
    return store


class Watching(Rule):
    """No fault: it looks at the heads of requests."""

    def __init__(self):
        super().__init__(Fault())
        self.heads = []

    def befalls(self, request):
        self.heads.append(request)
        return False


@dataclass
class Watched:
    """A way to the object store on which every request is seen."""

    proxy: Proxy
    heads: list

    @property
    def url(self):
        return self.proxy.url

    def seen(self, header):
        """Give this header of every request."""
        return [head.get(header) for head in self.heads]


@pytest.fixture
def watched(store):
    watching = Watching()
    with Proxy(store.url) as proxy:
        proxy._wiring.rules.append(watching)
        yield Watched(proxy, watching.heads)


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch, tmp_path_factory):
    """Take away what the machine's environment says of AWS and of activecore."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "ACTIVECORE_", "BOTO")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    # The machine's role: asked last, over a network that tests do without.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home
