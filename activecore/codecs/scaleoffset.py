"""HDF5's scale-offset filter, decoded by HDF5 in memory.

A file that is never on disk gets a dataset of the same dtype and filter, the chunk as
it is, and is read. HDF5 lets one thread at a time do so. It reads beyond the end of a
chunk that is too short, so the length, which follows from the head, is checked first.
"""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step
from activecore.errors import UnsupportedCodec

__all__ = ["scaleoffset_step"]

_FILTER = 6
_HEAD = 21
"""Bytes before the packed numbers: bits of each (4), what they were lessened by."""

_PARAMETERS = 20
_names = itertools.count()


def scaleoffset_step(config: Config) -> Step:
    """Decode integers packed in few bits, and floats scaled to such integers."""
    parameters = tuple(config.get("parameters", ()))
    dtype = _dtype(parameters)
    length = int(parameters[2])
    fill = np.array(parameters[8:], dtype="<u4").tobytes()[: dtype.itemsize]
    filling = np.frombuffer(fill, dtype=dtype.newbyteorder("<")).astype(dtype)
    with _Dataset(parameters, dtype, filling) as dataset:
        made = dataset.parameters
    if made != parameters:
        raise _unsupported(parameters)

    def decode(encoded: Bytes, room: Room) -> Bytes:
        room.check(length * dtype.itemsize)
        _check_length(encoded, length, dtype.itemsize)
        with _Dataset(parameters, dtype, filling) as dataset:
            return as_bytes(dataset.read(encoded))

    return Step(decode)


def _dtype(parameters: tuple[int, ...]) -> np.dtype[Any]:
    if len(parameters) != _PARAMETERS:
        raise _unsupported(parameters)
    kind, size, sign, order = parameters[3:7]
    if kind not in (0, 1) or size not in (1, 2, 4, 8) or order not in (0, 1):
        raise _unsupported(parameters)
    letter = "f" if kind == 1 else ("i" if sign == 1 else "u")
    try:
        return np.dtype(f"{'>' if order == 1 else '<'}{letter}{size}")
    except TypeError as error:
        raise _unsupported(parameters) from error


def _unsupported(parameters: tuple[int, ...]) -> UnsupportedCodec:
    return UnsupportedCodec(
        f"codec 'hdf5_scaleoffset' with the parameters {parameters} is not known"
    )


def _check_length(encoded: Bytes, length: int, itemsize: int) -> None:
    bits = int.from_bytes(encoded[:4].tobytes(), "little")
    if bits > itemsize * 8:
        raise ValueError(f"it packs numbers of {itemsize} bytes in {bits} bits")
    packed = length * itemsize
    if bits < itemsize * 8:
        packed = length * bits // 8 + 1
    if encoded.nbytes != _HEAD + packed and (bits > 0 or encoded.nbytes < _HEAD):
        raise ValueError(f"it is {encoded.nbytes} bytes, not {_HEAD + packed}")


class _Dataset:
    """A dataset of one chunk, in a file that is never on disk."""

    def __init__(
        self,
        parameters: tuple[int, ...],
        dtype: np.dtype[Any],
        fill: np.ndarray[Any, Any],
    ) -> None:
        from h5py import h5d, h5f, h5p, h5s, h5t

        self._length = parameters[2]
        self._dtype = dtype
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fapl_core(1 << 16, backing_store=False)
        name = f"activecore scale-offset {next(_names)}".encode()
        self._file = h5f.create(name, h5f.ACC_TRUNC, fapl=access)
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk((self._length,))
        if parameters[7] == 1:
            plist.set_fill_value(fill)
        plist.set_scaleoffset(parameters[0], parameters[1])
        self._type = h5t.py_create(dtype)
        space = h5s.create_simple((self._length,))
        self._id = h5d.create(self._file, b"x", self._type, space, dcpl=plist)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def parameters(self) -> tuple[int, ...]:
        """What HDF5 makes of the dtype and the scale: what a writer's file has."""
        return tuple(self._id.get_create_plist().get_filter_by_id(_FILTER)[1])

    def read(self, encoded: Bytes) -> np.ndarray[Any, Any]:
        """Decode a chunk."""
        from h5py import h5s

        self._id.write_direct_chunk((0,), encoded.tobytes())
        out = np.empty(self._length, dtype=self._dtype)
        self._id.read(h5s.ALL, h5s.ALL, out, self._type)
        return out
