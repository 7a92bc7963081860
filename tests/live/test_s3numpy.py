"""``s3numpy`` on a real S3 server: bits, round trips, and everything that goes wrong."""

import time

import netCDF4
import numpy as np
import pytest
import zarr
from homes import Local, Remote
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_files import files, questions, write

import activecore as ac
from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendUnavailable,
    ChunkDecodeError,
    SourceChanged,
    SourceNotFound,
    UnsupportedCodec,
)
from services.proxy import (
    Alter,
    Delay,
    Drop,
    Garble,
    Hang,
    Link,
    Proxy,
    Raw,
    Reply,
    Reset,
    Shorten,
    Traffic,
    Truncate,
    slow_down,
    too_many_requests,
)

# -- bits ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote(services):
    remote = Remote(services)
    yield remote
    remote.close()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
@pytest.mark.filterwarnings("ignore")  # of the writers
def test_a_hundred_random_questions_give_the_same_bits_as_from_files(
    tmp_path_factory, remote, data
):
    case = data.draw(files())
    question = data.draw(questions(case.shape))
    path = write(case, tmp_path_factory.mktemp("case"))
    url = remote.place(path)
    answers = []
    for home, where in ((Local(), str(path)), (remote, url)):
        try:
            answer = home.open(where, "x")[question.key].reduce(
                question.reduction,
                question.axes,
                keepdims=question.keepdims,
                skipna=question.skipna,
                ddof=question.ddof,
            )
        except UnsupportedCodec as error:
            answers.append(str(error).replace(where, ""))
            continue
        answer = np.ma.asarray(answer)
        answers.append(
            (
                answer.dtype,
                answer.shape,
                np.ma.getmaskarray(answer).tobytes(),
                answer.filled(0).tobytes(),
            )
        )
    assert answers[0] == answers[1]


# -- files -----------------------------------------------------------------------------

VALUES = np.random.default_rng(3).normal(280, 10, (100, 40, 50)).astype("f4")


@pytest.fixture
def tas(tmp_path):
    """A netCDF4 file of a hundred compressed chunks."""
    path = tmp_path / "tas.nc"
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in zip(("time", "lat", "lon"), VALUES.shape, strict=True):
            ds.createDimension(dim, length)
        ds.createVariable(
            "tas", "f4", ("time", "lat", "lon"), chunksizes=(1, 40, 50), zlib=True
        )[:] = VALUES
    return path


@pytest.fixture
def store(tmp_path):
    """The same in Zarr, a chunk a year of ten; one of them was never written."""
    path = tmp_path / "tas.zarr"
    array = zarr.open_group(path, mode="w", zarr_format=3).create_array(
        "tas",
        shape=VALUES.shape,
        chunks=(10, 40, 50),
        dtype="f4",
        fill_value=np.float32(1.5),
        dimension_names=("time", "lat", "lon"),
    )
    array[:90] = VALUES[:90]
    return path


def right(reduction="mean"):
    return getattr(VALUES.astype("f8"), reduction)()


# -- round trips -----------------------------------------------------------------------

FAR = Link(round_trip=0.02)


@pytest.fixture
def far(services):
    with Proxy(services.s3.endpoint_url, FAR) as proxy:
        yield proxy


def ready(url, options):
    """Open a variable, and learn where its chunks are; no chunk is read."""
    variable = ac.open(url, "tas", storage_options=options)
    variable.explain("mean")
    return variable


def large(path, shape, chunks):
    """A file that no read-ahead takes in whole."""
    values = np.random.default_rng(5).normal(280, 10, shape).astype("f4")
    with netCDF4.Dataset(path, "w") as ds:
        for dim, length in zip(("time", "lat", "lon"), shape, strict=True):
            ds.createDimension(dim, length)
        ds.createVariable(
            "tas", "f4", ("time", "lat", "lon"), chunksizes=chunks, zlib=True
        )[:] = values
    return values.mean(dtype="f8")


def test_opening_a_hundred_chunks_takes_four_requests_in_turn(
    far, bucket, s3_options, tmp_path
):
    mean = large(tmp_path / "tas.nc", (100, 200, 250), (1, 200, 250))
    url = bucket.upload(tmp_path / "tas.nc")
    variable = ready(url, s3_options | {"endpoint_url": far.url})
    # Four are allowed; this is what it takes.
    assert far.traffic.longest_chain <= 2, [str(one) for one in far.traffic]
    assert far.traffic.down < 2e6
    assert variable.mean() == pytest.approx(mean, rel=1e-12)


def test_opening_27_000_chunks_takes_fifteen_rounds(far, bucket, s3_options, tmp_path):
    mean = large(tmp_path / "tas.nc", (240, 240, 240), (8, 8, 8))
    url = bucket.upload(tmp_path / "tas.nc")
    variable = ready(url, s3_options | {"endpoint_url": far.url})
    # Fifteen are allowed; this is what it takes.
    assert far.traffic.rounds <= 4, [str(one) for one in far.traffic]
    assert far.traffic.requests < 40
    assert variable.mean() == pytest.approx(mean, rel=1e-12)
    size = (tmp_path / "tas.nc").stat().st_size
    assert far.traffic.down < size + 3e6  # the chunks came with the index


def test_an_index_among_chunks_comes_alone_if_nothing_may_be_kept(
    far, bucket, s3_options, tmp_path
):
    mean = large(tmp_path / "tas.nc", (240, 240, 240), (8, 8, 8))
    url = bucket.upload(tmp_path / "tas.nc")
    variable = ready(url, s3_options | {"endpoint_url": far.url, "read_cache_bytes": 0})
    assert far.traffic.rounds <= 15, [str(one) for one in far.traffic]
    assert far.traffic.down < 10e6
    assert variable.mean() == pytest.approx(mean, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_opening_a_zarr_prefix_takes_three_rounds(far, bucket, s3_options, store):
    zarr.consolidate_metadata(store)
    url = bucket.upload(store)
    variable = ready(url, s3_options | {"endpoint_url": far.url})
    assert far.traffic.rounds <= 3, [str(one) for one in far.traffic]
    assert variable[:90].mean() == pytest.approx(VALUES[:90].mean(dtype="f8"))


def test_the_indices_of_shards_are_read_together(far, bucket, s3_options, tmp_path):
    array = zarr.open_group(tmp_path / "tas.zarr", mode="w").create_array(
        "tas", shape=(64, 50), chunks=(1, 50), shards=(4, 50), dtype="f4"
    )
    array[:60] = VALUES[:60, 0]  # the last shard is absent
    url = bucket.upload(tmp_path / "tas.zarr")
    variable = ac.open(
        url, "tas", storage_options=s3_options | {"endpoint_url": far.url}
    )
    far.forget()
    total = VALUES[:60, 0].astype("f8").sum()
    assert variable.sum() == pytest.approx(total, rel=1e-12)
    ends = [one for one in far.traffic if (one.range or "").startswith("bytes=-")]
    # Nobody has asked how long the shards are; each is asked once more in the end, to
    # see that its table still holds.
    assert len(ends) == 2 * 15 + 1
    assert Traffic(ends).rounds == 2, [str(one) for one in far.traffic]


def test_opening_again_takes_one_head(far, bucket, s3_options, tas):
    url = bucket.upload(tas)
    options = s3_options | {"endpoint_url": far.url}
    first = ready(url, options).mean()
    far.forget()
    again = ready(url, options)
    assert [one.method for one in far.traffic] == ["HEAD"]
    assert again.mean() == first


def test_neighbouring_chunks_are_read_in_few_requests(
    s3_proxy, bucket, s3_options, tas
):
    url = bucket.upload(tas)
    variable = ready(url, s3_options | {"endpoint_url": s3_proxy.url})
    s3_proxy.forget()
    with ac.record() as run:
        assert variable.mean() == pytest.approx(right(), rel=1e-12)
    assert s3_proxy.traffic.requests <= 10
    assert run.requests == sum(one.method == "GET" for one in s3_proxy.traffic)
    assert s3_proxy.traffic.down < 1.2 * tas.stat().st_size


# -- what goes wrong -------------------------------------------------------------------

LIMIT = 15.0
"""Seconds in which a run ends, whatever goes wrong."""


def patient(services, proxy, **more):
    """Options with short time limits."""
    return {
        "endpoint_url": proxy.url,
        "key": services.s3.key,
        "secret": services.s3.secret,
        "timeout": 2,
        "connect_timeout": 1,
        "retries": 3,
    } | more


def ended_in_time(begin):
    return time.monotonic() - begin < LIMIT


PASSING = {
    "503 SlowDown": slow_down(),
    "503, come back in a second": slow_down("1"),
    "429": too_many_requests(),
    "429, come back in a second": too_many_requests("1"),
    "500": Reply(500),
    "502": Reply(502, b"<html>", "text/html"),
    "a connection closed": Drop(),
    "a connection reset": Reset(),
    "a head and no body": Truncate(),
    "half a body": Truncate(40_000),
    "half a body and a reset": Truncate(40_000, reset=True),
    "no answer": Hang(),
    "rubbish instead of HTTP": Raw(),
    "a late answer": Delay(0.5),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=list(PASSING))
@pytest.mark.parametrize("part", ["metadata", "chunks"])
def test_what_passes_is_tried_again(services, s3_proxy, bucket, tas, fault, part):
    url = bucket.upload(tas)
    begin = time.monotonic()
    if part == "metadata":
        s3_proxy.fail(fault, path=r"tas\.nc", times=1)
    variable = ac.open(url, "tas", storage_options=patient(services, s3_proxy))
    if part == "chunks":
        variable.explain("mean")
        s3_proxy.fail(fault, method="GET", path=r"tas\.nc", times=1)
    with ac.record() as run:
        assert variable.mean() == pytest.approx(right(), rel=1e-12)
    assert ended_in_time(begin)
    befallen = [one for one in s3_proxy.traffic if one.fault]
    assert len(befallen) == 1
    if part == "chunks" and not isinstance(fault, Delay):
        assert run.retries >= 1


LASTING = {
    "503 SlowDown": (slow_down(), BackendUnavailable),
    "429": (too_many_requests(), BackendUnavailable),
    "500": (Reply(500), BackendUnavailable),
    "a connection closed": (Drop(), BackendUnavailable),
    "a connection reset": (Reset(), BackendUnavailable),
    "half a body": (Truncate(40_000), BackendUnavailable),
    "no answer": (Hang(), BackendUnavailable),
    "rubbish instead of HTTP": (Raw(), BackendUnavailable),
    "a body shorter than asked": (Shorten(40_000), ActiveCoreError),
    "the right length, and rubbish": (Garble(), ChunkDecodeError),
    "the whole object instead of a range": (
        Alter(200, (("Content-Range", None),)),
        ActiveCoreError,
    ),
    "another version of it": (Reply(412), SourceChanged),
    "403": (
        Reply(403, b"<Error><Code>AccessDenied</Code></Error>"),
        AuthenticationError,
    ),
}


@pytest.mark.parametrize(("fault", "error"), LASTING.values(), ids=list(LASTING))
def test_what_lasts_is_one_named_error_in_time(
    services, s3_proxy, bucket, tas, fault, error, caplog
):
    url = bucket.upload(tas)
    variable = ready(url, patient(services, s3_proxy, retries=1))
    s3_proxy.fail(fault, method="GET", path=r"tas\.nc")
    begin = time.monotonic()
    with pytest.raises(error) as caught:
        variable.mean()
    assert ended_in_time(begin)
    said = f"{caught.value!r} {caught.value} {caplog.text}"
    assert services.s3.secret not in said
    assert "\n" not in str(caught.value)
    assert "tas.nc" in str(caught.value)
    s3_proxy.heal()
    assert variable.mean() == pytest.approx(right(), rel=1e-12)


def test_retries_are_made_in_one_layer(services, s3_proxy, bucket, tas):
    url = bucket.upload(tas)
    variable = ready(url, patient(services, s3_proxy, retries=2))
    s3_proxy.fail(Reply(500), method="GET", path=r"tas\.nc")
    s3_proxy.forget()
    with pytest.raises(BackendUnavailable):
        variable[:1].mean()
    assert sum(one.method == "GET" for one in s3_proxy.traffic) == 3


def test_what_the_server_asks_to_wait_is_waited(services, s3_proxy, bucket, tas):
    url = bucket.upload(tas)
    variable = ready(url, patient(services, s3_proxy))
    # What the first refusal says is hidden by the client; the second is obeyed.
    s3_proxy.fail(slow_down("2"), method="GET", path=r"tas\.nc", times=2)
    begin = time.monotonic()
    assert variable[:1].mean() == pytest.approx(VALUES[:1].astype("f8").mean())
    assert time.monotonic() - begin >= 2


def test_an_absent_file_is_not_found(services, s3_proxy, bucket):
    with pytest.raises(SourceNotFound, match=r"none\.nc"):
        ac.open(
            bucket.url("none.nc"), "tas", storage_options=patient(services, s3_proxy)
        )


def test_an_absent_chunk_of_a_zarr_store_is_its_fill_value(bucket, s3_options, store):
    url = bucket.upload(store)
    last = ac.open(url, "tas", storage_options=s3_options)[90:]
    assert float(last.max()) == 1.5
    assert int(last.count()) == last.size


def test_a_chunk_that_is_refused_is_never_a_fill_value(
    services, s3_proxy, bucket, store
):
    url = bucket.upload(store)
    variable = ready(url, patient(services, s3_proxy))
    s3_proxy.fail(Reply(403), path=r"c/9/")
    with pytest.raises(AuthenticationError):
        variable.max()


def test_a_wrong_secret_is_an_authentication_error(services, bucket, tas, s3_options):
    url = bucket.upload(tas)
    wrong = s3_options | {"secret": "not-the-secret-at-all"}
    with pytest.raises(AuthenticationError) as caught:
        ac.open(url, "tas", storage_options=wrong)
    assert "not-the-secret-at-all" not in f"{caught.value!r}"


def test_an_object_that_is_overwritten_is_never_read_as_a_mix(bucket, s3_options, tas):
    url = bucket.upload(tas)
    variable = ready(url, s3_options)
    with netCDF4.Dataset(tas, "a") as ds:
        ds["tas"][:] = VALUES + 100
    bucket.upload(tas)
    with pytest.raises(SourceChanged):
        variable.mean()
    again = ac.open(url, "tas", storage_options=s3_options).mean()
    assert again == pytest.approx(right() + 100, rel=1e-6)


def test_an_object_that_is_removed_is_never_a_fill_value(bucket, s3_options, tas):
    url = bucket.upload(tas)
    variable = ready(url, s3_options)
    bucket.delete("tas.nc")
    with pytest.raises((SourceChanged, SourceNotFound)):
        variable.mean()


def test_a_store_that_is_not_there_is_unavailable(services):
    from services.daemon import free_port

    begin = time.monotonic()
    nowhere = {
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        "key": services.s3.key,
        "secret": services.s3.secret,
        "retries": 1,
    }
    with pytest.raises(BackendUnavailable):
        ac.open("s3://bucket/tas.nc", "tas", storage_options=nowhere)
    assert ended_in_time(begin)
