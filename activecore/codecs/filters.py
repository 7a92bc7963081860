"""Filters of arrays, which numcodecs decodes: delta, quantize, astype and the like.

They are no compressors: how long encoded and decoded bytes are follows from the
dtypes in the configuration, so both are checked around them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Factory, Step, library, same
from activecore.errors import UnsupportedCodec

__all__ = [
    "astype_step",
    "bitround_step",
    "delta_step",
    "fixedscaleoffset_step",
    "packbits_step",
    "quantize_step",
]


def bitround_step(_config: Config) -> Step:
    """Do nothing: the bits were rounded when they were written."""
    return Step(lambda encoded, _: encoded, same)


def packbits_step(config: Config) -> Step:
    """Unpack booleans from bits, behind one byte that counts the unused bits."""
    decode = _by_numcodecs("packbits", config)

    def checked(encoded: Bytes, room: Room) -> Bytes:
        if encoded.nbytes == 0 or encoded[0] >= 8:  # noqa: PLR2004 - bits of a byte
            raise ValueError("it does not count its unused bits")
        room.check(max(0, (encoded.nbytes - 1) * 8 - int(encoded[0])))
        return decode(encoded, room)

    return Step(checked, lambda nbytes: 1 + -(-nbytes // 8))


def _converting(
    name: str, decoded_key: str, encoded_key: str, *, is_told: bool = False
) -> Factory:
    """Make the factory of a filter that turns one dtype into another.

    Both are the same where the configuration has one only, unless both must be told.
    """

    def step(config: Config) -> Step:
        decoded = _dtype(name, config, decoded_key)
        encoded = decoded
        if is_told or config.get(encoded_key) is not None:
            encoded = _dtype(name, config, encoded_key)

        def encoded_size(nbytes: int) -> int | None:
            count, rest = divmod(nbytes, decoded.itemsize)
            if rest != 0:
                raise ValueError(f"{nbytes} bytes are no whole number of {decoded}")
            return count * encoded.itemsize

        decode = _by_numcodecs(name, config)

        def checked(given: Bytes, room: Room) -> Bytes:
            room.check(given.nbytes // encoded.itemsize * decoded.itemsize)
            return decode(given, room)

        return Step(checked, encoded_size)

    return step


delta_step = _converting("delta", "dtype", "astype")
fixedscaleoffset_step = _converting("fixedscaleoffset", "dtype", "astype")
quantize_step = _converting("quantize", "dtype", "astype")
astype_step = _converting("astype", "decode_dtype", "encode_dtype", is_told=True)


def _dtype(name: str, config: Config, key: str) -> np.dtype[Any]:
    given = config.get(key)
    try:
        # NumPy would take None for float64.
        dtype = np.dtype("" if given is None else given)
    except TypeError as error:
        raise UnsupportedCodec(
            f"codec {name!r} has no {key} that can be used: {given!r}"
        ) from error
    if dtype.kind not in "biuf":
        raise UnsupportedCodec(f"codec {name!r} is of {dtype}, not of numbers")
    return dtype


def _by_numcodecs(name: str, config: Config) -> Callable[[Bytes, Room], Bytes]:
    made: list[Any] = []

    def decode(encoded: Bytes, _room: Room) -> Bytes:
        if not made:
            made.append(library("numcodecs.registry").get_codec({"id": name, **config}))
        # As a writer in another thread might: values that overflow are what they are.
        with np.errstate(all="ignore"):
            decoded = made[-1].decode(encoded)
        return as_bytes(np.ascontiguousarray(decoded))

    return decode
