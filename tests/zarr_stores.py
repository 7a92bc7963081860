"""Reading Zarr arrays by hand: what the reader says of them, put to use without us.

Bytes are taken from disk where the index says they lie, decoded by numcodecs as the
layout says, and put together. If the result is what zarr-python reads, the reader told
the truth.
"""

from __future__ import annotations

import itertools
import math
import os
import warnings
from contextlib import contextmanager
from pathlib import Path

import fsspec
import numcodecs
import numpy as np
import xarray as xr

from activecore.model import ABSENT
from activecore.readers.zarr.reader import ZarrReader

LOCAL = fsspec.filesystem("file")


@contextmanager
def writing():
    """Let writers warn: zarr-python does about most of what is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_reader(path, **options):
    return ZarrReader(LOCAL, os.fspath(path), **options)


def describe(path, name=""):
    with open_reader(path) as reader:
        return reader.array(name)


def all_coords(info):
    cells = [
        range(math.ceil(length / cell))
        for length, cell in zip(info.shape, info.index.chunk_shape, strict=True)
    ]
    coords = list(itertools.product(*cells))
    return np.array(coords, dtype=np.int64).reshape(len(coords), len(cells))


def decode(layout, raw):
    """Decode one chunk to its elements, in the variable's dimension order."""
    for codec in reversed(layout.codecs):
        raw = numcodecs.get_codec({"id": codec.id, **codec.config}).decode(raw)
    flat = np.ascontiguousarray(np.asarray(memoryview(raw))).reshape(-1).view("u1")
    assert flat.nbytes == layout.nbytes
    stored = flat.view(layout.dtype).reshape(layout.stored_shape)
    return stored.transpose(np.argsort(layout.order)).astype(
        layout.dtype.newbyteorder("=")
    )


def read_chunk(info, located, row):
    layout = info.layouts[0]
    full = np.full(layout.shape, layout.fill_value, layout.dtype.newbyteorder("="))
    if located.layouts[row] == ABSENT:
        return full
    offset, size = located.offsets[row], located.sizes[row]
    try:
        with Path(located.sources[row]).open("rb") as file:
            file.seek(offset)
            raw = file.read(size)
    except FileNotFoundError:
        assert layout.absent_is_fill
        return full
    assert size in (-1, len(raw))
    return decode(layout, raw)


def stored_values(info):
    """Put a whole array together, in stored units."""
    coords = all_coords(info)
    located = info.index.locate(coords)
    values = np.empty(info.shape, dtype=info.dtype)
    for row, place in enumerate(coords.tolist()):
        corner = [
            slice(number * cell, min((number + 1) * cell, length))
            for number, cell, length in zip(
                place, info.index.chunk_shape, info.shape, strict=True
            )
        ]
        inside = tuple(slice(0, part.stop - part.start) for part in corner)
        values[tuple(corner)] = read_chunk(info, located, row)[inside]
    return values


def meant_values(info):
    """Mask and unpack what is stored; masked as in ``numpy.ma``."""
    stored = stored_values(info)
    missing, mask = info.layouts[0].missing, np.zeros(stored.shape, dtype=bool)
    for value in missing.values:
        assert np.asarray(value).dtype == info.dtype
        mask |= (stored == value) | ((stored != stored) & (value != value))
    assert missing.valid_min is None
    assert missing.valid_max is None
    values = stored if info.packing is None else info.packing.unpack(stored)
    return np.ma.MaskedArray(values, mask)


def xarray_values(path, name, group=None):
    """What the oracle makes of a variable: NaN where missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_zarr(
            os.fspath(path), group=group, decode_times=False, chunks=None
        ) as dataset:
            return dataset[name].values


def assert_means_what_xarray_reads(path, name):
    ours, theirs = meant_values(describe(path, name)), xarray_values(path, name)
    missing = np.array([value != value for value in theirs.ravel()], dtype=bool)
    missing = missing.reshape(theirs.shape)
    valid = np.asarray(ours.data)[~missing]
    if theirs.dtype.kind == "f" and ours.dtype.kind == "f":
        assert ours.dtype == theirs.dtype
        # A NaN that nobody declares missing is still NaN.
        assert np.array_equal(np.ma.getmaskarray(ours) | np.isnan(ours.data), missing)
    else:
        assert np.array_equal(np.ma.getmaskarray(ours), missing)
    assert np.array_equal(valid, theirs[~missing])
