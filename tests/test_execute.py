"""How runs behave: order, memory, errors, cancellation, fallback, records."""

from __future__ import annotations

import concurrent.futures
import logging
import pickle
import random
import signal
import threading
import time

import numpy as np
import pytest
from memory import MemoryBackend, array_of

import activecore.recording
from activecore.array import ActiveArray
from activecore.backend import StorageBackend
from activecore.errors import (
    AuthenticationError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ChunkDecodeError,
    ChunkReadError,
    UnsupportedReduction,
)
from activecore.model import Cost, Partial
from activecore.session import Session

RNG = np.random.default_rng(1)
FIELD = RNG.normal(280, 15, (40, 31, 17)).astype("f4")


class Slow(MemoryBackend):
    """Answers after a random while, and counts how many it works on at once."""

    def __init__(self, pause=0.002):
        super().__init__(batch_chunks=3)
        self.pause = pause
        self.calls = self.now = self.most = 0
        self.lock = threading.Lock()

    def reduce_chunks(self, batch):
        with self.lock:
            self.calls += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(random.random() * self.pause)
        try:
            return super().reduce_chunks(batch)
        finally:
            with self.lock:
                self.now -= 1


@pytest.mark.parametrize("reduction", ["mean", "std", "sum", "ptp"])
def test_the_bits_do_not_depend_on_threads_or_arrival(reduction):
    answers = [
        array_of(FIELD, (7, 8, 9), threads=threads, backend=Slow()).reduce(
            reduction, (0, 2)
        )
        for threads in (1, 2, 16, 16)
    ]
    for answer in answers[1:]:
        assert answer.tobytes() == answers[0].tobytes()


def test_as_many_batches_are_at_work_as_there_are_threads_and_no_more():
    backend = Slow(pause=0.02)
    array_of(FIELD, (7, 8, 9), threads=4, backend=backend).max()
    assert backend.most == 4


class Failing(MemoryBackend):
    def __init__(self, error, at=0):
        super().__init__(batch_chunks=1)
        self.error, self.at, self.calls = error, at, 0

    def reduce_chunks(self, batch):
        self.calls += 1
        if self.calls > self.at:
            raise self.error
        return super().reduce_chunks(batch)


def test_an_error_ends_the_run_and_names_the_chunk():
    backend = Failing(ChunkDecodeError("the checksum is wrong", position=0), at=5)
    with pytest.raises(ChunkDecodeError, match="the checksum is wrong") as caught:
        array_of(FIELD, (4, 8, 9), threads=2, backend=backend).mean()
    assert str(caught.value).startswith("x chunk (")
    assert caught.value.coords is not None
    assert caught.value.variable == "x"
    assert backend.calls < 20
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("kind", [BackendUnavailable, BackendRefused])
def test_a_single_backend_that_fails_is_an_error_that_names_the_chunk(kind):
    array = array_of(FIELD, (4, 8, 9), backend=Failing(kind("no answer")))
    with pytest.raises(kind, match=r"^x chunk \(0, 0, 0\) in 0/0/0: no answer$"):
        array.mean()


@pytest.mark.parametrize("position", [None, 7, -1])
def test_a_chunk_that_the_backend_does_not_name_is_not_made_up(position):
    class Vague(MemoryBackend):
        def reduce_chunks(self, batch):
            raise ChunkReadError("a short read", position=position)

    with pytest.raises(ChunkReadError, match="^x: a short read$") as caught:
        array_of(FIELD, (4, 8, 9), backend=Vague()).mean()
    assert caught.value.coords is None


def test_an_error_of_a_backends_own_keeps_its_class_and_what_it_carries():
    class ServerError(BackendRefused):
        status = 0

    error = ServerError("no such dtype")
    error.status = 400
    with pytest.raises(ServerError, match=r"^x chunk \(0, 0, 0\) in 0/0/0: no such"):
        array_of(FIELD, (40, 31, 17), backend=Failing(error)).mean()
    with pytest.raises(ServerError) as caught:
        array_of(FIELD, (40, 31, 17), backend=Failing(error)).mean()
    assert caught.value.status == 400
    assert str(error) == "no such dtype"  # it may be raised by other threads too


def test_ctrl_c_returns_at_once_and_leaves_no_thread():
    backend = Slow(pause=0.1)
    array = array_of(FIELD, (1, 31, 17), threads=4, backend=backend)
    timer = threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            array.mean()
    assert time.monotonic() - start < 2
    time.sleep(0.3)
    calls = backend.calls
    time.sleep(0.2)
    assert backend.calls == calls
    assert not [t for t in threading.enumerate() if t.name.startswith("activecore")]


def test_a_run_beyond_its_deadline_is_given_up():
    array = array_of(FIELD, (1, 31, 17), threads=2, backend=Slow(pause=0.2))
    session = Session(array._session.backends, None, threads=2, deadline=0.1)
    with pytest.raises(BackendUnavailable, match="deadline"):
        ActiveArray(array.info, session).mean()


def chained(values, chunks, *backends, fall_back=True, threads=2):
    array = array_of(values, chunks, backend=backends[0])
    for backend in backends[1:]:
        backend.objects = backends[0].objects
    session = Session(backends, None, threads=threads, fall_back=fall_back)
    return ActiveArray(array.info, session)


class Other(MemoryBackend):
    name = "other"


def test_a_failure_goes_to_the_next_backend_and_is_counted(caplog):
    first = Failing(BackendUnavailable("down"))
    array = chained(FIELD, (4, 31, 17), first, Other())
    with caplog.at_level(logging.WARNING), activecore.recording.record() as run:
        assert array.max() == FIELD.max()
    assert run.backends == {"other": 10}
    assert run.fallbacks == 10
    assert first.calls <= 5  # left out after three in a row; threads may overlap
    assert sum("trying the next" in r.message for r in caplog.records) == 1
    assert sum("left out" in r.message for r in caplog.records) == 1


def test_a_backend_that_failed_is_not_asked_again_for_the_same_batch():
    # Not even for its elements: a server that is down costs its time limit once.
    only = Failing(BackendUnavailable("down"))
    with pytest.raises(BackendUnavailable, match="down"):
        chained(FIELD, (40, 31, 17), only).mean()
    assert only.calls == 1


def test_two_profiles_of_one_backend_fail_each_by_itself():
    first, second = Failing(BackendUnavailable("down")), MemoryBackend()
    with activecore.recording.record() as run:
        assert chained(FIELD, (4, 31, 17), first, second).max() == FIELD.max()
    assert first.calls <= 5
    assert run.fallbacks == 10


def test_a_late_success_does_not_bring_back_a_backend_that_was_left_out():
    first, second = Failing(BackendUnavailable("down")), Other()
    chain = chained(FIELD, (4, 31, 17), first, second)._session.chain()
    for _ in range(3):
        chain._failed(first, first.error)
    chain._succeeded(first)
    assert chain._is_left_out(first)


def test_a_batch_fell_back_only_if_somebody_before_was_passed_over(caplog):
    class Third(MemoryBackend):
        name = "third"

    class Moody(MemoryBackend):
        """Fails for the first chunks, and works from then on."""

        calls = 0

        def reduce_chunks(self, batch):
            self.calls += 1
            if batch.sources[0] in ("0/0/0", "1/0/0"):
                raise BackendUnavailable("not yet")
            return super().reduce_chunks(batch)

    moody, down = Moody(batch_chunks=1), Failing(BackendUnavailable("down"))
    array = chained(FIELD, (4, 31, 17), moody, down, Third(), threads=1)
    with activecore.recording.record() as run:
        array.max()
    assert run.backends == {"third": 2, "memory": 8}
    assert run.fallbacks == 2
    assert "left out" not in caplog.text


def test_falling_back_can_be_turned_off():
    array = chained(
        FIELD,
        (4, 31, 17),
        Failing(BackendUnavailable("down")),
        Other(),
        fall_back=False,
        threads=8,
    )
    with (
        activecore.recording.record() as run,
        pytest.raises(BackendUnavailable, match="down"),
    ):
        array.max()
    assert run.backends == {}


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("wrong key"),
        ChunkDecodeError("bad"),
        ChunkReadError("short"),
    ],
)
def test_some_failures_never_fall_back(error):
    other = Other()
    array = chained(FIELD, (4, 31, 17), Failing(error), other)
    with pytest.raises(type(error)):
        array.max()


class SelectOnly(MemoryBackend):
    name = "select"
    operations = frozenset({"select"})


class Picky(MemoryBackend):
    name = "picky"
    operations = frozenset({"sum", "max", "select"})

    def why_not(self, batch):
        return "it sums badly" if batch.operation == "sum" else None


@pytest.mark.parametrize("reduction", ["mean", "var", "any", "ptp", "count"])
def test_select_is_the_last_resort_of_every_reduction(reduction):
    answer = chained(FIELD, (4, 8, 9), SelectOnly()).reduce(reduction, 0)
    np.testing.assert_allclose(
        answer, array_of(FIELD, (4, 8, 9)).reduce(reduction, 0), rtol=1e-12
    )


def test_every_backend_is_asked_for_the_best_before_any_for_the_next():
    with activecore.recording.record() as run:
        chained(FIELD, (4, 31, 17), Picky(), SelectOnly(), Other()).mean()
    assert run.backends == {"other": 10}
    with activecore.recording.record() as run:
        chained(FIELD, (4, 31, 17), SelectOnly(), Picky()).mean()
    assert run.backends == {"select": 10}


def test_refusals_are_explained_before_anything_is_read():
    class Refusing(MemoryBackend):
        def why_not(self, batch):
            return "it is closed on Tuesdays"

        def reduce_chunks(self, batch):
            raise AssertionError("asked")

    with pytest.raises(
        UnsupportedReduction, match="variable 'x'.*it is closed on Tuesdays"
    ):
        array_of(FIELD, (4, 8, 9), backend=Refusing()).mean()
    text = str(array_of(FIELD, (4, 8, 9), backend=Refusing()).explain("mean"))
    assert "answered by   nobody can answer" in text
    assert "it is closed on Tuesdays" in text


@pytest.mark.parametrize(
    ("partial", "message"),
    [
        (Partial((np.zeros((3, 1)),), np.ones((3, 1, 1, 1), int)), "value of shape"),
        (Partial((), np.ones((3, 1, 1, 1), int)), "0 values instead of 1"),
        (
            Partial((np.zeros((3, 1, 1, 1)),), np.ones((3, 2, 1, 1), int)),
            "count of shape",
        ),
        (
            Partial((np.zeros((3, 1, 1, 1)),), np.full((3, 1, 1, 1), 10**9)),
            "count that is not possible",
        ),
        (
            Partial((np.zeros((3, 1, 1, 1)),), -np.ones((3, 1, 1, 1), int)),
            "count that is not possible",
        ),
        (
            Partial((np.zeros((3, 1, 1, 1), complex),), np.ones((3, 1, 1, 1), int)),
            "dtype complex128",
        ),
        (
            Partial(
                (np.zeros((3, 1, 1, 1)),), np.ones((3, 1, 1, 1), int), np.array([7])
            ),
            "absent",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_not_a_number(partial, message):
    class Wrong(MemoryBackend):
        def reduce_chunks(self, batch):
            return partial

    array = array_of(FIELD[:12], (4, 31, 17), backend=Wrong(batch_chunks=3))
    with pytest.raises(BackendError, match=message):
        array.mean()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((np.zeros(3),), r"shape \(3,\) for a partial of shape \(3, 1\)"),
        ((np.zeros(()),), r"shape \(\) for a partial of shape \(3, 1\)"),
        ((np.zeros((2, 1)),), r"shape \(2, 1\) for a partial of shape \(3, 1\)"),
        ((), "0 values instead of 1"),
    ],
)
def test_a_chunks_answer_is_not_broadcast_into_one_that_fits(values, message):
    class ChunkByChunk(StorageBackend):
        name = "loop"
        operations = frozenset({"max"})
        filesystem = None

        def reduce_chunk(self, request):
            return Partial(values, np.ones((3, 1), int))

    array = array_of(np.zeros((6, 4)), (3, 4), backend=ChunkByChunk())
    with pytest.raises(BackendError, match=message):
        array.max(1)


@pytest.mark.parametrize("count", [1, 0])
def test_an_integer_that_wraps_in_the_stored_dtype_is_an_error_where_it_counts(count):
    class Wide(MemoryBackend):
        def reduce_chunks(self, batch):
            shape = (len(batch), *batch.reduced_shape)
            return Partial((np.full(shape, 40_000),), np.full(shape, count))

    array = array_of(np.zeros(4, "i2"), (2,), backend=Wide())
    if count == 0:
        assert array.max() is np.ma.masked
    else:
        with pytest.raises(BackendError, match="a value that no int16 holds"):
            array.max()


def test_what_a_backend_answers_for_nothing_is_not_read():
    class Sentinel(MemoryBackend):
        def reduce_chunks(self, batch):
            shape = (len(batch), *batch.reduced_shape)
            return Partial(
                (np.full(shape, 3.4e38),), np.zeros(shape, int), cost=Cost(1, 2, 3)
            )

    assert array_of(FIELD, (4, 31, 17), backend=Sentinel()).max() is np.ma.masked


def test_a_record_counts_what_happened_and_nests():
    array = array_of(FIELD, (4, 31, 17), states={(0, 0, 0): "absent"}, fill=0)
    told = []
    with activecore.recording.record(
        progress=lambda run: told.append(run.chunks)
    ) as outer:
        array[:8].max()
        with activecore.recording.record() as inner:
            array.max()
    assert (inner.chunks, outer.chunks) == (10, 12)
    assert inner.backends == {"": 1, "memory": 9}
    assert inner.requests == 9
    assert inner.bytes_read == inner.bytes_received == 9 * 4 * 31 * 17 * 4
    assert inner.chunks_planned == 10
    assert outer.seconds >= inner.seconds > 0
    assert told == sorted(told)


def test_any_executor_does_the_work():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        array = array_of(FIELD, (4, 8, 9))
        session = Session(array._session.backends, None, executor=pool)
        assert ActiveArray(array.info, session).mean() == array.mean()


def test_memory_is_bounded_by_the_window_of_batches():
    class Counting(MemoryBackend):
        located = answered = ahead = 0

        def reduce_chunks(self, batch):
            time.sleep(0.001)
            self.answered += 1
            return super().reduce_chunks(batch)

    backend = Counting(batch_chunks=1)
    array = array_of(FIELD, (1, 31, 17), threads=1, backend=backend)
    locate = array.info.index.locate

    def watched(coords):
        backend.located += 1
        backend.ahead = max(backend.ahead, backend.located - backend.answered)
        return locate(coords)

    array.info.index.locate = watched
    array.mean()
    assert backend.ahead <= 4


def test_whatever_a_backend_raises_is_one_named_error():
    array = array_of(
        FIELD, (4, 31, 17), backend=Failing(OSError(5, "the disk is tired"))
    )
    with pytest.raises(
        BackendError, match="memory failed with OSError: .*the disk is tired"
    ) as caught:
        array.max()
    assert isinstance(caught.value.__cause__, OSError)
