"""Where the reader says that chunks lie, proved on the bytes that lie there.

Every test takes what ``locate`` answers, reads those bytes with plain ``open`` and
``seek``, decodes them by hand and compares the array with what HDF5 reads by itself.
"""

import contextlib
import itertools
import math
import zlib

import h5py
import numpy as np
import pytest
from hdf5_files import (
    LOCAL,
    assemble,
    assert_proved,
    count_up,
    create,
    describe,
    write_chunks,
)
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from activecore.errors import SourceError, UnsupportedFormat
from activecore.model import ABSENT
from activecore.readers.contiguous import ContiguousIndex, cell_of_contiguous
from activecore.readers.hdf5 import storage as hdf5_storage
from activecore.readers.hdf5.index import (
    AbsentIndex,
    ChunkedIndex,
    InlineIndex,
)

LIBVERS = ("earliest", "v110", "latest")
DTYPES = (
    "i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8",
    "<u8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8",
)  # fmt: skip


# --- storage kinds ------------------------------------------------------------------


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (5, 7), (3, 4, 5), (0,), (3, 0)])
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("kind", ["contiguous", "compact", "chunked"])
def test_every_storage_kind_is_found(tmp_path, libver, shape, written, kind):
    path = tmp_path / "a.h5"
    if kind == "chunked":
        shape = shape or (1,)  # HDF5 has no chunked scalars
    chunks = tuple(min(2, max(1, n)) for n in shape)
    with h5py.File(path, "w", libver=libver) as file:
        dataset = create(
            file,
            shape,
            chunks=chunks if kind == "chunked" else None,
            maxshape=tuple(max(1, n) for n in shape) if kind == "chunked" else None,
            compact=kind == "compact",
            fill=-7,
        )
        if written:
            dataset[...] = count_up(shape)
    info = assert_proved(path)
    expected = {
        "contiguous": ContiguousIndex if written and 0 not in shape else AbsentIndex,
        "compact": InlineIndex,
        "chunked": ChunkedIndex,
    }
    assert isinstance(info.index, expected[kind])
    assert info.layouts[0].fill_value == -7


@pytest.mark.parametrize("dtype", [*DTYPES, "?"])
@pytest.mark.parametrize("kind", ["contiguous", "compact", "chunked", "filtered"])
def test_every_dtype_keeps_its_bytes(tmp_path, dtype, kind):
    path = tmp_path / "a.h5"
    values = count_up((5, 7)).astype(dtype)
    with h5py.File(path, "w") as file:
        dataset = create(
            file,
            values.shape,
            dtype=dtype,
            chunks=(2, 3) if kind in ("chunked", "filtered") else None,
            compact=kind == "compact",
            shuffle=kind == "filtered",
            deflate=kind == "filtered",
            fletcher32=kind == "filtered",
        )
        dataset[...] = values
    info = assert_proved(path)
    assert info.layouts[0].dtype == np.dtype(dtype)
    assert info.layouts[0].dtype.byteorder == np.dtype(dtype).byteorder
    assert info.dtype == np.dtype(dtype).newbyteorder("=")
    assert info.dtype.isnative
    assert info.dtype.metadata is None


def test_enumerations_are_integers_and_booleans_are_bool(tmp_path):
    path = tmp_path / "a.h5"
    kind = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42}, basetype=">i2")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.array([0, 42, 1, 1], ">i2"), dtype=kind)
        file.create_dataset("flags", data=np.array([True, False]), chunks=(2,))
    info = assert_proved(path)
    assert info.dtype == np.dtype("i2")
    assert info.layouts[0].dtype == np.dtype(">i2")
    assert info.layouts[0].fill_value == 0
    assert assert_proved(path, "flags").dtype == np.dtype(bool)


def test_an_enumeration_is_not_unpacked_but_masked(tmp_path):
    path = tmp_path / "a.h5"
    kind = h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i4")
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (3,), dtype=kind)
        dataset.attrs["scale_factor"] = 2.0
        dataset.attrs["missing_value"] = np.int32(1)
    info = describe(path)
    assert info.packing is None
    assert info.layouts[0].missing.values[0] == 1


@pytest.mark.parametrize("kind", ["contiguous", "compact", "chunked"])
def test_unsigned_storage_is_read_unsigned(tmp_path, kind):
    path = tmp_path / "a.h5"
    values = np.array([[-1, 2, -3], [4, -5, 6]], ">i2")
    with h5py.File(path, "w") as file:
        dataset = create(
            file,
            (2, 3),
            dtype=">i2",
            chunks=(2, 2) if kind == "chunked" else None,
            compact=kind == "compact",
            fill=-1,
        )
        dataset[...] = values
        dataset.attrs["_Unsigned"] = "true"
    info = describe(path)
    assert info.dtype == np.dtype("u2")
    assert info.layouts[0].dtype == np.dtype(">u2")
    assert info.layouts[0].fill_value == 65535
    np.testing.assert_array_equal(assemble(info).data, values.view(">u2"))


# --- contiguous variables in cells --------------------------------------------------


@pytest.mark.parametrize("room", [1, 4, 40, 100, 1000, 10**6])
@pytest.mark.parametrize("shape", [(), (9,), (5, 7), (3, 4, 5), (1, 1, 6), (2, 3, 1)])
def test_contiguous_variables_are_cut_into_ranges_of_bytes(
    tmp_path, monkeypatch, shape, room
):
    monkeypatch.setattr(hdf5_storage, "CELL_BYTES", room)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = count_up(shape, "f8")
    info = assert_proved(path)
    cell = info.index.chunk_shape
    assert all(layout.nbytes <= max(room, 8) for layout in info.layouts)
    cuts = [axis for axis, (n, c) in enumerate(zip(shape, cell, strict=True)) if n != c]
    if cuts:
        assert cell[: cuts[-1]] == (1,) * cuts[-1]
        assert 2 * math.prod(cell) * 8 > room or math.prod(cell) == 1
    assert info.chunks is None
    assert len(info.layouts) <= 2


def test_four_mib_are_one_cell():
    assert cell_of_contiguous((1000, 1024, 1024), 4, 4 << 20) == (1, 1024, 1024)
    assert cell_of_contiguous((1000, 100, 100), 4, 4 << 20) == (104, 100, 100)
    assert cell_of_contiguous((3, 4096, 4096), 4, 4 << 20) == (1, 256, 4096)
    assert cell_of_contiguous((0, 5), 4, 4 << 20) == (1, 5)


# --- chunk indexes ------------------------------------------------------------------


EVERYTHING = range(10**6)

INDEXES = {
    "single chunk": {"shape": (4, 5), "chunks": (4, 5)},
    "single chunk over the edge": {
        "shape": (3, 5), "maxshape": (4, 5), "chunks": (4, 5),
    },
    "implicit": {"shape": (5, 7), "chunks": (2, 2), "early": True},
    "implicit with room": {
        "shape": (5, 7), "maxshape": (9, 11), "chunks": (2, 2), "early": True,
    },
    "fixed array": {"shape": (5, 7), "chunks": (2, 2)},
    "fixed array with room": {
        "shape": (5, 7), "maxshape": (9, 11), "chunks": (2, 2),
    },
    "extensible array": {"shape": (5, 7), "maxshape": (None, 7), "chunks": (2, 2)},
    "extensible array with room": {
        "shape": (5, 7), "maxshape": (None, 20), "chunks": (2, 2),
    },
    "extensible array turned": {
        "shape": (5, 7), "maxshape": (5, None), "chunks": (2, 2),
    },
    "extensible array turned, with room": {
        "shape": (5, 7), "maxshape": (20, None), "chunks": (2, 2),
    },
    "square extensible array turned": {
        "shape": (6, 6), "maxshape": (6, None), "chunks": (2, 2),
    },
    "extensible array turned, the middle": {
        "shape": (4, 6, 5), "maxshape": (9, None, 8), "chunks": (3, 2, 2),
    },
    "extensible array turned, the last of four": {
        "shape": (3, 2, 4, 5), "maxshape": (3, 4, 5, None), "chunks": (2, 1, 3, 2),
    },
    "early extensible array turned": {
        "shape": (5, 7), "maxshape": (8, None), "chunks": (2, 2), "early": True,
    },
    "version-2 B-tree": {
        "shape": (5, 7), "maxshape": (None, None), "chunks": (2, 2),
    },
    "version-2 B-tree of three": {
        "shape": (5, 3, 7), "maxshape": (None, 4, None), "chunks": (2, 2, 2),
    },
    "one dimension": {"shape": (77,), "maxshape": (None,), "chunks": (4,)},
}  # fmt: skip


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("name", INDEXES)
def test_every_chunk_index_is_read_right(tmp_path, libver, filtered, name):
    path = tmp_path / "a.h5"
    how = dict(INDEXES[name], shuffle=filtered, deflate=filtered, fill=-3)
    written = {"all": EVERYTHING, "some": {0, 3, 4}, "one": {2}, "none": set()}
    with h5py.File(path, "w", libver=libver) as file:
        for label, which in written.items():
            write_chunks(create(file, name=label, **how), which)
    for label in written:
        assert_proved(path, label)


def test_the_index_kinds_meant_are_the_ones_tested(tmp_path):
    from activecore.readers.hdf5.file import HDF5File
    from activecore.readers.hdf5.header import read_chunk_storage
    from activecore.readers.hdf5.tree import address_of

    kinds = {}
    for libver in ("earliest", "latest"):
        path = tmp_path / f"{libver}.h5"
        with h5py.File(path, "w", libver=libver) as file:
            for name, how in INDEXES.items():
                create(file, name=name, **how)
        file = HDF5File(LOCAL, str(path))
        for name in INDEXES:
            storage = read_chunk_storage(file.read, address_of(file.h5[name]), 8)
            kinds[libver, name] = storage.index
        file.close()
    assert {kinds["earliest", name] for name in INDEXES} == {None}
    assert kinds["latest", "single chunk"] == 1
    assert kinds["latest", "implicit"] == kinds["latest", "implicit with room"] == 2
    assert kinds["latest", "fixed array"] == 3
    assert kinds["latest", "extensible array turned"] == 4
    assert kinds["latest", "version-2 B-tree"] == 5


@st.composite
def histories(draw):
    """A chunked dataset that is created, written, resized and written again."""
    ndim = draw(st.integers(1, 4))
    lengths = st.integers(0, 7 if ndim < 3 else 4)
    shape = tuple(draw(st.tuples(*[lengths] * ndim)))
    maxshape = tuple(
        draw(st.sampled_from([None, max(1, n), max(1, n) + 3])) for n in shape
    )
    chunks = tuple(
        draw(st.integers(1, 4 if most is None else min(4, most))) for most in maxshape
    )
    numbers = st.sets(st.integers(0, 30))
    steps = [(shape, draw(numbers))]
    for _ in range(draw(st.integers(0, 2))):
        grown = tuple(
            draw(st.integers(0, 8 if most is None else most)) for most in maxshape
        )
        steps.append((grown, draw(numbers)))
    how = {key: draw(st.booleans()) for key in ("early", "shuffle", "deflate")}
    how["fletcher32"] = draw(st.booleans())
    how["fill"] = draw(st.sampled_from([None, -3]))
    # HDF5 itself fails when it resizes such a dataset.
    how["edges_unfiltered"] = len(steps) == 1 and draw(st.booleans())
    return draw(st.sampled_from(LIBVERS)), maxshape, chunks, steps, how


@settings(max_examples=250, deadline=None)
@given(histories())
def test_any_history_of_a_chunked_dataset_is_read_right(tmp_path_factory, history):
    libver, maxshape, chunks, steps, how = history
    path = tmp_path_factory.mktemp("history") / "a.h5"
    with h5py.File(path, "w", libver=libver) as file:
        dataset = create(file, steps[0][0], maxshape=maxshape, chunks=chunks, **how)
        for shape, which in steps:
            try:
                dataset.resize(shape)
            except RuntimeError as error:
                # HDF5 itself will not resize all that it allocated early.
                if "modify constant message" not in str(error):
                    raise
                reject()
            write_chunks(dataset, which)
    assert_proved(path)


def test_chunks_over_the_edge_may_be_unfiltered(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        dataset = create(
            file,
            (5, 7),
            chunks=(2, 3),
            deflate=True,
            shuffle=True,
            edges_unfiltered=True,
        )
        dataset[...] = count_up((5, 7))
    info = assert_proved(path)
    located = info.index.locate(np.array([[0, 0], [2, 0], [0, 2], [1, 1]]))
    assert [len(info.layouts[n].codecs) for n in located.layouts] == [2, 0, 0, 2]


def test_a_complete_index_needs_no_chunk_numbers(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=count_up((9, 9)), chunks=(2, 2))
        sparse = file.create_dataset("y", (9, 9), "i4", chunks=(2, 2))
        write_chunks(sparse, {3, 20})
    assert assert_proved(path).index.numbers is None
    assert assert_proved(path, "y").index.numbers.tolist() == [3, 20]


def test_columns_answer_in_the_order_asked_for(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (9, 9), "i4", chunks=(2, 2))
        write_chunks(dataset, set(range(0, 25, 2)))
    index = describe(path).index
    coords = np.array(list(np.ndindex(5, 5)))
    forward = index.locate(coords)
    backward = index.locate(coords[::-1])
    assert (forward.layouts == ABSENT).sum() == 12
    for column in ("offsets", "sizes", "layouts"):
        ahead = getattr(forward, column)
        assert ahead.dtype == np.int64
        here = ahead[forward.layouts >= 0]
        there = getattr(backward, column)[::-1][forward.layouts >= 0]
        np.testing.assert_array_equal(here, there)
    nothing = index.locate(np.empty((0, 2), np.int64))
    assert len(nothing.offsets) == 0


# --- filters ------------------------------------------------------------------------


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_each_filter_mask_is_a_layout(tmp_path, libver):
    path = tmp_path / "a.h5"
    values = count_up((8, 3), "i4").astype("i4")
    with h5py.File(path, "w", libver=libver) as file:
        dataset = create(file, (8, 3), chunks=(2, 3), shuffle=True, deflate=True)
        for place, mask in enumerate((0b00, 0b01, 0b10, 0b11)):
            block = values[2 * place : 2 * place + 2]
            data = block.tobytes()
            if not mask & 1:
                data = block.reshape(-1).view("u1").reshape(-1, 4).T.tobytes()
            if not mask & 2:
                data = zlib.compress(data)
            dataset.id.write_direct_chunk((2 * place, 0), data, mask)
    info = assert_proved(path)
    located = info.index.locate(np.array([[0, 0], [1, 0], [2, 0], [3, 0]]))
    ids = [[c.id for c in info.layouts[n].codecs] for n in located.layouts]
    assert ids == [["shuffle", "zlib"], ["zlib"], ["shuffle"], []]
    assert [c.id for c in info.layouts[0].codecs] == ["shuffle", "zlib"]


def test_layout_0_has_all_filters_even_if_no_chunk_has(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = create(file, (2,), chunks=(2,), deflate=True)
        dataset.id.write_direct_chunk((0,), np.array([1, 2], "i4").tobytes(), 1)
    info = assert_proved(path)
    assert [len(layout.codecs) for layout in info.layouts] == [1, 0]


# --- user blocks --------------------------------------------------------------------


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("size", [512, 1024, 4096, 16384])
def test_addresses_count_the_user_block(tmp_path, libver, size):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=size) as file:
        file.create_dataset("x", data=count_up((5, 7)), chunks=(2, 2))
        file["whole"] = count_up((5, 7))
        file["z"] = file.create_dataset("y", data=count_up((5, 7)), compression=4)
        turned = file.create_dataset(
            "t", (5, 7), "i4", chunks=(2, 2), maxshape=(5, None)
        )
        turned[...] = count_up((5, 7))
    with path.open("r+b") as file:
        file.write(b"something else altogether")
    for name in ("x", "whole", "y", "z", "t"):
        assert_proved(path, name)


def test_a_block_put_before_a_finished_file_is_skipped(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=count_up((5, 7)), chunks=(2, 2))
        file["whole"] = count_up((5, 7))
    moved = tmp_path / "b.h5"
    moved.write_bytes(b"#!" + bytes(2046) + path.read_bytes())
    for name in ("x", "whole"):
        assert_proved(moved, name)


# --- refusals -----------------------------------------------------------------------


def test_external_files_are_refused_by_name(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", (4,), "f8", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        )[:] = 1
    with pytest.raises(UnsupportedFormat, match="'x' .*external"):
        describe(path)


def test_virtual_datasets_are_refused_by_name(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["y"] = np.arange(4.0)
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource(file["y"])
        file.create_virtual_dataset("x", layout)
    with pytest.raises(UnsupportedFormat, match="'x' .*virtual"):
        describe(path)


def test_chunks_beyond_the_end_of_the_file_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=count_up((40, 40)), chunks=(20, 40))
        file["whole"] = count_up((40, 40))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    for name in ("x", "whole"):
        with pytest.raises(UnsupportedFormat, match="truncated|cut short"):
            describe(path, name)


def test_numbers_of_unusual_width_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"x", kind, space)
        wide = h5py.h5t.IEEE_F32LE.copy()
        wide.set_fields(23, 17, 6, 0, 17)
        wide.set_precision(24)
        h5py.h5d.create(file.id, b"y", wide, space)
    for name in ("x", "y"):
        with pytest.raises(UnsupportedFormat, match=f"'{name}' holds numbers"):
            describe(path, name)


@pytest.mark.parametrize("damage", range(12))
def test_a_damaged_index_is_one_error_or_the_right_answer(tmp_path, damage):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=("earliest", "latest")[damage % 2]) as file:
        file.create_dataset("x", data=count_up((40, 40)), chunks=(4, 4))
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(damage)
    for place in random.integers(8, len(data), 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    # A flipped byte of a name or an attribute does no harm.
    with contextlib.suppress(SourceError):
        assert describe(path).shape


def test_every_permutation_of_the_unlimited_dimension_is_put_right(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number, (axis, room) in enumerate(
            itertools.product(range(3), ((0, 0, 0), (3, 1, 0), (0, 5, 2)))
        ):
            shape = (4, 5, 6)
            most = [n + more for n, more in zip(shape, room, strict=True)]
            most[axis] = None
            dataset = create(
                file, shape, name=f"v{number}", maxshape=tuple(most), chunks=(2, 2, 3)
            )
            write_chunks(dataset, set(range(0, 40, 1 + number % 3)))
    for number in range(9):
        assert_proved(path, f"v{number}")
