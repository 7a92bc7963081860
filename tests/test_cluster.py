"""Dask: the same bits, workers that die, errors, stopping, and no secret in sight."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import types
from collections import Counter

import distributed
import pytest
from memory import MemoryBackend, array_of
from pydantic import SecretStr
from travelling import FIELD, answers_of, processes, traced, traces

import activecore
from activecore.array import ActiveArray
from activecore.backend import BackendOptions
from activecore.cluster import _ClusterRun
from activecore.errors import (
    AuthenticationError,
    BackendUnavailable,
    ChunkDecodeError,
    ConfigError,
)
from activecore.session import Session

SECRET = "hunter2-of-the-archive"  # noqa: S105 - it is made up


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


def test_a_cluster_gives_the_same_bits(client, tmp_path):
    here = array_of(FIELD, (7, 4, 5), threads=2, batch_chunks=1)
    there = traced(tmp_path, FIELD, (7, 4, 5), client, batch_chunks=1)
    assert answers_of(there) == answers_of(here)
    assert str(os.getpid()) not in processes(tmp_path, "batch")


def test_as_an_ordinary_executor_a_cluster_gives_them_too(client, tmp_path):
    here = array_of(FIELD, (7, 9, 8), threads=2, batch_chunks=1)
    with client.get_executor() as executor:
        there = traced(tmp_path, FIELD, (7, 9, 8), executor, batch_chunks=1)
        assert there.mean(0).tobytes() == here.mean(0).tobytes()


def test_only_the_result_returns(client, tmp_path, monkeypatch):
    sizes = []
    fetched = _ClusterRun._fetched

    def watched(run, done):
        found = fetched(run, done)
        sizes.extend(
            sum(v.nbytes for a in answers for v in a.values) for answers in found
        )
        return found

    monkeypatch.setattr(_ClusterRun, "_fetched", watched)
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
    assert array.mean(0).shape == (9, 8)
    assert sorted(sizes)[-2:] == [0, 9 * 8 * 8]
    assert len(sizes) > 10


def test_a_worker_keeps_its_backend_between_bundles_and_runs(client, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
    for _ in range(3):
        array.max()
    made = processes(tmp_path, "made")
    assert len(made) == len(set(made)) <= 2
    assert len(traces(tmp_path, "batch")) == 3 * 140


def test_every_worker_has_its_part_of_the_work(client, tmp_path):
    array = traced(tmp_path, FIELD, (10, 9, 8), client, batch_chunks=1)
    array._session.backends[0].pause = 0.05
    array.max()
    by_process = Counter(processes(tmp_path, "batch"))
    assert len(by_process) == 2
    assert min(by_process.values()) >= 4


def test_a_record_counts_what_workers_do_while_they_do_it(client, tmp_path):
    told = []
    with activecore.record(progress=lambda run: told.append(run.chunks)) as run:
        traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1).mean()
    assert run.chunks == run.requests == 140
    assert run.backends == {"traced": 140}
    assert run.bytes_read == FIELD.nbytes
    assert told == sorted(told)
    assert len(set(told)) > 5


def test_a_worker_that_is_killed_is_survived_and_what_it_did_counts_once(
    client, tmp_path
):
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
    backend = array._session.backends[0]
    backend.pause, backend.dies = 0.002, "70/0/0"
    expected = array_of(FIELD, (1, 9, 8), batch_chunks=1).reduce("std", 0)
    with activecore.record() as run:
        answer = array.reduce("std", 0)
    assert (tmp_path / "died").exists()
    assert answer.tobytes() == expected.tobytes()
    assert run.chunks == run.requests == 140
    client.wait_for_workers(2, timeout=30)


def test_an_error_on_a_worker_names_the_chunk_and_stops_the_run(client, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
    array._session.backends[0].fails = "20/0/0"
    with pytest.raises(ChunkDecodeError, match="the checksum is wrong") as caught:
        array.mean()
    assert caught.value.coords == (20, 0, 0)
    assert str(caught.value).startswith("x chunk (20, 0, 0) in 20/0/0")
    assert_it_stops(tmp_path, 140)


def assert_it_stops(folder, most):
    time.sleep(0.3)
    asked = len(traces(folder, "batch"))
    time.sleep(0.3)
    assert len(traces(folder, "batch")) == asked < most


def test_a_run_beyond_its_deadline_is_given_up_everywhere(client, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1, deadline=0.3)
    array._session.backends[0].pause = 0.05
    start = time.monotonic()
    with pytest.raises(BackendUnavailable, match="deadline"):
        array.mean()
    assert time.monotonic() - start < 3
    assert_it_stops(tmp_path, 140)


def test_ctrl_c_returns_at_once_and_stops_the_workers(client, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
    array._session.backends[0].pause = 0.05
    timer = threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        array.mean()
    assert time.monotonic() - start < 3
    assert_it_stops(tmp_path, 140)


class Keys(BackendOptions):
    key: SecretStr | None = None


class Secretive(MemoryBackend):
    name = "secretive"
    options_type = Keys


def test_no_secret_is_anywhere_that_the_scheduler_could_show(client):
    backend = Secretive(Keys(key=SecretStr(SECRET)), batch_chunks=1)
    array = array_of(FIELD, (1, 9, 8), backend=backend)
    array = ActiveArray(array.info, Session([backend], None, executor=client))
    seen = []

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

    def progress(run):
        seen.append(client.run_on_scheduler(look))

    with activecore.record(progress=progress):
        array.mean()
    seen.append(pickle.dumps(client.get_task_stream()))
    seen.append(pickle.dumps(client.get_scheduler_logs()))
    seen.append(pickle.dumps(client.get_worker_logs()))
    assert any(b"activecore-" in each for each in seen)
    assert b"secretive" in max(seen, key=len).lower()  # it is the graph that we saw
    assert not any(SECRET.encode() in each for each in seen)


class Refused(MemoryBackend):
    name = "refused"
    folder = None

    def reduce_chunks(self, batch):
        if not self.door.exists():
            raise AuthenticationError("wrong key")
        return super().reduce_chunks(batch)

    def __setstate__(self, state):
        self.__dict__.update(state)
        (self.folder / f"made-{time.monotonic_ns()}").touch()


def test_a_backend_that_was_refused_is_made_anew_for_the_next_run(client, tmp_path):
    backend = Refused(batch_chunks=100)
    backend.folder, backend.door = tmp_path, tmp_path / "door"
    array = array_of(FIELD, (140, 9, 8), backend=backend)
    array = ActiveArray(array.info, Session([backend], None, executor=client))
    with pytest.raises(AuthenticationError):
        array.max()
    backend.door.touch()
    for _ in range(4):
        assert array.max() == FIELD.max()
    assert 2 <= len(list(tmp_path.glob("made-*"))) <= 3


def test_a_worker_that_lacks_a_backend_says_what_to_do(client, monkeypatch):
    module = types.ModuleType("only_here")
    module.Here = type("Here", (MemoryBackend,), {"__module__": "only_here"})
    monkeypatch.setitem(sys.modules, "only_here", module)
    backend = module.Here()
    array = array_of(FIELD, (20, 9, 8), backend=backend)
    with pytest.raises(ConfigError, match="No module named 'only_here'.*install there"):
        ActiveArray(array.info, Session([backend], None, executor=client)).mean()


def test_a_client_for_await_is_a_named_error(tmp_path):
    async def ask():
        async with (
            distributed.LocalCluster(
                n_workers=0, dashboard_address=":0", asynchronous=True, processes=False
            ) as cluster,
            distributed.Client(cluster, asynchronous=True) as client,
        ):
            with pytest.raises(ConfigError, match="asynchronous"):
                traced(tmp_path, FIELD, (70, 9, 8), client).mean()

    import asyncio

    asyncio.run(ask())


def test_a_cluster_may_get_its_workers_later(tmp_path, caplog):
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=":0", processes=False
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        timer = threading.Timer(0.5, lambda: cluster.scale(1))
        timer.start()
        array = traced(tmp_path, FIELD, (70, 9, 8), client, deadline=30)
        assert array.max() == FIELD.max()
        timer.join()
    assert "no workers" in caplog.text


def test_a_cluster_that_goes_away_is_a_named_error(tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        array = traced(tmp_path, FIELD, (1, 9, 8), client, batch_chunks=1)
        array._session.backends[0].pause = 0.05
        timer = threading.Timer(0.5, client.restart)
        timer.start()
        with pytest.raises(BackendUnavailable, match="cluster"):
            array.mean()
        timer.join()
