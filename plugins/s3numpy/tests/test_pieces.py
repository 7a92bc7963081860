"""Pieces of an index are read together; what comes along is kept, and never mixed up."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import activecore as ac
from activecore_s3numpy import S3NumpyBackend
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.read_cache import ReadCache
from activecore_s3numpy.replies import Meta, Reply

SHAPE, CHUNK = (120, 120, 60), (6, 6, 6)
"""4,000 chunks of 864 bytes: the nodes of their tree lie some 55 kB apart."""


@pytest.fixture(scope="module")
def elements():
    return np.random.default_rng(4).normal(280, 10, SHAPE).astype("f4")


@pytest.fixture(scope="module")
def content(elements):
    file = io.BytesIO()
    with h5py.File(file, "w") as new:
        new.create_dataset("tas", data=elements, chunks=CHUNK)
    return file.getvalue()


@pytest.fixture
def url(store, content):
    return store.put("data", "scattered.nc", content)


@pytest.fixture
def ask(store, watched, url, monkeypatch):
    """Open the file with some options, every request seen."""
    monkeypatch.setenv("ACTIVECORE_INDEX_CACHE", "false")

    def opened(**options):
        given = {"endpoint_url": watched.url, "key": store.key, "secret": store.secret}
        return ac.open(url, "tas", storage_options={**given, **options})

    return opened


def test_scattered_nodes_come_with_the_chunks_between_them(
    ask, watched, content, elements
):
    tas = ask()
    assert len(watched.heads) <= 6
    with ac.record() as run:
        np.testing.assert_array_equal(tas.max(axis=0), elements.max(axis=0))
    assert len(watched.heads) <= 10
    received = sum(exchange.down for exchange in watched.proxy.traffic)
    # Its first megabyte twice: before it was known that chunks lie there, and for them.
    assert received < len(content) + 1.3e6
    assert run.bytes_received < 1.3e6


@pytest.mark.parametrize("options", [{"merge_gap": 0}, {"read_cache_bytes": 0}])
def test_they_come_alone_where_nothing_may_come_along(ask, watched, elements, options):
    tas = ask(**options)
    assert len(watched.heads) > 40
    received = sum(exchange.down for exchange in watched.proxy.traffic)
    assert received < 2e6
    np.testing.assert_array_equal(tas.max(axis=0), elements.max(axis=0))


def test_they_come_alone_where_too_much_would_come_along(ask, watched, content):
    ask(read_cache_bytes=len(content) // 3)
    assert len(watched.heads) > 40


def test_a_run_of_them_is_not_cut_into_crumbs(ask, watched, elements):
    tas = ask(merge_bytes=1)
    assert len(watched.heads) < 80
    np.testing.assert_array_equal(tas[60:72].max(axis=0), elements[60:72].max(axis=0))


def test_what_came_along_is_not_asked_for_again_but_its_version_is(
    ask, watched, elements
):
    tas = ask()
    watched.heads.clear()
    with ac.record() as run:
        assert tas[60:72, :60].max() == elements[60:72, :60].max()
    assert (run.chunks, run.requests, run.bytes_received) == (200, 0, 0)
    assert [head.method for head in watched.heads] == ["HEAD"]


def test_a_read_that_the_store_held_to_the_version_is_the_check(ask, watched, elements):
    tas = ask(read_cache_bytes=0)
    watched.heads.clear()
    assert tas[60:72].max() == elements[60:72].max()
    assert {head.method for head in watched.heads} == {"GET"}
    assert None not in {head.get("if-match") for head in watched.heads}


@pytest.mark.parametrize("part", [slice(None), slice(60, 72)])
def test_what_came_along_is_of_no_use_once_the_object_is_another(
    ask, store, content, part
):
    tas = ask()
    tas[part].max()
    store.put("data", "scattered.nc", content + b"\0")
    with pytest.raises(ac.SourceChanged):
        tas[part].max()


def test_a_backend_that_is_closed_has_let_go_of_it(store, url):
    backend = S3NumpyBackend(store.options())
    fs = backend.filesystem(url)
    etag = fs.info(url)["ETag"]
    fs.cat_ranges([url] * 2, [0, 1000], [10, 1010], if_match=etag)
    kept = backend.client.read_cache
    assert kept.nbytes == 1010
    backend.close()
    assert kept.nbytes == 0


@pytest.mark.parametrize(("most", "requests"), [(1010, 1), (1009, 2), (990, 2)])
def test_nothing_comes_along_that_would_not_be_held(store, url, most, requests):
    backend = S3NumpyBackend(store.options(read_cache_bytes=most))
    fs = backend.filesystem(url)
    etag = fs.info(url)["ETag"]
    asked = []
    read_all = backend.client.read_all
    backend.client.read_all = lambda asks: asked.extend(asks) or read_all(asks)
    fs.cat_ranges([url] * 2, [0, 1000], [10, 1010], if_match=etag)
    assert len(asked) == requests
    assert backend.client.read_cache.nbytes == (1010 if requests == 1 else 0)
    backend.close()


# --- what is kept -------------------------------------------------------------------

OBJECT = Address.parse("s3://data/x")
OTHER = Address.parse("s3://data/y")
BYTES = bytes(range(100))


def lent(kept, address, etag, ranges):
    """Give what is lent of these ranges: their bytes, or None."""
    columns = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    chunks = ac.EncodedChunks(len(ranges))
    missing = kept.lend(
        address, etag, columns[:, 0], columns[:, 1], np.arange(len(ranges)), chunks
    )
    assert missing.tolist() == [chunk is None for chunk in chunks]
    return [None if chunk is None else bytes(chunk) for chunk in chunks]


ranges = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 40)), min_size=1, max_size=8
)


@given(pieces=ranges, asked=ranges)
def test_a_range_is_lent_where_one_piece_holds_all_of_it(pieces, asked):
    kept = ReadCache(1000)
    put = [(start, BYTES[start : start + size]) for start, size in pieces]
    kept.put(OBJECT, '"a"', put[:3])
    kept.put(OBJECT, '"a"', put[3:])
    found = lent(kept, OBJECT, '"a"', asked)
    for (start, size), bytes_ in zip(asked, found, strict=True):
        stop = start + size
        holds = [b <= start and stop <= min(100, b + s) for b, s in pieces]
        if bytes_ is not None:
            assert bytes_ == BYTES[start:stop]
        assert (bytes_ is not None) == any(holds) or size == 0


def test_another_version_and_another_object_are_lent_nothing():
    kept = ReadCache(1000)
    kept.put(OBJECT, '"a"', [(0, BYTES)])
    assert lent(kept, OBJECT, '"b"', [(0, 5)]) == [None]
    assert lent(kept, OTHER, '"a"', [(0, 5)]) == [None]
    assert lent(kept, OBJECT, None, [(0, 5)]) == [None]
    assert lent(kept, OBJECT, '"a"', [(0, 5)]) == [BYTES[:5]]
    assert lent(kept, OBJECT, '"a"', [(2**63 - 1, 1), (3, 2**62)]) == [None, None]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=20))
def test_never_more_is_kept_than_may_be_and_the_newest_is_among_it(puts):
    kept = ReadCache(100)
    for number, size in puts:
        etag = f'"{number}"'
        kept.put(OBJECT, etag, [(number, BYTES[number : number + size])])
        assert kept.nbytes <= 100
        total = sum(held.nbytes for held in kept._objects.values())
        assert kept.nbytes == total
        if size > 0:
            assert lent(kept, OBJECT, etag, [(number, size)]) != [None]


def test_what_was_not_used_for_the_longest_time_goes_first():
    kept = ReadCache(100)
    for etag in ('"a"', '"b"'):
        kept.put(OBJECT, etag, [(0, BYTES[:50])])
    lent(kept, OBJECT, '"a"', [(0, 5)])
    kept.put(OBJECT, '"c"', [(0, BYTES[:50])])
    assert lent(kept, OBJECT, '"a"', [(0, 5)]) != [None]
    assert lent(kept, OBJECT, '"b"', [(0, 5)]) == [None]


# --- both ends ---------------------------------------------------------------------


@pytest.fixture
def fs(store):
    backend = S3NumpyBackend(store.options())
    yield backend.filesystem("s3://data/any")
    backend.close()


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (5000, [(0, 1000), (4900, 100)]),
        (1000, [(0, 1000), (900, 100)]),
        (60, [(0, 60), (0, 60)]),
        (0, []),
    ],
)
def test_both_ends_come_with_what_info_says(store, fs, size, pieces):
    data = np.random.default_rng(1).bytes(size)
    url = store.put("data", "looked-at", data)
    info, found = fs.info_and_ends(url, 1000, 100)
    assert info == fs.info(url)
    assert found == [(start, data[start : start + n]) for start, n in pieces]


def test_of_a_prefix_there_are_no_ends(store, fs):
    store.put("data", "folder/inside", b"x")
    for path in ("s3://data/folder", "s3://data"):
        assert fs.info_and_ends(path, 1000, 100) == (fs.info(path), [])
    with pytest.raises(ac.SourceNotFound, match="nothing at s3://data/nowhere"):
        fs.info_and_ends("s3://data/nowhere", 1000, 100)


def test_ends_of_two_versions_are_never_taken_together(fs, monkeypatch):
    answers = [
        Reply(b"first", Meta(100, '"a"', None)),
        Reply(b"last", Meta(100, '"b"', None)),
    ]
    client = fs._client
    monkeypatch.setattr(client, "try_all", lambda _: answers)
    info, pieces = fs.info_and_ends("s3://data/x", 5, 4)
    assert (info["ETag"], pieces) == ('"a"', [(0, b"first")])


@pytest.mark.parametrize("etag", [None, 'W/"a"'])
def test_without_a_strong_etag_nothing_is_taken_and_info_is_asked(
    store, fs, monkeypatch, etag
):
    url = store.put("data", "x", b"what is there")
    answers = [Reply(b"first", Meta(100, etag, None))] * 2
    monkeypatch.setattr(fs._client, "try_all", lambda _: answers)
    assert fs.info_and_ends(url, 5, 5) == (fs.info(url), [])
