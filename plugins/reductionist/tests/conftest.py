"""A stand-in server for each test, and a backend that asks it."""

import pytest
from reductionist_standin import ACCESS, StandIn

from activecore_reductionist import ReductionistBackend, ReductionistOptions


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch, tmp_path):
    """AWS's settings and files of whoever runs the tests are not asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                 "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def standin():
    with StandIn() as server:
        yield server


@pytest.fixture
def make():
    """Make backends that ask a stand-in; they are closed in the end."""
    made = []

    def make_backend(standin, **options):
        values = {
            "url": standin.url,
            "endpoint_url": "http://127.0.0.1:9",
            "key": ACCESS[0],
            "secret": ACCESS[1],
            "bucket": "b",
            "timeout": 5.0,
            "connect_timeout": 2.0,
        }
        given = {k: v for k, v in (values | options).items() if v is not None}
        made.append(ReductionistBackend(ReductionistOptions.make(given)))
        return made[-1]

    yield make_backend
    for backend in made:
        backend.close()


@pytest.fixture
def backend(standin, make):
    return make(standin)
