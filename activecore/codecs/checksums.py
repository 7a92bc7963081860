"""Checksums, verified and taken off: fletcher32, crc32, crc32c and adler32."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from activecore.codecs.memory import Bytes, Room
from activecore.codecs.step import Config, Factory, Step, library
from activecore.errors import UnsupportedCodec

__all__ = ["adler32_step", "crc32_step", "crc32c_step", "fletcher32", "fletcher32_step"]

_WIDTH = 4
"""Bytes of each of these checksums."""

_FLETCHER_MODULUS = 0xFFFF
_FLETCHER_ROW = 2048
"""Words that are summed together: a row of a table whose columns are summed too."""

_FLETCHER_WORDS = 1 << 26
"""Words for which sums of columns and of rows fit 32 bits."""


def _longer(nbytes: int) -> int | None:
    return nbytes + _WIDTH


def fletcher32_step(_config: Config) -> Step:
    """Verify HDF5's fletcher32, which follows the data, little-endian."""
    return Step(_fletcher32, _longer)


def _fletcher32(encoded: Bytes, _room: Room) -> Bytes:
    data, stored = _split(encoded, "end")
    computed = fletcher32(data)
    # HDF5 before 1.6.3 swapped bytes on little-endian machines; it reads both since.
    if stored not in (computed, _swapped(computed)):
        raise _mismatch(stored, computed)
    return data


def fletcher32(data: Bytes) -> int:
    """Compute the checksum of HDF5: words are big-endian, a last odd byte is high.

    Its two sums, of the words and of the running sum, are linear: they follow from
    the sums of the rows and columns of a table, which NumPy forms without holding the
    interpreter. Words are taken little-endian, as multiplying by 256 swaps bytes
    modulo 65535.
    """
    words = data[: data.nbytes // 2 * 2].view("<u2")
    first = second = 0
    for start in range(0, len(words), _FLETCHER_WORDS):
        first, second = _add(words[start : start + _FLETCHER_WORDS], first, second)
    if data.nbytes % 2 == 1:
        first, second = _add(data[-1:].astype("<u2"), first, second)
    return _fold(second * 256) << 16 | _fold(first * 256)


def _add(words: NDArray[np.uint16], first: int, second: int) -> tuple[int, int]:
    """Continue the two sums, exactly."""
    count = len(words)
    rows = count // _FLETCHER_ROW
    table = words[: rows * _FLETCHER_ROW].reshape(rows, _FLETCHER_ROW)
    rest = words[rows * _FLETCHER_ROW :].astype(np.int64)
    of_rows = np.add.reduce(table, axis=1, dtype=np.uint32).astype(np.int64)
    of_columns = np.add.reduce(table, axis=0, dtype=np.uint32).astype(np.int64)
    # A word counts as often as there are words from it to the end.
    of_places = (
        int((of_rows * np.arange(rows)).sum()) * _FLETCHER_ROW
        + int((of_columns * np.arange(_FLETCHER_ROW)).sum())
        + int((rest * (rows * _FLETCHER_ROW + np.arange(len(rest)))).sum())
    )
    total = int(of_rows.sum()) + int(rest.sum())
    return first + total, second + count * first + count * total - of_places


def _fold(total: int) -> int:
    """Reduce as folding 16 bits onto 16 bits does: only nothing becomes zero."""
    if total == 0:
        return 0
    return (total - 1) % _FLETCHER_MODULUS + 1


def _swapped(checksum: int) -> int:
    return (checksum & 0x00FF00FF) << 8 | (checksum >> 8 & 0x00FF00FF)


def _factory(compute: Callable[[Bytes], int], location: str) -> Factory:
    def step(config: Config) -> Step:
        where = config.get("location", location)
        if where not in ("start", "end"):
            raise UnsupportedCodec(f"a checksum at {where!r} is not known")

        def decode(encoded: Bytes, _room: Room) -> Bytes:
            data, stored = _split(encoded, where)
            computed = compute(data)
            if stored != computed:
                raise _mismatch(stored, computed)
            return data

        return Step(decode, _longer)

    return step


def _crc32c(data: Bytes) -> int:
    checksum: int = library("numcodecs.checksum32").CRC32C.checksum(data)
    return checksum


crc32_step = _factory(lambda data: zlib.crc32(data.data), "start")
adler32_step = _factory(lambda data: zlib.adler32(data.data), "start")
_crc32c_step = _factory(_crc32c, "end")


def crc32c_step(config: Config) -> Step:
    """Verify crc32c, by either of the packages that numcodecs takes."""
    if find_spec("google_crc32c") is None and find_spec("crc32c") is None:
        raise UnsupportedCodec(
            "codec 'crc32c' needs a package that is not installed:"
            " pip install 'numcodecs[crc32c]'"
        )
    return _crc32c_step(config)


def _split(encoded: Bytes, location: str) -> tuple[Bytes, int]:
    if encoded.nbytes < _WIDTH:
        raise ValueError("there are too few bytes for a checksum")
    if location == "start":
        data, stored = encoded[_WIDTH:], encoded[:_WIDTH]
    else:
        data, stored = encoded[:-_WIDTH], encoded[-_WIDTH:]
    return data, int.from_bytes(stored.tobytes(), "little")


def _mismatch(stored: int, computed: int) -> ValueError:
    return ValueError(
        f"the checksum is {stored:08x}, but that of the data is {computed:08x}"
    )
