"""A Dask cluster on a real S3 server: whose keys are used, and where they can be seen."""

from __future__ import annotations

import pickle
from multiprocessing import resource_tracker

import distributed
import netCDF4
import numpy as np
import pytest

import activecore
from activecore.errors import ConfigError

FIELD = np.random.default_rng(3).normal(280, 15, (60, 64, 128)).astype("f4")


@pytest.fixture
def url(bucket, tmp_path):
    path = tmp_path / "tas.nc"
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in zip(("time", "lat", "lon"), FIELD.shape, strict=True):
            ds.createDimension(dim, length)
        tas = ds.createVariable(
            "tas", "f4", ("time", "lat", "lon"), chunksizes=(1, 64, 128), zlib=True
        )
        tas[:] = FIELD
    return bucket.upload(path)


@pytest.fixture
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    # It outlives the cluster, and is no server that somebody left.
    resource_tracker._resource_tracker._stop()


def opened(url, options, client=None, **more):
    return activecore.open(
        url,
        "tas",
        backend="s3numpy",
        storage_options=options | more,
        executor=client,
    )


def seen_by_the_scheduler(client):
    def look(dask_scheduler):
        return pickle.dumps(
            [
                [
                    (key, repr(task.run_spec), pickle.dumps(task.run_spec))
                    for key, task in dask_scheduler.tasks.items()
                ],
                repr(dask_scheduler.transition_log),
                [
                    repr(dask_scheduler.get_events(topic))
                    for topic in dask_scheduler._broker._topics
                ],
            ]
        )

    return client.run_on_scheduler(look)


def everything_said(client):
    return pickle.dumps([client.get_scheduler_logs(), client.get_worker_logs()])


def test_keys_of_a_call_do_not_travel_and_the_error_says_what_to_do(
    url, s3_options, client
):
    with pytest.raises(
        ConfigError, match=r"key, secret did not travel.*pickle_secrets"
    ):
        opened(url, s3_options, client).mean()
    assert s3_options["secret"].encode() not in everything_said(client)


def test_workers_take_keys_from_their_own_configuration(
    url, s3_options, client, monkeypatch
):
    keys = {
        "AWS_ACCESS_KEY_ID": s3_options["key"],
        "AWS_SECRET_ACCESS_KEY": s3_options["secret"],
    }

    def set_up(settings):
        import os

        os.environ |= settings

    client.run(set_up, keys)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    where = {"endpoint_url": s3_options["endpoint_url"]}
    seen = []
    with activecore.record(lambda _: seen.append(seen_by_the_scheduler(client))) as run:
        answer = opened(url, where, client).std("time")
    seen.append(everything_said(client))
    assert run.chunks == 60
    assert run.bytes_received > 0
    assert answer.tobytes() == opened(url, where).std("time").tobytes()
    np.testing.assert_allclose(answer, FIELD.std(0, dtype="f8"), rtol=1e-6)
    assert any(b"keep_job" in each for each in seen)
    assert not any(s3_options["secret"].encode() in each for each in seen)


def test_keys_travel_if_the_user_says_so(url, s3_options, client):
    answer = opened(url, s3_options, client, pickle_secrets=True).mean()
    np.testing.assert_allclose(answer, FIELD.mean(dtype="f8"), rtol=1e-12)
