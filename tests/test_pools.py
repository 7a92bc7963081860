"""Executors of ``concurrent.futures``: the same bits, and what travels to processes."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import sys
import threading
import time
import types

import pytest
from memory import MemoryBackend, array_of
from travelling import FIELD, answers_of, processes, traced, traces

import activecore
from activecore.array import ActiveArray
from activecore.errors import BackendUnavailable, ChunkDecodeError, ConfigError
from activecore.job import keep_job
from activecore.lending import forget, lend
from activecore.session import Session


@pytest.fixture(scope="module")
def pool():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        yield pool


def test_processes_give_the_same_bits(pool, tmp_path):
    here = array_of(FIELD, (3, 4, 5), threads=2, batch_chunks=1)
    there = traced(tmp_path, FIELD, (3, 4, 5), pool, batch_chunks=1)
    assert answers_of(there) == answers_of(here)
    assert str(os.getpid()) not in processes(tmp_path, "batch")


def test_any_object_with_submit_will_do():
    class Eager:
        def submit(self, work, *arguments):
            future = concurrent.futures.Future()
            future.set_result(work(*arguments))
            return future

    array = array_of(FIELD, (3, 4, 5), batch_chunks=1)
    session = Session(array._session.backends, None, executor=Eager())
    assert answers_of(ActiveArray(array.info, session)) == answers_of(array)


def test_a_backend_that_waits_for_a_server_is_asked_for_several_boxes_at_once():
    class Waiting(MemoryBackend):
        now = most = 0
        lock = threading.Lock()

        def reduce_chunks(self, batch):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.02)
            with self.lock:
                self.now -= 1
            return super().reduce_chunks(batch)

    backend = Waiting(batch_chunks=1)
    backend.concurrency = 4 * os.cpu_count()
    array = array_of(FIELD, (1, 9, 8), backend=backend)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        session = Session([backend], None, executor=pool)
        answer = ActiveArray(array.info, session).mean()
    assert backend.most == 4
    assert answer == array_of(FIELD, (1, 9, 8), batch_chunks=1).mean()


def test_a_process_keeps_a_backend_between_batches_and_runs(pool, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), pool, batch_chunks=1)
    for _ in range(4):
        array.max()
    made = processes(tmp_path, "made")
    assert len(made) == len(set(made)) <= 2
    assert len(traces(tmp_path, "batch")) == 4 * 140
    assert traces(tmp_path, "closed") == []


def test_backends_are_closed_when_the_processes_end(tmp_path):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        traced(tmp_path, FIELD, (20, 9, 8), pool).max()
    assert processes(tmp_path, "closed") == processes(tmp_path, "made")


def test_a_backend_nobody_uses_is_closed_to_make_room(tmp_path):
    from travelling import Traced

    pickles = [pickle.dumps(Traced(tmp_path, batch_chunks=n)) for n in range(1, 11)]
    first = lend(pickles[0])
    assert lend(pickles[0]) is first
    for pickled in pickles[1:]:
        lend(pickled)
    assert len(traces(tmp_path, "closed")) == 1  # the second: the first is in use
    del first
    assert len(traces(tmp_path, "closed")) == 2
    for pickled in pickles:
        forget(pickled)
    assert len(traces(tmp_path, "closed")) == 10


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_none_of_the_jobs_and_backends_of_its_parent(tmp_path):
    from travelling import Traced

    pickled = pickle.dumps(Traced(tmp_path))
    lent, job = lend(pickled), keep_job("a-number", b"")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def tell():
        theirs.send((keep_job("a-number", b"") is job, lend(pickled) is lent))

    child = context.Process(target=tell)
    child.start()
    child.join(20)
    assert ours.poll(0)
    assert ours.recv() == (False, False)
    assert keep_job("a-number", b"") is job
    forget(pickled)


def test_an_error_in_a_process_names_the_chunk_and_stops_the_run(pool, tmp_path):
    array = traced(tmp_path, FIELD, (1, 9, 8), pool, batch_chunks=1)
    array._session.backends[0].fails = "20/0/0"
    with pytest.raises(ChunkDecodeError, match="the checksum is wrong") as caught:
        array.mean()
    assert caught.value.coords == (20, 0, 0)
    assert str(caught.value).startswith("x chunk (20, 0, 0) in 20/0/0")
    assert len(traces(tmp_path, "batch")) < 140


def test_threads_of_others_are_told_when_a_run_is_over(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        array = traced(tmp_path, FIELD, (1, 9, 8), pool, batch_chunks=1)
        array._session.backends[0].pause = 0.01
        array._session.backends[0].fails = "0/0/0"
        with pytest.raises(ChunkDecodeError):
            array.mean()
        time.sleep(0.1)
        asked = len(traces(tmp_path, "batch"))
        time.sleep(0.1)
        assert len(traces(tmp_path, "batch")) == asked < 100


def test_a_deadline_holds_where_an_executor_never_begins():
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(stop.wait)
        array = array_of(FIELD, (20, 9, 8))
        session = Session(array._session.backends, None, executor=pool, deadline=0.2)
        try:
            with pytest.raises(BackendUnavailable, match="within its deadline"):
                ActiveArray(array.info, session).mean()
        finally:
            stop.set()
        assert busy.result() is True


def test_a_record_counts_what_processes_do(pool, tmp_path):
    told = []
    with activecore.record(progress=lambda run: told.append(run.chunks)) as run:
        traced(tmp_path, FIELD, (1, 9, 8), pool, batch_chunks=1).mean()
    assert run.chunks == run.requests == 140
    assert run.backends == {"traced": 140}
    assert run.bytes_read == FIELD.nbytes
    assert len(set(told)) > 5


def test_a_worker_that_dies_is_a_named_error(tmp_path):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        array = traced(tmp_path, FIELD, (20, 9, 8), pool)
        array._session.backends[0].dies = "0/0/0"
        with pytest.raises(BackendUnavailable, match="executor broke"):
            array.mean()


def test_a_backend_that_cannot_travel_is_a_named_error(pool):
    backend = MemoryBackend()
    array = array_of(FIELD, (20, 9, 8), backend=backend)
    backend.lock = os.scandir(".")
    with backend.lock, pytest.raises(ConfigError, match="'memory' cannot travel"):
        ActiveArray(array.info, Session([backend], None, executor=pool)).mean()


def test_a_worker_that_lacks_a_backend_says_what_to_do(pool, monkeypatch):
    module = types.ModuleType("only_here")
    backend_class = type("Here", (MemoryBackend,), {"__module__": "only_here"})
    module.Here = backend_class
    monkeypatch.setitem(sys.modules, "only_here", module)
    backend = backend_class()
    array = array_of(FIELD, (20, 9, 8), backend=backend)
    with pytest.raises(ConfigError, match="No module named 'only_here'.*install there"):
        ActiveArray(array.info, Session([backend], None, executor=pool)).mean()


@pytest.mark.parametrize("executor", [3, "dask", object()])
def test_what_is_no_executor_is_a_named_error(executor):
    with pytest.raises(ConfigError, match="executor must be"):
        Session([MemoryBackend()], None, executor=executor)
