"""Ends: Ctrl-C, a deadline, close, forks. Nothing hangs and nothing is left."""

import asyncio
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import activecore as ac
from activecore_s3numpy import S3NumpyBackend
from activecore_s3numpy.background import BackgroundLoop
from services.proxy import Delay, Hang, Proxy

CHUNK = np.arange(8, dtype="<f4")


@pytest.fixture
def proxy(store):
    with Proxy(store.url) as proxy:
        yield proxy


@pytest.fixture
def source(store):
    return store.put("data", "lifetime", CHUNK.tobytes())


@pytest.fixture
def backend(store, proxy):
    backend = S3NumpyBackend(store.options(endpoint_url=proxy.url, timeout=30))
    yield backend
    backend.close()


def batch(source, version=None):
    return ac.ChunkBatch.of(
        ac.ChunkRequest(
            layout=ac.ChunkLayout("<f4", (8,)),
            source=source,
            offset=0,
            size=32,
            chunk_selection=(slice(0, 8, 1),),
            axis=(0,),
            operation="max",
            version=version,
        )
    )


@pytest.fixture
def our_threads():
    """Name the threads of backends that this test began."""
    gc.collect()
    before = set(threading.enumerate())

    def new():
        started = [t for t in threading.enumerate() if t not in before]
        return [t.name for t in started if t.name.startswith("activecore-")]

    return new


PROGRAM = """
    import signal, sys
    import activecore as ac

    # A shell that runs the tests in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    array = ac.open(
        sys.argv[1], "tas",
        storage_options={
            "endpoint_url": sys.argv[2], "key": sys.argv[3], "secret": sys.argv[4],
            "timeout": 60, "retries": 5,
        },
    )
    print("opened", flush=True)
    sys.stdin.readline()
    try:
        array.max()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_run_and_its_program_at_once(store, proxy, tmp_path):
    import h5netcdf

    path = tmp_path / "tas.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": 30_000}
        tas = file.create_variable("tas", ("time",), "f4", chunks=(1000,))
        tas[...] = np.arange(30_000, dtype="f4")
    url = store.put("data", "ctrl-c.nc", path.read_bytes())
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), url, proxy.url, store.key, store.secret],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with program:
        try:
            assert program.stdout.readline() == "opened\n"
            proxy.forget()
            proxy.fail(Hang())
            program.stdin.write("\n")
            program.stdin.flush()
            until = time.monotonic() + 20
            while not proxy.traffic.requests and time.monotonic() < until:
                time.sleep(0.01)
            begin = time.monotonic()
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=20)
            took = time.monotonic() - begin
        finally:
            program.kill()
    assert (out, err, program.returncode) == ("interrupted\n", "", 0)
    assert took < 5


def test_a_deadline_ends_a_run_at_once(store, proxy, monkeypatch):
    monkeypatch.setenv("ACTIVECORE_DEADLINE", "1.0")
    store.put("data", "late.zarr/zarr.json", _document())
    options = {"endpoint_url": proxy.url, "key": store.key, "secret": store.secret}
    array = ac.open("s3://data/late.zarr", storage_options={**options, "timeout": 60})[
        "late"
    ]
    proxy.fail(Hang())
    begin = time.monotonic()
    with pytest.raises(ac.BackendUnavailable, match="deadline"):
        array.max()
    assert time.monotonic() - begin < 5


def _document():
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [8],
            "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8]}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0.0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        }
    ).encode()


def test_close_leaves_no_thread_and_may_be_called_again(our_threads, backend, source):
    assert backend.reduce_chunks(batch(source)).values[0].item() == 7
    assert our_threads() == ["activecore-s3numpy"]
    backend.close()
    backend.close()
    assert our_threads() == []


def test_close_waits_for_what_is_under_way(backend, source, proxy):
    backend.reduce_chunks(batch(source))
    proxy.fail(Delay(0.5))
    proxy.forget()
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(backend.reduce_chunks(batch(source)))
    )
    thread.start()
    while not proxy.traffic.requests:
        time.sleep(0.01)
    backend.close()
    thread.join(5)
    assert [answer.values[0].item() for answer in answers] == [7]


def test_close_waits_no_longer_than_the_time_limit(our_threads, store, proxy, source):
    backend = S3NumpyBackend(store.options(endpoint_url=proxy.url, timeout=0.5))
    backend.reduce_chunks(batch(source))
    proxy.fail(Hang())
    errors = []

    def ask():
        try:
            backend.reduce_chunks(batch(source))
        except ac.BackendError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    begin = time.monotonic()
    backend.close()
    assert time.monotonic() - begin < 3
    thread.join(5)
    assert len(errors) == 1
    assert our_threads() == []


def test_a_closed_backend_answers_nothing_more(backend, source):
    fs = backend.filesystem(source)
    backend.close()
    for ask in (
        lambda: backend.reduce_chunks(batch(source)),
        lambda: backend.read_range(source, 0, 8),
        lambda: backend.filesystem(source),
        lambda: fs.info(source),
        backend.check,
    ):
        with pytest.raises(ac.BackendError, match="closed"):
            ask()


def test_an_array_that_is_gone_leaves_no_thread(our_threads, store, source):
    store.put("data", "y.zarr/zarr.json", _document())
    store.put("data", "y.zarr/c/0", CHUNK.tobytes())
    array = ac.open(
        "s3://data/y.zarr",
        storage_options={
            "endpoint_url": store.url,
            "key": store.key,
            "secret": store.secret,
        },
    )["y"]
    assert array.max() == 7
    assert our_threads() == ["activecore-s3numpy"]
    del array
    gc.collect()
    assert our_threads() == []


def _in_child(backend, source, answers, version=None):
    begin = time.monotonic()
    try:
        backend.reduce_chunks(batch(source, version))
    except ac.BackendError as error:
        answers.put((str(error), time.monotonic() - begin))


def _assert_refused_in_a_fork(backend, source, version=None):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(backend, source, answers, version))
    child.start()
    try:
        text, took = answers.get(timeout=20)
        child.join(20)
    finally:
        child.kill()  # what hangs would keep this process from ending
    assert child.exitcode == 0
    assert f"read in process {os.getpid()}" in text
    assert "spawn" in text
    assert took < 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("which", ["the parent's", "a new one"])
def test_a_forked_child_of_a_process_that_read_raises_at_once(backend, source, which):
    backend.reduce_chunks(batch(source))
    theirs = backend if which == "the parent's" else S3NumpyBackend(backend.options)
    _assert_refused_in_a_fork(theirs, source)
    # And the parent goes on.
    assert backend.reduce_chunks(batch(source)).values[0].item() == 7


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_nor_does_it_answer_from_memory(backend, source):
    fs = backend.filesystem(source)
    etag = fs.info(source)["ETag"]
    fs.cat_ranges([source] * 2, [0, CHUNK.nbytes - 1], [1, CHUNK.nbytes], if_match=etag)
    assert backend.reduce_chunks(batch(source, etag)).cost.requests == 0
    _assert_refused_in_a_fork(backend, source, etag)


def _answer_in_child(source, url, key, secret, answers):
    options = {"endpoint_url": url, "key": key, "secret": secret}
    backend = S3NumpyBackend(S3NumpyBackend.options_type.make(options))
    answers.put(backend.reduce_chunks(batch(source)).values[0].item())
    backend.close()


def test_a_spawned_process_opens_its_own(store, source, backend):
    backend.reduce_chunks(batch(source))
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(
        target=_answer_in_child, args=(source, store.url, store.key, store.secret, answers)
    )  # fmt: skip
    child.start()
    try:
        assert answers.get(timeout=60) == 7
        child.join(20)
    finally:
        child.kill()


def test_an_error_that_nobody_waits_for_any_more_is_not_printed(monkeypatch, caplog):
    def stopped():
        raise ac.Cancelled("the run was stopped")

    ended = threading.Event()

    async def fails_when_it_is_cancelled():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(0.1, ended.set)
            raise ac.SourceChanged("it is another one") from None

    monkeypatch.setattr("activecore_s3numpy.background.check_cancelled", stopped)
    loop = BackgroundLoop("s3numpy")
    with pytest.raises(ac.Cancelled):
        loop.run(fails_when_it_is_cancelled())
    assert ended.wait(10)
    gc.collect()
    loop.close(10)
    assert caplog.text == ""
