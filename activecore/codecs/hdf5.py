"""HDF5's filters for which imagecodecs, or HDF5 itself, has the decoder."""

from __future__ import annotations

from activecore.codecs.memory import Bytes, Room
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
        if size == 0 or encoded.nbytes == 0:
            raise ValueError("it does not say how much it holds")
        out = room.take(size)
        return _same_memory(library("imagecodecs").lzf_decode(encoded, out=out), out)

    return Step(decode)


def szip_step(config: Config) -> Step:
    """Decode szip, behind the decoded size, little-endian, 4 bytes."""
    require("imagecodecs", "hdf5_szip")
    parameters = tuple(config.get("parameters", ()))
    if len(parameters) != 4:  # noqa: PLR2004 - mask, pixels, bits, pixels
        raise UnsupportedCodec(f"szip with the parameters {parameters}")

    def decode(encoded: Bytes, room: Room) -> Bytes:
        if encoded.nbytes <= 4:  # noqa: PLR2004 - bytes of the size
            raise ValueError("it ends early")
        size = int.from_bytes(encoded[:4].tobytes(), "little")
        if size == 0 or size >= _MOST_BYTES:
            raise ValueError(f"it announces {size} bytes")
        out = room.take(size)
        decode = library("imagecodecs").szip_decode
        return _same_memory(decode(encoded, *parameters, header=True, out=out), out)

    return Step(decode)


def _same_memory(decoded: Bytes, out: Bytes) -> Bytes:
    """Give as much of ``out`` as was written; what was there before is not data."""
    if len(decoded) != out.nbytes:
        raise ValueError(f"it holds {len(decoded)} bytes, not {out.nbytes}")
    return out


def nbit_step(config: Config) -> Step:
    """Do nothing, where every bit of the numbers is used and nothing was left out."""
    parameters = tuple(config.get("parameters", ()))
    if len(parameters) < 2 or parameters[1] != 1:  # noqa: PLR2004 - the flag's place
        raise UnsupportedCodec(
            "codec 'hdf5_nbit' leaves bits out, which nothing here puts back"
        )
    return Step(lambda encoded, _: encoded, same)
