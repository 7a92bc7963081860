"""Uncompressed data: nothing is read that a selection does not need, and all is right."""

import math

import netCDF4
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import activecore as ac
from activecore import ChunkBatch, ChunkLayout
from activecore.narrow import narrowed

SHAPE = (50, 200, 300)
ROW = 4 * 200 * 300


@st.composite
def asked(draw):
    """Draw the shape of a chunk, and a selection of it."""
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    selection = []
    for length in shape:
        if draw(st.booleans()):
            start = draw(st.integers(0, length - 1))
            stop = draw(st.integers(start + 1, length))
            selection.append(slice(start, stop, draw(st.integers(1, 3))))
        else:
            positions = st.lists(st.integers(0, length - 1), min_size=1, max_size=4)
            selection.append(tuple(sorted(draw(positions))))
    return shape, tuple(selection)


def picked(elements, selection):
    """Select as NumPy does, each dimension by itself."""
    grid = [
        np.arange(length)[item if isinstance(item, slice) else list(item)]
        for item, length in zip(selection, elements.shape, strict=True)
    ]
    return elements[np.ix_(*grid)]


@given(asked())
def test_the_bytes_that_are_left_hold_the_selection_and_end_with_it(drawn):
    shape, selection = drawn
    layout = ChunkLayout("<i4", shape)
    stored = np.arange(3 * math.prod(shape), dtype="<i4")
    offsets = np.array([0, 2]) * layout.nbytes
    batch = ChunkBatch(
        layout=layout,
        sources=np.array(["a", "a"], dtype=object),
        offsets=offsets,
        sizes=np.full(2, layout.nbytes),
        selection=selection,
        axis=(),
        operation="select",
    )
    part = narrowed(batch)
    raw = stored.tobytes()
    for row, (offset, size) in enumerate(zip(part.offsets, part.sizes, strict=True)):
        assert offsets[row] <= offset
        assert offset + size <= offsets[row] + layout.nbytes
        elements = np.frombuffer(raw[offset : offset + size], "<i4")
        elements = elements.reshape(part.layout.shape)
        chunk = stored.reshape(3, *shape)[2 * row]
        want = picked(chunk, selection)
        np.testing.assert_array_equal(picked(elements, part.selection), want)
    # What lies before the first element that is wanted, and behind the last one, is
    # less than a row of the dimensions behind the slowest with several positions.
    flat = picked(np.arange(math.prod(shape)).reshape(shape), selection)
    several = [
        a
        for a, n in enumerate(selection)
        if len(set(np.arange(shape[a])[n if isinstance(n, slice) else list(n)])) > 1
    ]
    row = math.prod(shape[several[0] + 1 :]) if several else 1
    begin = int(part.offsets[0]) // 4
    assert flat.min() - row < begin <= flat.min()
    assert flat.max() < begin + int(part.sizes[0]) // 4 <= flat.max() + row


def test_encoded_chunks_whole_objects_and_what_lies_nowhere_stay_whole():
    one = {
        "sources": np.array(["a"], dtype=object),
        "offsets": np.zeros(1, np.int64),
        "selection": (slice(1, 2, 1), slice(0, 3, 1)),
        "axis": (),
        "operation": "select",
    }
    zlib = ChunkLayout("<i4", (2, 3), codecs=[ac.Codec.of("zlib")])
    batch = ChunkBatch(layout=zlib, sizes=np.array([24]), **one)
    assert narrowed(batch) is batch
    batch = ChunkBatch(layout=ChunkLayout("<i4", (2, 3)), sizes=np.array([-1]), **one)
    assert narrowed(batch) is batch
    nowhere = {**one, "offsets": np.full(1, -8)}
    batch = ChunkBatch(
        layout=ChunkLayout("<i4", (2, 3)), sizes=np.array([24]), **nowhere
    )
    assert narrowed(batch) is batch
    fortran = ChunkLayout("<i4", (2, 3), order="F")
    batch = ChunkBatch(layout=fortran, sizes=np.array([24]), **one)
    assert narrowed(batch) is batch


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(280, 9, SHAPE).astype("f4")


@pytest.fixture(
    scope="module",
    params=["contiguous", "chunked", "classic", "records", "sharded"],
)
def stored(request, tmp_path_factory, values):
    path = tmp_path_factory.mktemp("narrow") / f"{request.param}.nc"
    if request.param == "sharded":
        group = zarr.open_group(path.with_suffix(".zarr"), mode="w", zarr_format=3)
        array = group.create_array(
            "tas",
            shape=SHAPE,
            chunks=(1, *SHAPE[1:]),
            shards=(10, *SHAPE[1:]),
            dtype="f4",
            compressors=None,
            dimension_names=("time", "lat", "lon"),
        )
        array[:] = values
        return str(path.with_suffix(".zarr"))
    kind = {"classic": "NETCDF3_CLASSIC", "records": "NETCDF3_64BIT_OFFSET"}
    with netCDF4.Dataset(path, "w", format=kind.get(request.param, "NETCDF4")) as ds:
        ds.createDimension("time", None if request.param == "records" else SHAPE[0])
        ds.createDimension("lat", SHAPE[1])
        ds.createDimension("lon", SHAPE[2])
        dims = ("time", "lat", "lon")
        options = {"chunksizes": (1, *SHAPE[1:])} if request.param == "chunked" else {}
        if request.param == "contiguous":
            options = {"contiguous": True}
        ds.createVariable("tas", "f4", dims, **options)[:] = values
        # Another record variable, so that records do not touch.
        ds.createVariable("pr", "f4", dims)[:] = 0
    return str(path)


SELECTIONS = {
    "a point": (np.s_[:, 100, 150], 50 * 4),
    "a region": (np.s_[:, 20:40, 30:60], 50 * 4 * (20 * 300)),
    "every tenth time of a row": (np.s_[::10, 7], 5 * 4 * 300),
    "some times, backwards": (np.s_[[40, 3, 3, 20], ::-50, 5:9], 3 * 4 * (151 * 300)),
    "two rows of one time": (np.s_[9, [0, 1]], 4 * 2 * 300),
    "an element": (np.s_[49, 199, 299], 4),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_part_costs_no_more_bytes_than_lie_between_its_ends(stored, values, name):
    key, most = SELECTIONS[name]
    keys = [*key, np.s_[:]][: len(SHAPE)]
    rows = [np.atleast_1d(np.arange(n)[k]) for n, k in zip(SHAPE, keys, strict=True)]
    want = values[np.ix_(*rows)].astype("f8")
    with ac.open(stored, backend="posix") as data, ac.record() as run:
        got = data["tas"][key].mean()
        np.testing.assert_allclose(got, want.mean(), rtol=1e-12)
        part = data["tas"][key].read()
        np.testing.assert_array_equal(np.asarray(part).ravel(), want.ravel())
    # Twice: reduced, and read. Tables of shards are read besides, before the run.
    assert run.bytes_read <= 2 * most


def test_what_is_asked_of_all_is_cut_as_before(stored, values):
    with ac.open(stored, backend="posix") as data:
        whole = data["tas"]
        np.testing.assert_allclose(
            whole.mean(axis=0), values.astype("f8").mean(axis=0), rtol=1e-12
        )
        assert whole[...].info.index.chunk_shape == whole.info.index.chunk_shape
