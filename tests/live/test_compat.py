"""PyActiveStorage's calls, and cf-python's, against a real store and a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import activestorage.active
import h5py
import iris_sample_data
import numpy as np
import pyfive
import pytest
import s3fs

import activecore as ac

COLLAPSE = Path(__file__).parent.parent / "cf_collapse.py"
SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"
NAME = "air_temperature"


@pytest.fixture
def url(bucket):
    return bucket.upload(SOURCE)


@pytest.fixture
def field():
    with h5py.File(SOURCE) as file:
        return file[NAME][...].astype("f8")


@pytest.fixture
def options(services):
    """As s3fs takes them, and so PyActiveStorage and cf-python."""
    return {
        "key": services.s3.key,
        "secret": services.s3.secret,
        "client_kwargs": {"endpoint_url": services.s3.endpoint_url},
    }


METHODS = {"min": np.min, "max": np.max, "mean": np.mean}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore")  # PyActiveStorage's
def test_the_servers_url_is_all_that_active_needs(
    services, url, options, field, method
):
    theirs, ours = (
        kind(
            url,
            NAME,
            interface_type="s3",
            storage_options=options,
            active_storage_url=services.reductionist.url,
        )
        for kind in (activestorage.active.Active, ac.Active)
    )
    answers = []
    for active in (theirs, ours):
        active._version = 2
        active.method = method
        answers.append(active[10:90])
    expected = METHODS[method](field[10:90], keepdims=True)
    for answer in answers:
        np.testing.assert_allclose(answer, expected, rtol=1e-6)
    assert answers[0].shape == answers[1].shape
    assert ours.metric_data["chunks"] == 80
    # The server sent a few bytes for each chunk, and no chunk.
    assert ours.metric_data["bytes_received"] < 80 * 100


@pytest.mark.filterwarnings("ignore")
def test_a_variable_that_pyfive_has_open_in_the_store_is_enough(
    services, url, options, field
):
    fs = s3fs.S3FileSystem(**options)
    with fs.open(url) as raw:
        active = ac.Active(
            pyfive.File(raw)[NAME], active_storage_url=services.reductionist.url
        )
    assert active.uri == url
    answer = active.mean(axis=(1, 2))[:7]
    np.testing.assert_allclose(answer, field[:7].mean((1, 2), keepdims=True), 1e-6)


def test_without_a_server_the_store_is_read(url, options, field):
    active = ac.Active(url, NAME, storage_options=options)
    assert active.max()[...] == field.max()
    assert active.metric_data["bytes_read"] > 1_000_000


@pytest.mark.parametrize(
    ("method", "reduce"),
    [("mean", np.mean), ("maximum", np.max), ("minimum", np.min), ("sum", np.sum)],
)
def test_cf_python_collapses_in_the_server(
    services, url, options, field, method, reduce
):
    read = {"s3": options, "active_storage_url": services.reductionist.url}
    words = [COLLAPSE, url, NAME, method, "latitude,longitude", json.dumps(read)]
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "reverting to local computation" not in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told["backends"] == {"reductionist": 240}
    expected = reduce(field, axis=(1, 2))
    np.testing.assert_allclose(told["active"]["values"], expected, rtol=1e-6)
    np.testing.assert_allclose(told["passive"]["values"], expected, rtol=1e-6)
