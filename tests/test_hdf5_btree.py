"""The version-1 B-tree of chunks as it is read here, compared with HDF5's own walk."""

import ctypes
import itertools
import math

import h5py
import numpy as np
import pytest
from hdf5_files import LOCAL, create
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from remote_files import FarFileSystem

from activecore.errors import UnsupportedFormat
from activecore.readers.hdf5.btree import TreeShape, read_tree
from activecore.readers.hdf5.chunks import read_chunks
from activecore.readers.hdf5.file import HDF5File
from activecore.readers.hdf5.header import read_chunk_storage, read_node_width
from activecore.readers.hdf5.tree import address_of

LIBRARY = ctypes.CDLL(h5py.h5p.__file__)
LIBRARY.H5Pset_istore_k.argtypes = [ctypes.c_int64, ctypes.c_uint]


def new_file(path, *, offset_size=8, half_width=None, user_block=0, libver="earliest"):
    """Create a file by a property list, which knows more than h5py's keywords."""
    plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plist.set_sizes(offset_size, offset_size)
    plist.set_userblock(user_block)
    if half_width is not None:
        assert LIBRARY.H5Pset_istore_k(plist.id, half_width) >= 0
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    versions = {
        "earliest": h5py.h5f.LIBVER_EARLIEST,
        "v108": h5py.h5f.LIBVER_V18,
    }
    access.set_libver_bounds(versions[libver], h5py.h5f.LIBVER_LATEST)
    if libver == "v108":
        access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    return h5py.File(
        h5py.h5f.create(str(path).encode(), h5py.h5f.ACC_TRUNC, plist, access)
    )


def listed_by_hdf5(path, name="x"):
    """Ask HDF5 itself, of a file it opens by its path."""
    with h5py.File(path) as file:
        found = []
        # HDF5 before 1.14.4 leaves the user block out.
        old = h5py.version.hdf5_version_tuple < (1, 14, 4)
        base = file.userblock_size if old else 0
        file[name].id.chunk_iter(
            lambda c: found.append(
                (c.chunk_offset, c.byte_offset + base, c.size, c.filter_mask)
            )
        )
        cell = file[name].chunks
    return {
        tuple(at // length for at, length in zip(start, cell, strict=True)): rest
        for start, *rest in found
    }


def listed_here(path, name="x"):
    file = HDF5File(LOCAL, str(path))
    try:
        with file.guard():
            assert (
                read_chunk_storage(
                    file.read,
                    address_of(file.h5[name]),
                    file.h5.id.get_create_plist().get_sizes()[0],
                ).index
                is None
            )
            chunks = read_chunks(file, file.h5[name], name)
    finally:
        file.close()
    columns = (chunks.offsets, chunks.sizes, chunks.masks)
    rows = [list(row) for row in zip(*(c.tolist() for c in columns), strict=True)]
    return dict(zip(map(tuple, chunks.coords.tolist()), rows, strict=True))


@st.composite
def written(draw):
    """How a dataset is made, and which of its chunks are written, in which order."""
    ndim = draw(st.integers(1, 4))
    grid = draw(st.tuples(*[st.integers(1, 40 if ndim == 1 else 7)] * ndim))
    chunks = draw(st.tuples(*[st.integers(1, 3)] * ndim))
    total = math.prod(grid)
    numbers = draw(st.lists(st.integers(0, total - 1), unique=True, max_size=60))
    if draw(st.booleans()):
        numbers = list(range(total))  # all, and in order, as most writers do
    file = {
        "offset_size": draw(st.sampled_from([4, 8])),
        "half_width": draw(st.sampled_from([None, 2, 3, 7])),
        "user_block": draw(st.sampled_from([0, 512, 2048])),
        "libver": draw(st.sampled_from(["earliest", "v108"])),
    }
    how = {
        "dtype": draw(st.sampled_from(["i1", "<i2", ">f4", "f8"])),
        "shuffle": draw(st.booleans()),
        "deflate": draw(st.booleans()),
        "fletcher32": draw(st.booleans()),
    }
    # A shrinking dataset decodes its edge, which is rubbish where there are filters.
    has_filters = how["shuffle"] or how["deflate"] or how["fletcher32"]
    return file, grid, chunks, numbers, how, not has_filters and draw(st.booleans())


@settings(max_examples=400)
@given(written(), st.randoms(use_true_random=False))
def test_what_is_listed_here_is_what_hdf5_lists(tmp_path_factory, case, random):
    file_how, grid, cell, numbers, how, shrinks = case
    path = tmp_path_factory.mktemp("tree") / "a.h5"
    shape = tuple(n * c for n, c in zip(grid, cell, strict=True))
    coords = list(itertools.product(*map(range, grid)))
    has_filters = how["shuffle"] or how["deflate"] or how["fletcher32"]
    nbytes = math.prod(cell) * np.dtype(how["dtype"]).itemsize
    with new_file(path, **file_how) as file:
        most = (None,) * len(shape)
        dataset = create(file, shape, chunks=cell, maxshape=most, **how)
        for number in numbers:
            start = [n * c for n, c in zip(coords[number], cell, strict=True)]
            mask = random.choice([0, 1, 2, 7, 2**32 - 1]) if has_filters else 0
            size = random.randrange(1, 99) if has_filters else nbytes
            dataset.id.write_direct_chunk(tuple(start), bytes(size), mask)
        if shrinks:
            dataset.resize(tuple(random.randint(1, n) for n in shape))
    expected = listed_by_hdf5(path)
    if not shrinks:
        assert len(expected) == len(numbers)
    assert listed_here(path) == expected


def small_file(path, **how):
    """Make a tree of three levels: 60 chunks, four to a node."""
    with new_file(path, half_width=2, **how) as file:
        dataset = create(file, (120,), chunks=(2,), dtype="i4", deflate=True)
        for number in range(60):
            dataset[2 * number : 2 * number + 2] = number


def tree_of(path):
    """Give the addresses of a tree's nodes by level, and the size of a node."""
    file = HDF5File(LOCAL, str(path))
    root = read_chunk_storage(file.read, address_of(file.h5["x"]), 8).address
    shape = TreeShape(8, read_node_width(file.read, 8), 1)
    levels = [[root]]
    while True:
        nodes = [
            np.frombuffer(file.read(address, shape.node.itemsize), shape.node)[0]
            for address in levels[-1]
        ]
        if nodes[0]["level"] == 0:
            break
        levels.append(
            [int(c) for n in nodes for c in n["entries"]["child"][: n["used"]]]
        )
    file.close()
    return levels, shape


def test_the_small_tree_has_three_levels(tmp_path):
    small_file(tmp_path / "a.h5")
    levels, shape = tree_of(tmp_path / "a.h5")
    assert len(levels) >= 3
    assert shape.width == 4
    assert listed_here(tmp_path / "a.h5") == listed_by_hdf5(tmp_path / "a.h5")


def damaged(path, place, data):
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)


def number(value, size=8):
    return int(value).to_bytes(size, "little")


ENTRY = 8 + 16 + 8  # a key of one dimension and the element's, and an address
HEAD = 24
DAMAGE = {
    "no signature": (0, b"TREX", "no node"),
    "a tree of something else": (4, b"\0", "no node"),
    "another level": (5, b"\5", "level"),
    "too many children": (6, number(5, 2), "room"),
    "no children": (6, number(0, 2), "no children"),
    "no left neighbour": (8, b"\xff" * 8, "neighbours"),
    "itself as right neighbour": (16, None, "neighbours"),
    "keys out of order": (HEAD + ENTRY + 8, number(0), "order"),
    "a chunk within an element": (HEAD + ENTRY + 16, number(1), "element"),
    "a chunk within another": (HEAD + ENTRY + 8, None, "overlap|order"),
    "a chunk beyond the file": (HEAD + 24, number(2**40), "beyond its end"),
    "a chunk at a negative place": (HEAD + 24, number(2**63 + 8), "beyond its end"),
}


@pytest.mark.parametrize("where", ["near", "far"])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_leaf_is_refused(tmp_path, what, where):
    path = tmp_path / "a.h5"
    small_file(path)
    levels, _ = tree_of(path)
    leaf = levels[-1][3]
    place, data, message = DAMAGE[what]
    if what == "itself as right neighbour":
        data = number(leaf)
    if what == "a chunk within another":
        old = path.read_bytes()[leaf + place : leaf + place + 8]
        data = number(int.from_bytes(old, "little") - 1)
    damaged(path, leaf + place, data)
    with pytest.raises(UnsupportedFormat, match=message) as caught:
        listed_through(where, path)
    assert path.name in str(caught.value)


def listed_through(where, path):
    if where == "near":
        return listed_here(path)
    file = HDF5File(FarFileSystem({path.name: path.read_bytes()}), path.name)
    try:
        with file.guard():
            return read_chunks(file, file.h5["x"], "x")
    finally:
        file.close()


@pytest.mark.parametrize("child", ["the root", "its neighbour", "far away", "overlap"])
def test_a_tree_in_circles_ends(tmp_path, child):
    path = tmp_path / "a.h5"
    small_file(path)
    levels, _ = tree_of(path)
    root, inner, leaves = levels[0][0], levels[-2], levels[-1]
    target = {
        "the root": root,
        "its neighbour": leaves[1],
        "far away": 2**62,
        "overlap": leaves[0] + 8,
    }[child]
    damaged(path, inner[0] + HEAD + 24, number(target))
    with pytest.raises(UnsupportedFormat, match=r"a\.h5.*tree of chunks is damaged"):
        listed_here(path)


@settings(max_examples=400)
@given(st.data())
def test_any_damaged_byte_is_refused_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.h5"
    small_file(path)
    levels, shape = tree_of(path)
    node = data.draw(st.sampled_from([n for level in levels for n in level]))
    place = node + data.draw(st.integers(0, shape.node.itemsize - 1))
    before = path.read_bytes()[place]
    after = data.draw(st.integers(0, 255))
    assume(before != after)
    expected = listed_here(path)
    damaged(path, place, bytes([after]))
    try:
        found = listed_here(path)
    except UnsupportedFormat:
        pass
    else:
        # Sizes, filter masks, places and the key that no chunk follows are anybody's
        # word; which chunks there are is not.
        assert found.keys() == expected.keys()


def test_a_tree_far_away_is_read_level_by_level(tmp_path):
    path = tmp_path / "a.h5"
    small_file(path)
    levels, shape = tree_of(path)
    fs = FarFileSystem({"a.h5": path.read_bytes()})
    file = HDF5File(fs, "a.h5")
    fs.rounds.clear()
    file._bytes.held.__init__()  # as if nothing had been read
    read_tree(file, levels[0][0], shape)
    assert len(fs.rounds) == len(levels)
    file.close()


def test_addresses_wider_than_numbers_are_refused():
    with pytest.raises(UnsupportedFormat, match="16 bytes"):
        TreeShape(16, 64, 3)


def test_the_room_in_nodes_is_what_the_file_says(tmp_path):
    for libver, half in itertools.product(["earliest", "v108"], [None, 1, 32, 100]):
        path = tmp_path / f"{libver}-{half}.h5"
        new_file(path, half_width=half, libver=libver).close()
        file = HDF5File(LOCAL, str(path))
        assert read_node_width(file.read, 8) == 2 * (half or 32)
        file.close()
