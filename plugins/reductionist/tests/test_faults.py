"""Whatever happens to a request: the right answer, or one named error in time."""

import base64
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reductionist_standin import (
    ACCESS,
    StandIn,
    drops,
    echoes_instead_of_http,
    hangs,
    no_http,
    says,
    says_half,
    trickles,
)

from activecore import (
    AuthenticationError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ChunkBatch,
    ChunkDecodeError,
    ChunkLayout,
    ChunkNotFound,
    ChunkReadError,
)
from activecore.testing import active_array, array_info

ELEMENTS = np.arange(12, dtype="f4").reshape(3, 4)


def batch_for(standin, n=1, operation="max", elements=ELEMENTS):
    """Chunks of one object, the k-th of them raised by k."""
    standin.objects["b", "k"] = b"".join((elements + k).tobytes() for k in range(n))
    return ChunkBatch(
        ChunkLayout(elements.dtype, elements.shape),
        np.full(n, "s3://b/k", dtype=object),
        np.arange(n) * elements.nbytes,
        np.full(n, elements.nbytes),
        tuple(slice(0, length, 1) for length in elements.shape),
        tuple(range(elements.ndim)),
        operation,
    )


S3_SAYS = "error retrieving object from S3 storage"
WORDS = {"error": {"message": S3_SAYS, "caused_by": ["why", "the cause"]}}
CREDENTIALS = {"error": {"message": S3_SAYS, "caused_by": ["(ExpiredToken)"]}}


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (says(401), AuthenticationError, "HTTP 401"),
        (says(403, WORDS), AuthenticationError, "why: the cause"),
        (says(404, WORDS), BackendRefused, "why: the cause"),
        (says(404), BackendRefused, "there is no Reductionist API at"),
        (says(400, WORDS), BackendRefused, f"{S3_SAYS}: why: the cause"),
        (says(500, WORDS), BackendUnavailable, "why: the cause"),
        (says(500, CREDENTIALS), AuthenticationError, "ExpiredToken"),
        (says(503, b"<html>busy</html>"), BackendUnavailable, "busy"),
        (says(302, b"", location="http://127.0.0.1:1/"), BackendRefused, "HTTP 302"),
        (drops, BackendUnavailable, "closed the connection without an answer"),
        (says_half, BackendUnavailable, "half a reply|bytes and hung up"),
        (no_http, BackendUnavailable, "nothing that is HTTP"),
        (says(200, os.urandom(64), content_type="application/cbor"), BackendUnavailable,
         "no CBOR|CBOR"),
        (says(200, b"<html>", content_type="text/html"), BackendUnavailable, "text/html"),
        (says(200, b""), BackendUnavailable, "no content type"),
        (says(200, b"x" * (1 << 20), content_type="application/cbor"), BackendUnavailable,
         "more than the"),
    ],
    ids=["401", "403", "404", "404-empty", "400", "500", "500-credentials", "503", "302",
         "dropped", "half", "no-http", "garbage", "wrong-type", "empty", "too-much"],
)  # fmt: skip
def test_a_fault_that_stays_is_one_named_error(standin, make, fault, kind, words):
    batch = batch_for(standin)
    backend = make(standin, retries=1)
    standin.fail(fault, times=None)
    with pytest.raises(kind, match=words) as caught:
        backend.reduce_chunks(batch)
    assert "\n" not in str(caught.value)
    assert ACCESS[1] not in repr(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is type(caught.value)
    assert str(copy) == str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [says(500, WORDS), says(503), says(429), drops, says_half],
    ids=["500", "503", "429", "dropped", "half"],
)
def test_a_fault_that_passes_is_tried_again_and_counted(standin, make, fault):
    batch = batch_for(standin)
    standin.fail(fault, times=1)
    partial = make(standin).reduce_chunks(batch)
    assert partial.values[0].ravel().tolist() == [11]
    assert partial.cost.retries == 1
    assert partial.cost.requests == 1


@pytest.mark.parametrize(
    "fault", [says(400, WORDS), says(401), says(404), says(500, CREDENTIALS)]
)
def test_what_another_attempt_would_not_mend_is_asked_once(standin, make, fault):
    batch = batch_for(standin)
    backend = make(standin, retries=5)
    standin.fail(fault, times=None)
    with pytest.raises(BackendError):
        backend.reduce_chunks(batch)
    assert sum("max" in asked.path for asked in standin.asked) == 1


def test_a_dropped_connection_is_tried_once_more_and_not_as_often_as_others(
    standin, make
):
    batch = batch_for(standin, elements=ELEMENTS.astype("i4"))
    backend = make(standin, retries=5)
    standin.fail(drops, times=None)
    with pytest.raises(BackendUnavailable):
        backend.reduce_chunks(batch)
    assert sum("max" in asked.path for asked in standin.asked) == 2


def test_the_server_is_obeyed_when_it_says_how_long_to_wait(standin, make):
    batch = batch_for(standin)
    standin.fail(says(503, b"", retry_after="1"), times=1)
    began = time.monotonic()
    make(standin).reduce_chunks(batch)
    assert time.monotonic() - began >= 1


def test_a_server_that_asks_for_an_hour_has_failed(standin, make):
    batch = batch_for(standin)
    standin.fail(says(503, b"", retry_after="3600"), times=1)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        make(standin).reduce_chunks(batch)
    assert time.monotonic() - began < 5


def test_a_server_that_is_not_there_is_unavailable(standin, make):
    backend = make(standin, retries=1)
    batch = batch_for(standin)
    standin.stop()
    with pytest.raises(
        BackendUnavailable, match="cannot be reached: Connection refused"
    ):
        backend.reduce_chunks(batch)


@pytest.mark.parametrize("slow", [hangs, trickles])
def test_a_server_that_hangs_is_given_up_within_the_time_limit(standin, make, slow):
    batch = batch_for(standin)
    backend = make(standin, timeout=0.5, connect_timeout=20.0, retries=3)
    standin.fail(slow(standin), times=None)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="did not answer in time"):
        backend.reduce_chunks(batch)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["line", "lines", "continue", "chunked"],
)
def test_a_reply_whose_head_comes_drop_by_drop_is_given_up_too(
    standin, make, head, piece
):
    batch = batch_for(standin)
    backend = make(standin, timeout=0.5, connect_timeout=0.5, retries=3)

    def drips(handler):
        handler.wfile.write(head)
        until = time.monotonic() + 8
        while time.monotonic() < until and not standin.stopping.is_set():
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.1)
        handler.close_connection = True

    standin.fail(drips, times=None)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="did not answer in time"):
        backend.reduce_chunks(batch)
    assert time.monotonic() - began < 4


def test_a_wait_between_attempts_ends_when_the_run_is_stopped(standin, make):
    def put(name, data):
        standin.objects["b", name] = data
        return f"s3://b/{name}"

    backend = make(standin, concurrency=2)
    info = array_info(np.arange(80, dtype="f4"), chunks=(10,), put=put)
    array = active_array(info, backend, threads=2)
    waiting = threading.Event()

    def busy(handler):
        waiting.set()
        says(503, b"", retry_after="30")(handler)

    def forbidden(handler):
        waiting.wait(5)
        says(401)(handler)

    standin.fail(busy, times=None, when=lambda _, body: body["offset"] >= 160)
    standin.fail(forbidden, times=None)
    before = set(threading.enumerate())
    with pytest.raises(AuthenticationError):
        array.max()
    until = time.monotonic() + 3
    while left := [
        t
        for t in threading.enumerate()
        if t not in before and t.name.startswith("activecore")
    ]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_credentials_that_expire_during_a_run_are_an_authentication_error(
    standin, make
):
    batch = batch_for(standin, 4)
    backend = make(standin)
    backend.reduce_chunks(batch)
    standin.access = ("another", "key")
    with pytest.raises(AuthenticationError):
        backend.reduce_chunks(batch)


def test_absent_objects_and_damaged_chunks_are_told_apart(standin, make):
    from dataclasses import replace

    from activecore import Codec

    batch = batch_for(standin)
    backend = make(standin)
    gone = replace(batch, sources=np.array(["s3://b/other"], dtype=object))
    assert backend.reduce_chunks(gone).absent.tolist() == [0]
    with pytest.raises(ChunkNotFound):
        backend.reduce_chunk(gone[0])
    layout = replace(batch.layout, codecs=(Codec.of("zlib", level=1),))
    with pytest.raises(ChunkDecodeError) as caught:
        backend.reduce_chunks(replace(batch, layout=layout))
    assert caught.value.position == 0
    with pytest.raises(ChunkReadError, match="ends before"):
        backend.reduce_chunks(replace(batch, offsets=np.array([10_000])))


def test_a_server_killed_and_restarted_amid_ten_thousand_requests_costs_no_answer(make):
    count, at_once = 10_000, 16
    small = np.arange(4, dtype="f4")
    with StandIn() as standin:
        batch = batch_for(standin, count, elements=small)
        backend = make(standin, retries=8)
        backend.reduce_chunk(batch[0])
        restarted = threading.Event()

        def restart():
            while len(standin.asked) < 3000:
                time.sleep(0.005)
            standin.stop()
            time.sleep(0.5)
            standin.start()
            restarted.set()

        chaos = threading.Thread(target=restart)
        chaos.start()
        with ThreadPoolExecutor(at_once) as pool:
            partials = list(
                pool.map(lambda k: backend.reduce_chunk(batch[k]), range(count))
            )
        chaos.join()
        assert restarted.is_set()
        got = [partial.values[0].item() for partial in partials]
        assert got == [3.0 + k for k in range(count)]
        assert sum(partial.cost.retries for partial in partials) > 0


def test_closing_waits_for_the_call_in_flight_and_refuses_later_ones(standin, make):
    batch = batch_for(standin)
    backend = make(standin)
    began, go_on = threading.Event(), threading.Event()

    def slowly(handler):
        began.set()
        go_on.wait(5)
        says(400, WORDS)(handler)

    standin.fail(slowly)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(backend.reduce_chunks, batch)
        assert began.wait(5)
        closing = pool.submit(backend.close)
        time.sleep(0.2)
        assert not closing.done()
        go_on.set()
        with pytest.raises(BackendRefused):
            asking.result(5)
        closing.result(5)
    with pytest.raises(BackendError, match="closed"):
        backend.reduce_chunks(batch)


def test_no_secret_is_in_any_text_of_a_failing_run(standin, make, caplog):
    caplog.set_level("DEBUG")
    batch = batch_for(standin)
    told = {"error": {"message": f"your secret is {ACCESS[1]}"}}
    pair = base64.b64encode(":".join(ACCESS).encode()).decode()
    as_numbers = "".join(f"\\u{ord(c):04x}" for c in ACCESS[1])
    for fault in (
        says(400, told), says(500, told), says(401, told), drops, says_half,
        echoes_instead_of_http,
        says(502, f"<html>Authorization: Basic {pair}</html>".encode()),
        says(400, f'{{"error": {{"message": "{as_numbers}"}}}}'.encode()),
        says(400, f'{{"error": {{"message": "m"}}, "{ACCESS[1]}": ["{pair}"]}}'.encode()),
    ):  # fmt: skip
        standin.fail(fault, times=1)
        backend = make(standin, retries=0)
        texts = [repr(backend), repr(backend.options), str(pickle.dumps(backend))]
        try:
            backend.reduce_chunks(batch)
        except BackendError as error:
            each = error
            while each is not None:
                texts += [str(each), repr(each), repr(vars(each))]
                each = each.__cause__ or each.__context__
        texts.append(caplog.text)
        assert not [t for t in texts if ACCESS[1] in t or pair in t]
        standin.faults.clear()


def test_a_forked_child_asks_over_connections_of_its_own(standin, make):
    batch = batch_for(standin)
    backend = make(standin)
    backend.reduce_chunks(batch)
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            value = backend.reduce_chunks(batch).values[0].item()
            os.write(sending, str(value).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(sending)
    assert os.read(receiving, 100) == b"11.0"
    os.close(receiving)
    assert backend.reduce_chunks(batch).values[0].item() == 11
