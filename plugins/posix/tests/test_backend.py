"""The backend against NumPy on raw files, and everything a file may do meanwhile."""

import os
import pickle
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fsspec
import numpy as np
import pytest

import activecore_posix.backend
from activecore import (
    BackendError,
    ChunkBatch,
    ChunkDecodeError,
    ChunkLayout,
    ChunkNotFound,
    ChunkReadError,
    ChunkRequest,
    Codec,
    ConfigError,
    SourceChanged,
    source_version,
)
from activecore_posix import PosixBackend, PosixOptions

SHAPE = (8, 32, 32)
NBYTES = 4 * 8 * 32 * 32
EVERYTHING = tuple(slice(0, length, 1) for length in SHAPE)


@pytest.fixture(params=["read", "mmap"])
def backend(request):
    return PosixBackend(PosixOptions(access=request.param))


@pytest.fixture
def data():
    return np.random.default_rng(7).normal(280, 10, (40, *SHAPE)).astype("<f4")


@pytest.fixture
def path(tmp_path, data):
    """A file of 40 chunks, one after the other."""
    path = tmp_path / "data.bin"
    path.write_bytes(data.tobytes())
    return path


def batch(sources, offsets, sizes, operation="sum", axis=(0, 1, 2), **options):
    n = len(offsets)
    return ChunkBatch(
        layout=options.pop("layout", ChunkLayout("<f4", SHAPE)),
        sources=np.array(
            [str(s) for s in sources]
            if isinstance(sources, list)
            else [str(sources)] * n,
            dtype=object,
        ),
        offsets=np.asarray(offsets),
        sizes=np.asarray(sizes),
        selection=options.pop("selection", EVERYTHING),
        axis=axis,
        operation=operation,
        **options,
    )


def of_chunks(path, numbers, **options):
    return batch(
        path, [n * NBYTES for n in numbers], [NBYTES] * len(numbers), **options
    )


def version_of(path):
    return source_version(fsspec.filesystem("file").info(str(path)))


def open_descriptors():
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("axis", [(0,), (1, 2), (0, 1, 2), ()])
def test_extremes_of_every_chunk_are_numpy_s(backend, path, data, axis):
    numbers = [3, 0, 39, 17]
    partial = backend.reduce_chunks(
        of_chunks(path, numbers, operation="extrema", axis=axis)
    )
    axes = tuple(a + 1 for a in axis)
    np.testing.assert_array_equal(
        partial.values[0], data[numbers].min(axes, keepdims=True)
    )
    np.testing.assert_array_equal(
        partial.values[1], data[numbers].max(axes, keepdims=True)
    )


def test_selected_elements_are_numpy_s(backend, path, data):
    selection = (slice(1, 8, 3), (0, 5, 5, 31), slice(0, 32, 1))
    asked = of_chunks(path, [39, 1], operation="select", axis=(), selection=selection)
    partial = backend.reduce_chunks(asked)
    right = data[[39, 1], 1:8:3][:, :, [0, 5, 5, 31]]
    np.testing.assert_array_equal(partial.values[0], right)


def test_mapped_and_read_files_give_the_same_bits(path):
    asked = of_chunks(path, range(40), operation="moments", axis=(0, 1))
    read = PosixBackend().reduce_chunks(asked)
    mapped = PosixBackend(PosixOptions(access="mmap")).reduce_chunks(asked)
    for ours, theirs in zip(read.values, mapped.values, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_answers_do_not_change_when_the_next_batch_is_read(backend, path, data):
    first = backend.reduce_chunks(of_chunks(path, [0, 1], operation="select", axis=()))
    backend.reduce_chunks(of_chunks(path, [20, 21], operation="select", axis=()))
    np.testing.assert_array_equal(first.values[0], data[[0, 1]])


@pytest.fixture
def in_parts(monkeypatch):
    """Read three chunks at a time."""
    monkeypatch.setattr(activecore_posix.backend, "_READ_BYTES", 3 * NBYTES + 5)


@pytest.mark.usefixtures("in_parts")
def test_a_batch_that_is_read_in_parts_is_answered_whole(backend, path, data):
    numbers = [5, 4, 39, 0, 1, 1, 7]
    partial = backend.reduce_chunks(of_chunks(path, numbers, operation="max"))
    np.testing.assert_array_equal(
        partial.values[0].ravel(), data[numbers].max(axis=(1, 2, 3))
    )
    assert partial.cost.bytes_read >= 6 * NBYTES
    nothing = backend.reduce_chunks(of_chunks(path, []))
    assert len(nothing.count) == 0


@pytest.mark.usefixtures("in_parts")
def test_errors_and_absence_in_later_parts_have_their_place_in_the_batch(
    backend, path, tmp_path
):
    beyond = of_chunks(path, [0, 1, 2, 3, 40])
    with pytest.raises(ChunkReadError) as error:
        backend.reduce_chunks(beyond)
    assert error.value.position == 4
    sources = [path, path, path, path, tmp_path / "none"]
    offsets = [NBYTES * n for n in range(5)]
    partial = backend.reduce_chunks(batch(sources, offsets, [NBYTES] * 5))
    assert partial.absent.tolist() == [4]


def test_one_chunk_is_a_batch_of_one(backend, path, data):
    partial = backend.reduce_chunk(of_chunks(path, [5], operation="max")[0])
    assert partial.values[0].shape == (1, 1, 1)
    assert partial.values[0].item() == data[5].max()
    assert partial.cost.bytes_received == NBYTES


def test_sixteen_threads_share_a_backend_and_a_file(backend, path, data):
    ready = threading.Barrier(16)

    def ask(seed):
        numbers = np.random.default_rng(seed).integers(0, 40, 9).tolist()
        ready.wait()
        for _ in range(20):
            partial = backend.reduce_chunks(of_chunks(path, numbers, operation="max"))
            right = data[numbers].max((1, 2, 3), keepdims=True)
            np.testing.assert_array_equal(partial.values[0], right)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))


def test_neighbours_in_the_file_are_read_in_one_go(path):
    tiny = ChunkLayout("<f4", (8,))
    asked = batch(
        path,
        np.arange(4096)[::-1] * 32,
        [32] * 4096,
        layout=tiny,
        selection=(slice(0, 8, 1),),
        axis=(0,),
    )
    cost = PosixBackend().reduce_chunks(asked).cost
    assert (cost.requests, cost.bytes_read, cost.bytes_received) == (
        1,
        4096 * 32,
        4096 * 32,
    )


def test_what_lies_far_apart_is_read_apart(path):
    cost = PosixBackend().reduce_chunks(of_chunks(path, [0, 1, 20, 21, 39])).cost
    assert (cost.requests, cost.bytes_read) == (3, 5 * NBYTES)


def test_the_same_chunk_twice_is_read_once(backend, path, data):
    partial = backend.reduce_chunks(of_chunks(path, [4, 4], operation="min"))
    assert partial.cost.requests == 1
    assert partial.values[0].ravel().tolist() == [data[4].min()] * 2


def test_the_version_is_what_fsspec_says_of_the_same_file(backend, path, data):
    backend.reduce_chunks(of_chunks(path, [0], version=version_of(path)))


def test_the_version_is_that_of_the_file_behind_a_link(backend, path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    backend.reduce_chunks(of_chunks(link, [0], version=version_of(link)))


def rewrite(path):
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, ns=(0, 1))


def replace(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def append(path):
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("change", [rewrite, replace, append, os.remove])
def test_a_file_changed_since_it_was_opened_is_an_error(backend, path, change):
    version = version_of(path)
    change(path)
    with pytest.raises(SourceChanged, match=str(path)):
        backend.reduce_chunks(of_chunks(path, [0], version=version))


@pytest.mark.parametrize("change", [rewrite, append])
def test_a_file_changed_while_it_is_read_is_an_error(path, change, monkeypatch):
    preadv = os.preadv

    def preadv_and_change(*args):
        came = preadv(*args)
        change(path)
        return came

    monkeypatch.setattr(os, "preadv", preadv_and_change)
    with pytest.raises(SourceChanged, match="while it was read"):
        PosixBackend().reduce_chunks(of_chunks(path, [0]))


def test_a_mapped_file_changed_while_it_is_reduced_is_an_error(path, monkeypatch):
    def reduce_and_change(*args, **kwargs):
        append(path)
        raise ChunkDecodeError("rubbish, because somebody wrote", position=0)

    monkeypatch.setattr(activecore_posix.backend, "reduce_buffers", reduce_and_change)
    with pytest.raises(SourceChanged, match="while it was read") as caught:
        PosixBackend(PosixOptions(access="mmap")).reduce_chunks(
            of_chunks(path, range(40))
        )
    assert isinstance(caught.value.__context__, ChunkDecodeError)


def test_a_chunk_beyond_the_end_of_the_file_is_an_error_that_names_it(backend, path):
    with pytest.raises(ChunkReadError, match="ends at byte") as caught:
        backend.reduce_chunks(of_chunks(path, [3, 40, 4]))
    assert caught.value.position == 1


def test_a_file_cut_short_while_it_is_read_is_an_error_that_names_the_chunk(
    path, monkeypatch
):
    preadv = os.preadv

    def stop_in_the_second_chunk(fd, buffers, offset):
        if offset >= NBYTES + 100:
            return 0
        (buffer,) = buffers
        return preadv(fd, [buffer[: NBYTES + 100 - offset]], offset)

    monkeypatch.setattr(os, "preadv", stop_in_the_second_chunk)
    with pytest.raises(ChunkReadError, match="ended before") as caught:
        PosixBackend().reduce_chunks(of_chunks(path, [2, 0, 1]))
    assert caught.value.position == 2


def test_reads_that_come_in_pieces_are_put_together(path, data, monkeypatch):
    preadv = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda fd, bs, offset: preadv(fd, [bs[0][:1000]], offset)
    )
    partial = PosixBackend().reduce_chunks(of_chunks(path, [9, 8], operation="max"))
    assert partial.values[0].ravel().tolist() == data[[9, 8]].max((1, 2, 3)).tolist()
    assert partial.cost.requests == 1


def test_a_disk_that_fails_is_an_error_that_names_the_chunk(path, monkeypatch):
    preadv = os.preadv

    def fail_in_the_third_chunk(fd, buffers, offset):
        if offset >= 2 * NBYTES:
            raise OSError(5, "Input/output error")
        return preadv(fd, [buffers[0][: 2 * NBYTES - offset]], offset)

    monkeypatch.setattr(os, "preadv", fail_in_the_third_chunk)
    with pytest.raises(ChunkReadError, match="Input/output error") as caught:
        PosixBackend().reduce_chunks(of_chunks(path, [2, 1, 0]))
    assert caught.value.position == 0


@pytest.mark.parametrize("offset", [-1, 2**62])
@pytest.mark.parametrize("size", [-2, 2**62, 2**63 - 1])
def test_a_corrupt_index_is_an_error_before_memory_is_taken(
    backend, path, offset, size
):
    with pytest.raises(ChunkReadError):
        backend.reduce_chunks(batch(path, [0, offset], [NBYTES, size]))


def test_an_object_far_too_large_for_its_chunk_is_refused_unread(backend, tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ChunkDecodeError, match="are stored for a chunk of"):
        backend.reduce_chunks(batch(path, [0], [-1]))


def test_objects_that_are_not_there_are_absent(backend, tmp_path, data):
    paths = [tmp_path / name for name in "abcd"]
    for path, chunk in zip(paths[::2], data, strict=False):
        path.write_bytes(chunk.tobytes())
    partial = backend.reduce_chunks(batch(paths, [0] * 4, [-1] * 4, operation="max"))
    assert partial.absent.tolist() == [1, 3]
    assert (
        partial.values[0][[0, 2]].ravel().tolist() == data[:2].max((1, 2, 3)).tolist()
    )
    with pytest.raises(ChunkNotFound):
        backend.reduce_chunk(batch([paths[1]], [0], [-1])[0])


def test_a_range_of_a_file_that_is_not_there_is_absent_too(backend, tmp_path):
    # What that means is the core's to say: only Zarr's layouts say "fill".
    partial = backend.reduce_chunks(batch(tmp_path / "none", [0, NBYTES], [NBYTES] * 2))
    assert partial.absent.tolist() == [0, 1]


def make_directory(path):
    path.mkdir()


def make_fifo(path):
    os.mkfifo(path)


def make_dangling_link(path):
    path.symlink_to("nowhere")


def make_link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make", [make_directory, make_fifo, make_dangling_link, make_link_to_itself]
)
def test_what_is_there_but_no_file_is_an_error_and_never_absence(
    backend, tmp_path, make
):
    make(tmp_path / "chunk")
    with pytest.raises(ChunkReadError) as caught:
        backend.reduce_chunks(
            batch([tmp_path / "none", tmp_path / "chunk"], [0, 0], [-1, -1])
        )
    assert caught.value.position == 1


def test_a_file_where_a_directory_should_be_is_an_error_and_never_absence(
    backend, path
):
    with pytest.raises(ChunkReadError, match="Not a directory"):
        backend.reduce_chunks(batch([path / "0.0"], [0], [-1]))


def test_a_name_that_no_file_can_have_is_an_error(backend):
    with pytest.raises(ChunkReadError, match="null"):
        backend.reduce_chunks(batch(["a\0b"], [0], [-1]))


@pytest.fixture
def ordinary_user():
    """Root may read everything: be somebody else meanwhile."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_forbidden_file_is_an_error_and_never_absence(backend, path, ordinary_user):
    with suppress(PermissionError):  # that of somebody else is forbidden already
        path.chmod(0)
    with pytest.raises(ChunkReadError, match="Permission denied"):
        backend.reduce_chunks(batch([path], [0], [-1]))


def test_a_file_removed_on_the_server_is_a_changed_source(path, monkeypatch):
    def stale(*_):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "preadv", stale)
    with pytest.raises(SourceChanged, match="removed or replaced"):
        PosixBackend().reduce_chunks(of_chunks(path, [0]))


@pytest.mark.parametrize("is_mapped_size", [False, True])
def test_thousands_of_chunk_files_need_few_descriptors(
    backend, tmp_path, is_mapped_size
):
    shape, n = ((70000,), 40) if is_mapped_size else ((16,), 3000)
    data = np.arange(n * shape[0], dtype="<f4").reshape(n, *shape)
    paths = [tmp_path / f"c{i}" for i in range(n)]
    for path, chunk in zip(paths, data, strict=True):
        path.write_bytes(chunk.tobytes())
    asked = batch(
        paths,
        [0] * n,
        [-1] * n,
        operation="max",
        axis=(0,),
        layout=ChunkLayout("<f4", shape),
        selection=(slice(0, shape[0], 1),),
    )
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() + 110, limits[1]))
    try:
        partial = backend.reduce_chunks(asked)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    np.testing.assert_array_equal(partial.values[0].ravel(), data.max(1))
    assert partial.cost.requests == n


def test_every_descriptor_is_closed_whatever_happens(backend, path, tmp_path):
    before = open_descriptors()
    backend.reduce_chunks(of_chunks(path, range(40)))
    wrong = [
        of_chunks(path, [41]),
        of_chunks(path, [0], version="another"),
        batch([tmp_path], [0], [-1]),
        of_chunks(
            path,
            range(40),
            layout=ChunkLayout("<f4", (9, 32, 32)),
            selection=(slice(0, 9, 1), *EVERYTHING[1:]),
        ),
        of_chunks(
            path, range(40), layout=ChunkLayout("<f4", SHAPE, codecs=[Codec.of("zlib")])
        ),
    ]
    for asked in wrong:
        with pytest.raises((ChunkReadError, ChunkDecodeError, SourceChanged)):
            backend.reduce_chunks(asked)
    assert open_descriptors() == before


def test_an_empty_file_is_an_empty_buffer_that_does_not_decode(backend, tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(ChunkDecodeError) as caught:
        backend.reduce_chunks(batch([tmp_path / "empty"], [0], [-1]))
    assert caught.value.position == 0


def test_plain_ranges_are_bytes_of_their_own(backend, path, data):
    first = backend.read_range(str(path), NBYTES, NBYTES)
    whole = backend.read_range(str(path), 0, -1)
    assert first == data[1].tobytes()
    assert whole == data.tobytes()
    with pytest.raises(ChunkNotFound):
        backend.read_range(str(path) + "x", 0, -1)


def test_a_batch_of_nothing_is_an_empty_partial(backend):
    partial = backend.reduce_chunks(batch([], [], []))
    assert partial.values[0].shape == (0, 1, 1, 1)


@pytest.mark.parametrize("url", ["/data/x.nc", "x.nc", "file:///data/x.nc", "C:x"])
def test_paths_and_file_urls_are_local(backend, url):
    assert backend.filesystem(url) == fsspec.filesystem("file")


def test_other_urls_are_refused_with_what_it_reads(backend):
    with pytest.raises(ConfigError, match=r"file:// URLs, not s3:// URLs"):
        backend.filesystem("s3://bucket/x.nc")


def test_a_closed_backend_refuses_and_may_be_closed_again(backend, path):
    backend.close()
    backend.close()
    for ask in (
        lambda: backend.reduce_chunks(of_chunks(path, [0])),
        lambda: backend.reduce_chunk(of_chunks(path, [0])[0]),
        lambda: backend.read_range(str(path), 0, 1),
        lambda: backend.filesystem("x.nc"),
        backend.check,
    ):
        with pytest.raises(BackendError, match="closed"):
            ask()


def test_a_backend_travels_to_another_process(backend, path, data):
    there = pickle.loads(pickle.dumps(backend))
    assert there.options == backend.options
    partial = there.reduce_chunks(of_chunks(path, [2], operation="min"))
    assert partial.values[0].item() == data[2].min()


def test_check_says_how_files_are_read():
    assert "read" in PosixBackend().check()
    assert "mapped" in PosixBackend(PosixOptions(access="mmap")).check()


def test_a_misspelt_option_is_refused_with_the_right_spelling():
    with pytest.raises(ConfigError, match="did you mean 'access'"):
        PosixOptions.make({"acces": "mmap"})
    with pytest.raises(ConfigError, match="'read' or 'mmap'"):
        PosixOptions.make({"access": "fast"})


def test_a_codec_that_nothing_decodes_is_named_before_anything_is_read(backend):
    layout = ChunkLayout("<f4", SHAPE, codecs=[Codec.of("no-such-codec")])
    reason = backend.why_not(batch([], [], [], layout=layout))
    assert reason is not None
    assert "no-such-codec" in reason


def test_request_of_one_chunk_carries_the_version(backend, path):
    request = of_chunks(path, [0], version="another")[0]
    assert isinstance(request, ChunkRequest)
    with pytest.raises(SourceChanged):
        backend.reduce_chunk(request)
