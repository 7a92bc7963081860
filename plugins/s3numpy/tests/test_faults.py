"""Faults between client and store: the right answer, or one named error in time."""

import asyncio
import functools
import io
import json
import logging
import time

import h5netcdf
import h5py
import numpy as np
import pytest

import activecore as ac
from services.proxy import (
    Alter,
    Delay,
    Drop,
    Fault,
    Garble,
    Hang,
    Proxy,
    Raw,
    Reply,
    Reset,
    Shorten,
    Truncate,
    slow_down,
    too_many_requests,
)

TIMEOUT, RETRIES = 1.0, 2
LIMIT = (TIMEOUT + 2.0) * (RETRIES + 1)
"""Seconds in which each ends: attempts, and the waits between them."""

NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture(scope="module")
def elements():
    return np.random.default_rng(4).normal(280, 10, (40, 6, 8)).astype("f4")


@pytest.fixture(scope="module")
def url(store, elements):
    """The URL of a netCDF4 file whose chunks lie behind its first 64 KiB."""
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        file.dimensions = {"time": 40, "lat": 6, "lon": 8, "filling": 100_000}
        # Allocated first, so that no chunk lies among the first bytes that are read.
        filling = file.create_variable("filling", ("filling",), "u1")
        filling[...] = np.zeros(100_000, "u1")
        tas = file.create_variable(
            "tas", ("time", "lat", "lon"), "f4", chunks=(4, 6, 8), compression="gzip",
        )  # fmt: skip
        tas[...] = elements
    return store.put("data", "faults.nc", content.getvalue())


@pytest.fixture
def proxy(store):
    with Proxy(store.url) as proxy:
        yield proxy


@pytest.fixture
def tas(proxy, store, url):
    """The variable, opened through the proxy while nothing was wrong."""
    options = {
        "endpoint_url": proxy.url,
        "key": store.key,
        "secret": store.secret,
        "timeout": TIMEOUT,
        "retries": RETRIES,
    }
    array = ac.open(url, "tas", storage_options=options)
    proxy.forget()
    return array


PASSING = {
    "a delay within the time limit": Delay(0.3),
    "an internal error": Reply(500, b"<Error><Code>InternalError</Code></Error>"),
    "a bad gateway": Reply(502, b"<html>bad gateway</html>", "text/html"),
    "slow down": slow_down(),
    "slow down, with a time": slow_down("1"),
    "too many requests": too_many_requests(),
    "too many requests, with a time": too_many_requests("1"),
    "a reset": Reset(),
    "a closed connection": Drop(),
    "a body cut short": Truncate(after=10),
    "a body cut short by a reset": Truncate(after=10, reset=True),
    "a short body that says so": Shorten(to=10),
    "no HTTP": Raw(),
    "no answer within the time limit": Hang(),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_is_mended_by_another_attempt(tas, proxy, elements, fault):
    proxy.fail(fault, method="GET", times=1)
    with ac.record() as run:
        np.testing.assert_array_equal(tas.max(axis="time"), elements.max(axis=0))
    again = 0 if isinstance(fault, Delay) else 1
    assert run.retries == again
    gets = [one for one in proxy.traffic if one.method == "GET"]
    assert len(gets) == run.requests + again


LASTING = {
    "an internal error": (
        Reply(500, b"<Error><Code>InternalError</Code></Error>"),
        ac.BackendUnavailable,
        r"HTTP 500 InternalError \(tried 3 times\)",
    ),
    "slow down": (slow_down(), ac.BackendUnavailable, "HTTP 503 SlowDown: Please"),
    "too many requests": (too_many_requests(), ac.BackendUnavailable, "HTTP 429"),
    "a reset": (Reset(), ac.BackendUnavailable, "connection"),
    "a closed connection": (Drop(), ac.BackendUnavailable, "connection"),
    "a body cut short": (Truncate(after=10), ac.BackendUnavailable, "before it was"),
    "a short body": (Shorten(to=10), ac.BackendUnavailable, "before it was whole"),
    "no answer": (Hang(), ac.BackendUnavailable, "did not answer in time"),
    "no HTTP": (Raw(), ac.BackendUnavailable, "connection|understood"),
}


@pytest.mark.parametrize(("fault", "error", "text"), LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts_is_one_error_in_time(tas, proxy, url, fault, error, text):
    proxy.fail(fault, method="GET")
    begin = time.monotonic()
    with pytest.raises(error, match=text) as caught:
        tas.max()
    assert time.monotonic() - begin < LIMIT
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    gets = [one for one in proxy.traffic if one.method == "GET"]
    assert len(gets) == RETRIES + 1


NOT_WORTH_ANOTHER = {
    "forbidden": (Reply(403, DENIED), ac.AuthenticationError, "403 AccessDenied"),
    "unauthorized": (Reply(401), ac.AuthenticationError, "HTTP 401"),
    "an expired token": (
        Reply(400, b"<Error><Code>ExpiredToken</Code></Error>"),
        ac.AuthenticationError,
        "the session token has expired",
    ),
    "a bad request": (Reply(400, b""), ac.BackendError, "HTTP 400"),
    "gone": (Reply(404, NO_SUCH_KEY), ac.SourceChanged, "was removed after"),
    "a 404 about somebody": (
        Reply(404, b"<Error><Code>XAdminUserNotFound</Code></Error>"),
        ac.AuthenticationError,
        "does not know the access key",
    ),
    "changed": (Reply(412), ac.SourceChanged, "was changed after it was opened"),
    "another version, If-Match ignored": (
        Alter(headers=(("ETag", '"another"'),)),
        ac.SourceChanged,
        "was changed after it was opened",
    ),
    "ranges ignored": (Alter(status=200), ac.BackendRefused, "ignores byte ranges"),
    "another range": (
        Alter(headers=(("Content-Range", "bytes 0-99/200000"),)),
        ac.BackendRefused,
        "another byte range",
    ),
    "another region": (
        Reply(
            400,
            b"<Error><Code>AuthorizationHeaderMalformed</Code>"
            b"<Region>eu-west-1</Region></Error>",
        ),
        ac.ConfigError,
        "lies in region 'eu-west-1': set the option region",
    ),
    "a redirect without a place": (Reply(301), ac.ConfigError, "set region"),
    "a wait that is too long": (
        too_many_requests("3600"),
        ac.BackendUnavailable,
        "429",
    ),
    "rubbish": (Garble(), ac.ChunkDecodeError, "tas chunk"),
}


@pytest.mark.parametrize(
    ("fault", "error", "text"), NOT_WORTH_ANOTHER.values(), ids=NOT_WORTH_ANOTHER
)
def test_what_another_attempt_would_not_mend_is_an_error_at_once(
    tas, proxy, fault, error, text
):
    proxy.fail(fault, method="GET")
    begin = time.monotonic()
    with pytest.raises(error, match=text):
        tas.max()
    assert time.monotonic() - begin < LIMIT
    gets = [one for one in proxy.traffic if one.method == "GET"]
    # That a server wants an hour is known of the second refusal only.
    assert len(gets) == (2 if "429" in text else 1)


def test_retry_after_is_waited_for(tas, proxy, elements):
    proxy.fail(slow_down("2"), method="GET", times=2)
    begin = time.monotonic()
    np.testing.assert_array_equal(tas.max(axis="time"), elements.max(axis=0))
    # The first refusal comes through obstore, which does not show its headers.
    assert time.monotonic() - begin >= 2


@pytest.mark.parametrize("text", ["\xb2", "soon", "-1", "9" * 400])
def test_a_retry_after_that_says_nothing_is_no_error_of_its_own(tas, proxy, text):
    proxy.fail(slow_down(text), method="GET")
    with pytest.raises(ac.BackendUnavailable, match="HTTP 503 SlowDown"):
        tas.sum()


def test_every_read_of_a_chunk_carries_the_etag_and_the_range(
    store, url, watched, elements
):
    options = {"endpoint_url": watched.url, "key": store.key, "secret": store.secret}
    tas = ac.open(url, "tas", storage_options={**options, "merge_bytes": 1})
    watched.heads.clear()
    tas.max()
    gets = [head for head in watched.heads if head.method == "GET"]
    etag = store.client.head_object(Bucket="data", Key="faults.nc")["ETag"]
    assert len(gets) == 10
    assert {head.get("if-match") for head in gets} == {etag}
    assert all(head.get("range").startswith("bytes=") for head in gets)


def test_another_attempt_after_a_refusal_carries_them_too(store, url, watched):
    proxy_options = {
        "endpoint_url": watched.url,
        "key": store.key,
        "secret": store.secret,
    }
    tas = ac.open(url, "tas", storage_options=proxy_options)
    watched.heads.clear()
    watched.proxy.fail(slow_down(), method="GET", times=1)
    tas.max()
    first, second, *_ = watched.heads
    assert "X-Amz-Signature" in second.target
    for header in ("if-match", "range"):
        assert first.get(header) == second.get(header) is not None


def test_an_object_that_is_overwritten_while_it_is_open_is_never_a_mix(
    tas, store, url, elements
):
    tas.max()
    before = store.get("data", "faults.nc")
    try:
        store.put("data", "faults.nc", before + b"\0")
        with pytest.raises(ac.SourceChanged):
            tas.max()
    finally:
        store.put("data", "faults.nc", before)


class Put(Fault):
    """The object is another one by the time the server answers."""

    def __init__(self, store, content):
        self.put = functools.partial(store.put, "data", "swapped.nc", content)

    async def ask(self):
        await asyncio.to_thread(self.put)


def test_an_object_that_is_another_one_only_while_it_is_opened_is_not_kept(
    store, proxy, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def content(rows):
        file = io.BytesIO()
        with h5py.File(file, "w") as new:
            tas = new.create_dataset("tas", (4, 100), "f8", chunks=(1, 100))
            for row in rows:  # so the chunks lie in this order
                tas[row] = row
        return file.getvalue()

    first, other = content([0, 1, 2, 3]), content([3, 2, 1, 0])
    assert len(first) == len(other)
    url = store.put("data", "swapped.nc", first)
    options = {"endpoint_url": proxy.url, "key": store.key, "secret": store.secret}
    proxy.fail(Put(store, other), method="GET", ranged="0-", times=1)
    opened = ac.open(url, "tas", storage_options=options)
    assert opened[1].max() == 1  # where the other one has row 2
    store.put("data", "swapped.nc", first)
    with pytest.raises(ac.SourceChanged):
        opened[1].max()
    assert ac.open(url, "tas", storage_options=options)[1].max() == 1


def test_a_retry_is_no_fallback_and_warns_nobody(tas, proxy, caplog):
    proxy.fail(Reset(), method="GET", times=1)
    with caplog.at_level(logging.WARNING, logger="activecore"), ac.record() as run:
        tas.max()
    assert run.fallbacks == 0
    assert [r for r in caplog.records if r.name.startswith("activecore")] == []


@pytest.fixture
def zarr(store, proxy):
    """A Zarr array of three chunks, of which the middle one was never written."""
    document = {
        "zarr_format": 2, "shape": [6], "chunks": [2], "dtype": "<i4", "fill_value": 7,
        "compressor": None, "filters": None, "order": "C",
    }  # fmt: skip
    store.put("data", "holes.zarr/.zarray", json.dumps(document).encode())
    store.put("data", "holes.zarr/0", np.array([1, 2], "<i4").tobytes())
    store.put("data", "holes.zarr/2", np.array([5, 6], "<i4").tobytes())
    options = {
        "endpoint_url": proxy.url,
        "key": store.key,
        "secret": store.secret,
        "timeout": TIMEOUT,
        "retries": RETRIES,
    }
    (array,) = ac.open("s3://data/holes.zarr", storage_options=options).values()
    return array


def test_a_chunk_that_is_not_there_is_the_fill_value(zarr):
    read = zarr.read()
    assert read.data.tolist() == [1, 2, 7, 7, 5, 6]
    # Zarr's version 2 has it that the fill value is what is missing.
    assert read.mask.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(403, DENIED),
        Reply(404, b"<Error><Code>XAdminUserNotFound</Code></Error>"),
        Reply(404, b"<Error><Code>NoSuchBucket</Code></Error>"),
        Reply(404, b"<html>404 Not Found</html>", "text/html"),
        Reply(500),
    ],
    ids=["403", "unknown-user", "no-bucket", "gateway", "500"],
)
def test_a_chunk_that_cannot_be_had_is_never_the_fill_value(proxy, zarr, reply):
    proxy.fail(reply, path=r"holes\.zarr/1")
    with pytest.raises((ac.BackendError, ac.SourceNotFound)):
        zarr.sum()


def test_a_chunk_that_is_far_too_long_is_not_taken_in(store, zarr):
    store.put("data", "holes.zarr/1", bytes(2 << 20))
    try:
        with pytest.raises(ac.ChunkDecodeError, match=r"2097152 bytes are stored"):
            zarr.sum()
    finally:
        store.client.delete_object(Bucket="data", Key="holes.zarr/1")


def test_what_comes_instead_of_a_range_is_not_read_to_its_end(tas, proxy):
    # There is no end: whoever waits for it says that the connection broke.
    endless = Reply(200, headers=(("Content-Length", "1000000000"),))
    proxy.fail(slow_down("0"), method="GET", times=1)
    proxy.fail(endless, method="GET")
    proxy.forget()
    with pytest.raises(ac.BackendRefused, match="ignores byte ranges"):
        tas.sum()
    asked = [one for one in proxy.traffic if one.method == "GET"]
    assert len(asked) == 2
