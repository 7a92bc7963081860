"""What live tests need: the running servers, a place of their own, a proxy."""

import os
import threading

import dask.threaded
import psutil
import pytest

from services.bucket import Bucket
from services.errors import ServicesError
from services.proxy import Proxy
from services.state import load


@pytest.fixture(scope="session")
def services():
    """The servers; without them nothing here can be tested, and it says so once."""
    try:
        return load()
    except ServicesError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture
def bucket(services):
    """A fresh prefix of the first bucket, emptied in the end."""
    bucket = Bucket(services.s3)
    yield bucket
    bucket.close()


@pytest.fixture
def s3_options(services):
    """What says where the S3 server is and who asks, in s3fs's spelling."""
    return {
        "endpoint_url": services.s3.endpoint_url,
        "key": services.s3.key,
        "secret": services.s3.secret,
    }


@pytest.fixture
def s3_proxy(services):
    """A proxy to the S3 server."""
    with Proxy(services.s3.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def reductionist_proxy(services):
    """A proxy to the Reductionist server."""
    with Proxy(services.reductionist.url) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch, tmp_path):
    """Neither the user's AWS settings nor their activecore's are for these servers."""
    for name in os.environ:
        if name.startswith(("AWS_", "ACTIVECORE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """Every live test ends with the threads and processes that it began with."""
    before = set(threading.enumerate())
    children = set(psutil.Process().children())  # multiprocessing keeps one of its own
    yield
    pool = dask.threaded.default_pool  # xarray's, for as long as the process lives
    before |= getattr(pool, "_threads", set())
    threads = {one for one in threading.enumerate() if not one.daemon} - before
    for thread in threads:
        thread.join(5)  # one that is ending is no fault
    assert [thread.name for thread in threads if thread.is_alive()] == []
    assert set(psutil.Process().children()) - children == set()
