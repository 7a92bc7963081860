"""The fakes: what they record, how they fail; and arrays that need no file."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest

from activecore.errors import (
    BackendError,
    BackendUnavailable,
    ChunkNotFound,
    ChunkReadError,
)
from activecore.model import (
    ABSENT,
    INLINE,
    ChunkBatch,
    ChunkLayout,
    ChunkRequest,
    Codec,
    Missing,
    Packing,
)
from activecore.recording import record
from activecore.testing import (
    FakeBackend,
    FakeServer,
    Read,
    active_array,
    array_info,
    encode_chunk,
    golden_case,
)

VALUES = np.random.default_rng(3).integers(-90, 90, (7, 9)).astype("i2")
VALUES[2, 3] = VALUES[6, 8] = 5
FIVE = Missing(values=(np.int16(5),))


@pytest.fixture
def backend():
    return FakeBackend()


# -- records and faults ---------------------------------------------------------------


def test_every_read_and_batch_is_recorded(backend):
    info = array_info(VALUES, (4, 9), put=backend.put)
    active_array(info, backend, threads=1).sum()
    # Whole chunks in one box; of the one at the edge only what is in the array.
    assert backend.reads == [Read("x", 0, 72), Read("x", 72, 54)]
    assert [batch.operation for batch in backend.batches] == ["sum", "sum"]


def test_reads_fail_when_told_to(backend):
    backend.put("a", bytes(8))
    backend.put("b", bytes(8))
    backend.fail(ChunkReadError("bad disk"), source="a", after=1, times=2)
    how = []
    for source in "aabaaa":
        try:
            backend.read_range(source, 0, 8)
        except ChunkReadError as error:
            how.append(str(error))
        else:
            how.append("read")
    assert how == ["read", "bad disk", "read", "bad disk", "read", "read"]


def test_reads_fail_for_ever_when_told_to(backend):
    backend.put("a", bytes(8))
    backend.fail(BackendUnavailable("down"), times=None)
    for _ in range(5):
        with pytest.raises(BackendUnavailable, match="down"):
            backend.read_range("a", 0, 8)


def test_each_failure_is_an_error_of_its_own(backend):
    backend.fail(ChunkReadError("bad disk"), times=2)
    caught = []
    for _ in range(2):
        with pytest.raises(ChunkReadError) as info:
            backend.read_range("a", 0, 8)
        caught.append(info.value)
    assert caught[0] is not caught[1]


def test_what_was_deleted_is_absent(backend):
    source = backend.put("a", b"12345678")
    assert backend.read_range(source, 2, 3) == b"345"
    assert backend.read_range(source, 0, -1) == b"12345678"
    backend.delete(source)
    with pytest.raises(ChunkNotFound, match="'a'"):
        backend.read_range(source, 0, 8)


@pytest.mark.parametrize("delay", [0.02, lambda read: 0.02 * (read.source == "a")])
def test_reads_take_a_while_when_told_to(backend, delay):
    backend.put("a", bytes(8))
    backend.delay = delay
    start = time.perf_counter()
    backend.read_range("a", 0, 8)
    assert time.perf_counter() - start >= 0.02


def test_a_pickled_fake_has_its_objects_and_works(backend):
    info = array_info(VALUES, (4, 4), put=backend.put)
    copy = pickle.loads(pickle.dumps(backend))
    assert active_array(info, copy).sum() == VALUES.sum()
    assert copy.objects == backend.objects


def test_a_fake_may_have_its_own_name_operations_and_batches():
    backend = FakeBackend(
        name="near", operations=["select"], batch_chunks=2, batch_bytes=64
    )
    assert (backend.name, backend.operations) == ("near", {"select"})
    assert (backend.batch_chunks, backend.batch_bytes) == (2, 64)
    assert FakeBackend.name == "fake"
    info = array_info(VALUES, (4, 4), put=backend.put)
    assert active_array(info, backend).max() == VALUES.max()
    assert {batch.operation for batch in backend.batches} == {"select"}


def test_a_fake_refuses_what_it_is_told_to_refuse():
    near = FakeBackend(name="near", refuses={"sum": "its accumulator may wrap"})
    far = FakeBackend(name="far", objects=near.objects)
    info = array_info(VALUES, (4, 4), put=near.put)
    array = active_array(info, near, far)
    assert array.sum() == VALUES.sum()
    assert (len(near.reads), len(far.reads)) == (0, 6)
    assert "its accumulator may wrap" in str(array.explain("sum"))


# -- the server -----------------------------------------------------------------------


def test_a_server_reads_chunks_and_sends_partials():
    server = FakeServer()
    info = array_info(VALUES, (4, 9), put=server.put)
    with record() as run:
        active_array(info, server).max()
    assert run.requests == 2
    assert run.bytes_read == 72 + 54
    assert run.bytes_received == 2 * (2 + 8)


def test_a_server_is_asked_to_select_what_it_cannot_compute():
    server = FakeServer()
    info = array_info(VALUES, (4, 9), put=server.put)
    var = active_array(info, server).var()
    np.testing.assert_allclose(var, VALUES.astype("f8").var(), rtol=1e-12)
    assert {batch.operation for batch in server.batches} == {"select"}


def request(operation, *codecs):
    layout = ChunkLayout("i2", (4,), codecs=codecs)
    axis = () if operation == "select" else (0,)
    return ChunkRequest(layout, "a", 0, 8, (slice(0, 4, 1),), axis, operation)


def test_a_server_that_is_asked_for_more_than_it_lists_says_so():
    with pytest.raises(BackendError, match="was asked for 'moments'"):
        FakeServer().reduce_chunk(request("moments"))


@pytest.mark.parametrize("kind", [FakeBackend, FakeServer])
def test_a_fake_refuses_codecs_that_the_kernel_lacks(kind):
    batch = ChunkBatch.of(request("select", Codec.of("no-such-codec")))
    assert "no-such-codec" in kind().why_not(batch)
    assert kind().why_not(ChunkBatch.of(request("select"))) is None


def test_a_server_that_is_down_is_replaced():
    near = FakeServer(batch_chunks=1)
    far = FakeBackend(objects=near.objects)
    near.fail(BackendUnavailable("down"), times=None)
    info = array_info(VALUES, (4, 4), put=near.put)
    with record() as run:
        assert active_array(info, near, far, threads=1).sum() == VALUES.sum()
    assert run.backends == {"fake": 6}
    assert len(near.reads) == 3  # then it is left out


# -- arrays without files -------------------------------------------------------------

WAYS = {
    "one chunk": {},
    "chunks in one object": {"chunks": (3, 4)},
    "chunks in shards": {"chunks": (2, 2), "shards": (2, 3)},
    "objects of one chunk": {"chunks": (3, 4), "whole_objects": True},
    "short chunks at the edges": {"chunks": (3, 4), "cut_edges": True},
    "Fortran order": {"chunks": (3, 4), "order": "F"},
    "codecs": {
        "chunks": (3, 4),
        "codecs": [Codec.of("shuffle", elementsize=2), Codec.of("zlib", level=1)],
    },
    "inline": {"chunks": (3, 4), "inline": [(0, 0), (2, 2)]},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", ["<i2", ">i2"])
def test_an_array_is_read_back_however_it_is_stored(backend, way, dtype):
    info = array_info(VALUES.astype(dtype), put=backend.put, missing=FIVE, **way)
    array = active_array(info, backend)
    right = np.ma.masked_equal(VALUES, 5)
    got = array.read()
    np.testing.assert_array_equal(got.filled(0), right.filled(0))
    np.testing.assert_array_equal(got.mask, right.mask)
    part = array[1:6:2, ::-3].sum(axis=0)
    np.testing.assert_array_equal(part, right[1:6:2, ::-3].sum(axis=0))


@pytest.mark.parametrize(
    ("how", "fill"),
    [
        ("unwritten", None),
        ("unwritten", np.int16(5)),
        ("unwritten", np.int16(0)),
        ("absent", np.int16(5)),
        ("absent", np.int16(0)),
    ],
)
def test_chunks_that_are_not_there_hold_the_fill_value(backend, how, fill):
    info = array_info(
        VALUES, (3, 4), put=backend.put, missing=FIVE, fill_value=fill,
        whole_objects=True, **{how: [(0, 1), (2, 2)]},
    )  # fmt: skip
    right = np.ma.masked_equal(VALUES, 5)
    for rows, columns in ((slice(0, 3), slice(4, 8)), (slice(6, 9), slice(8, 12))):
        right[rows, columns] = np.ma.masked if fill in (None, 5) else fill
    got = active_array(info, backend).read()
    np.testing.assert_array_equal(got.filled(99), right.filled(99))


def test_an_index_tells_what_it_knows(backend):
    info = array_info(
        VALUES, (3, 4), put=backend.put, name="tas", cut_edges=True,
        unwritten=[(0, 0)], inline=[(0, 1)],
    )  # fmt: skip
    coords = np.array([[0, 0], [0, 1], [1, 1], [2, 2]])
    located = info.index.locate(coords)
    assert located.layouts.tolist()[:2] == [ABSENT, INLINE]
    np.testing.assert_array_equal(located.inline[1], VALUES[:3, 4:8])
    assert located.sources.tolist()[2:] == ["tas", "tas"]
    assert located.sizes.tolist()[2:] == [24, 2]
    assert info.layouts[located.layouts[3]].shape == (1, 1)


def test_an_empty_array_has_no_chunks(backend):
    info = array_info(np.empty((0, 4), "f4"), (2, 2), put=backend.put)
    assert active_array(info, backend).count() == 0
    assert backend.objects == {}


def test_an_array_without_dimensions_is_one_chunk(backend):
    info = array_info(np.float32(4.5), put=backend.put)
    assert active_array(info, backend).max() == 4.5


def test_packed_values_are_unpacked(backend):
    packing = Packing(np.float64(0.5), np.float64(10), np.dtype("i2"))
    info = array_info(VALUES, (3, 4), put=backend.put, packing=packing)
    array = active_array(info, backend)
    np.testing.assert_allclose(array.mean(), (VALUES * 0.5 + 10).mean(), rtol=1e-14)


def test_names_dims_and_attributes_are_those_given(backend):
    info = array_info(
        VALUES, (3, 4), put=backend.put, name="tas", dims=("lat", "lon"),
        attrs={"units": "K"},
    )  # fmt: skip
    array = active_array(info, backend)
    assert (array.name, array.dims, array.chunks) == ("tas", ("lat", "lon"), (3, 4))
    assert array.attrs == {"units": "K"}
    assert array.mean("lat").shape == (9,)


def test_an_absent_chunk_must_have_an_object_of_its_own(backend):
    with pytest.raises(ValueError, match="shares its object"):
        array_info(VALUES, (3, 4), put=backend.put, absent=[(0, 0)])


def test_a_chunk_of_another_shape_is_not_encoded():
    case = golden_case("x", [VALUES], "select")
    with pytest.raises(ValueError, match="elements of shape"):
        encode_chunk(VALUES[1:], case.layout)


# -- files ----------------------------------------------------------------------------


def test_objects_are_files_in_folders(backend):
    backend.put("group/var/0.0", b"abc")
    backend.put("group/zarr.json", b"{}")
    fs = backend.filesystem("group")
    assert fs.isdir("group/var")
    assert sorted(fs.find("")) == ["group/var/0.0", "group/zarr.json"]
    assert fs.ls("group", detail=False) == ["group/var", "group/zarr.json"]
    assert fs.cat_file("group/var/0.0", start=1) == b"bc"
    with pytest.raises(FileNotFoundError):
        fs.cat_file("group/none")
    with pytest.raises(PermissionError):
        fs.open("group/new", "wb")
