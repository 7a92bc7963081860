"""HDF5 files made and taken apart by hand, for the tests of their reader."""

import ctypes
import math
import pickle
import zlib
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest

from activecore.model import ABSENT, INLINE
from activecore.readers.netcdf4 import NetCDF4Reader

LOCAL = fsspec.filesystem("file")


def describe(path, name="x"):
    with NetCDF4Reader(LOCAL, str(path)) as reader:
        return reader.array(name)


def decode(codecs, data, nbytes):
    """Undo a pipeline by hand."""
    for codec in reversed(codecs):
        if codec.id == "zlib":
            data = zlib.decompress(data)
        elif codec.id == "shuffle":
            size = codec.config["elementsize"]
            whole = len(data) // size * size
            planes = np.frombuffer(data[:whole], "u1").reshape(size, -1)
            data = planes.T.tobytes() + data[whole:]
        elif codec.id == "fletcher32":
            data = data[:-4]
        else:
            pytest.fail(f"this test decodes no {codec}")
    assert len(data) == nbytes
    return data


def assemble(info):
    """Put a variable together from the bytes that its index names; NaN-free.

    What the index says holds nothing is masked.
    """
    index, cell = info.index, info.index.chunk_shape
    grid = tuple(-(-n // c) for n, c in zip(info.shape, cell, strict=True))
    coords = np.array(list(np.ndindex(*grid)), dtype=np.int64)
    coords = coords.reshape(math.prod(grid), len(grid))
    located = index.locate(coords)
    dtype = info.layouts[0].dtype
    result = np.ma.masked_all(info.shape, dtype=dtype)
    with Path(info.source).open("rb") as file:
        for row, coord in enumerate(coords.tolist()):
            layout = located.layouts[row]
            span = tuple(
                slice(c * s, min((c + 1) * s, n))
                for c, s, n in zip(coord, cell, info.shape, strict=True)
            )
            shape = tuple(s.stop - s.start for s in span)
            if layout == INLINE:
                block = located.inline[row]
            elif layout == ABSENT:
                fill = info.layouts[0].fill_value
                if fill is None:
                    continue
                block = np.broadcast_to(np.asarray(fill), cell)
            else:
                how = info.layouts[layout]
                assert located.sources[row] == info.source
                file.seek(located.offsets[row])
                data = file.read(located.sizes[row])
                assert len(data) == located.sizes[row]
                plain = decode(how.codecs, data, how.nbytes)
                block = np.frombuffer(plain, how.dtype).reshape(how.shape)
            part = block[tuple(slice(0, n) for n in shape)]
            assert part.shape == shape
            result[span] = part
    return result


def assert_proved(path, name="x"):
    """Compare a variable put together by the index with what HDF5 reads."""
    info = describe(path, name)
    with h5py.File(path, "r") as file:
        dataset = file[name]
        expected = dataset[...]
        assert info.shape == dataset.shape
        assert info.chunks == dataset.chunks
    found = assemble(pickle.loads(pickle.dumps(info)))
    assert not np.ma.getmaskarray(found).any()
    np.testing.assert_array_equal(found.data, expected)
    return info


def count_up(shape, dtype="i4", start=1):
    values = np.arange(start, start + math.prod(shape)).reshape(shape)
    return (values % 120).astype(dtype) if np.dtype(dtype).itemsize == 1 else values


def create(file, shape, *, name="x", dtype="i4", chunks=None, maxshape=None, **how):
    """Create a dataset by its property list, which knows more than h5py's keywords."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunks is not None:
        plist.set_chunk(chunks)
    if how.get("compact"):
        plist.set_layout(h5py.h5d.COMPACT)
    if how.get("early"):
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    if how.get("never_fill"):
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if how.get("fill") is not None:
        plist.set_fill_value(np.array(how["fill"], dtype=dtype))
    if how.get("shuffle"):
        plist.set_shuffle()
    if how.get("deflate"):
        plist.set_deflate(4)
    if how.get("fletcher32"):
        plist.set_fletcher32()
    if how.get("edges_unfiltered"):
        library = ctypes.CDLL(h5py.h5p.__file__)
        set_chunk_opts = library.H5Pset_chunk_opts
        set_chunk_opts.argtypes = [ctypes.c_int64, ctypes.c_uint]
        assert set_chunk_opts(plist.id, 2) >= 0
    most = tuple(
        h5py.h5s.UNLIMITED if n is None else n for n in (maxshape or shape)
    )  # fmt: skip
    space = h5py.h5s.create_simple(shape, most) if shape else h5py.h5s.create(0)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plist))


def write_chunks(dataset, which):
    """Write the chunks of which the number is in ``which``, each with other values."""
    shape, cell = dataset.shape, dataset.chunks
    grid = tuple(-(-n // c) for n, c in zip(shape, cell, strict=True))
    for number, coord in enumerate(np.ndindex(*grid)):
        if number in which:
            span = tuple(
                slice(c * s, min((c + 1) * s, n))
                for c, s, n in zip(coord, cell, shape, strict=True)
            )
            block = tuple(s.stop - s.start for s in span)
            dataset[span] = count_up(block, start=1000 * (number + 1))
