"""HDF5's filters for which imagecodecs, or HDF5 itself, has the decoder."""

from __future__ import annotations

import numpy as np

from activecore.codecs.memory import Bytes, Room
from activecore.codecs.shuffle import unshuffle
from activecore.codecs.step import Config, Step, library, require, same
from activecore.errors import UnsupportedCodec

__all__ = ["lzf_step", "nbit_step", "szip_step"]

_MOST_BYTES = 1 << 31
"""Size from which on imagecodecs counts wrongly or refuses."""


def lzf_step(config: Config) -> Step:
    """Decode h5py's LZF; ``size`` is that of the chunk, if the file says it."""
    require("imagecodecs", "lzf")
    told = config.get("size", 0)

    def decode(encoded: Bytes, room: Room) -> Bytes:
        size = told if room.size is None else room.size
        if encoded.nbytes == 0:
            raise ValueError("it ends early")
        if size == 0:
            raise ValueError("nothing says how much it holds")
        out = room.take(size)
        _check_written(library("imagecodecs").lzf_decode(encoded, out=out), out)
        return out

    return Step(decode)


def szip_step(config: Config) -> Step:
    """Decode szip, behind the decoded size, little-endian, 4 bytes."""
    require("imagecodecs", "hdf5_szip")
    parameters = tuple(config.get("parameters", ()))
    if len(parameters) != 4 or min(parameters) < 1:  # noqa: PLR2004 - see below
        raise UnsupportedCodec(f"szip with the parameters {parameters}")
    mask, block, bits, line = parameters
    # Wide numbers are stored as planes of their bytes.
    is_planes = bits in (32, 64)
    width = 1 if is_planes else -(-bits // 8)
    if not is_planes and width not in (1, 2):
        raise UnsupportedCodec(f"szip of numbers of {bits} bits")
    filled = -(-line // block) * block

    def decode(encoded: Bytes, room: Room) -> Bytes:
        if encoded.nbytes <= 4:  # noqa: PLR2004 - bytes of the size
            raise ValueError("it ends early")
        size = int.from_bytes(encoded[:4].tobytes(), "little")
        lines = -(-size // (line * width))
        nbytes = lines * filled * width
        if size == 0 or nbytes > min(room.limit, _MOST_BYTES):
            raise ValueError(f"it announces {size} bytes")
        out = room.take(size)
        # The library does not say that a chunk is too short where it takes away what
        # fills up lines, or puts bytes of numbers together: so both are done here.
        decoded = np.empty(nbytes, dtype=np.uint8)
        _check_written(
            library("imagecodecs").szip_decode(
                encoded[4:], mask, block, 8 if is_planes else bits, filled, out=decoded
            ),
            decoded,
        )
        if filled != line:
            rows = decoded.reshape(lines, filled * width)[:, : line * width]
            decoded = np.ascontiguousarray(rows).reshape(-1)
        if is_planes:
            unshuffle(decoded[:size], out, bits // 8)
        else:
            out[...] = decoded[:size]
        return out

    return Step(decode)


def _check_written(decoded: Bytes, out: Bytes) -> None:
    """Make sure that all of ``out`` was written: what was there before is not data."""
    if len(decoded) != out.nbytes:
        raise ValueError("it ends early")


def nbit_step(config: Config) -> Step:
    """Do nothing, where every bit of the numbers is used and nothing was left out."""
    parameters = tuple(config.get("parameters", ()))
    if len(parameters) < 2 or parameters[1] != 1:  # noqa: PLR2004 - the flag's place
        raise UnsupportedCodec(
            "codec 'hdf5_nbit' leaves bits out, which nothing here puts back"
        )
    return Step(lambda encoded, _: encoded, same)
