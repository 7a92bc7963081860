"""The compiled loop for zlib streams, against the standard library's zlib."""

import sys
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activecore import EncodedChunks
from activecore.codecs import decode_all, decode_into, inflate
from activecore.errors import ChunkDecodeError
from activecore.model import Codec

pytest.importorskip("numba")

ZLIB = (Codec.of("zlib", level=1),)
LIMIT = 1 << 20


@pytest.fixture(autouse=True, scope="module")
def loop():
    before = inflate._loop
    inflate.prepare_loop()
    assert inflate._loop is not None
    yield inflate._loop
    inflate._loop = before


def inflated(stream, size):
    """Give what zlib makes of a stream that is exactly so long, or None."""
    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(stream, size + 1)
        data += decoder.flush()
    except zlib.error:
        return None
    is_whole = decoder.eof and decoder.unused_data == b""
    return data if is_whole and len(data) == size else None


def is_checked(stream, data):
    """Tell whether a stream ends with the checksum of the data.

    libdeflate knows codes of lengths that zlib refuses. Damage that gives the bytes
    that were compressed, as a bit may among zeros, is none.
    """
    return zlib.adler32(data) == int.from_bytes(stream[-4:], "big")


REFUSED_BY_ZLIB = bytes.fromhex("785e63601805a360148c0300040a0001"), 1034

CONTENT = st.binary(min_size=1, max_size=300) | st.integers(1, 3000).map(bytes)


@st.composite
def streams(draw):
    """Draw a stream, right or damaged, and the size that it should have."""
    content = draw(CONTENT)
    stream = bytearray(zlib.compress(content, draw(st.integers(0, 9))))
    match draw(st.sampled_from(["right", "flipped", "shorter", "longer", "size"])):
        case "flipped":
            stream[draw(st.integers(0, len(stream) - 1))] ^= 1 << draw(
                st.integers(0, 7)
            )
        case "shorter":
            del stream[draw(st.integers(0, len(stream) - 1)) :]
        case "longer":
            stream += draw(st.binary(min_size=1, max_size=9))
        case "size":
            return bytes(stream), draw(st.integers(1, 3000))
    return bytes(stream), len(content)


@given(st.lists(streams(), min_size=1, max_size=6))
@example([REFUSED_BY_ZLIB])
def test_the_loop_takes_what_zlib_takes_and_leaves_everything_else(drawn):
    size = drawn[0][1]
    encoded = EncodedChunks.of([stream for stream, _ in drawn])
    out = np.empty((len(drawn), size), np.uint8)
    is_other = inflate._loop(encoded.addresses(), encoded.sizes, out)
    for row, left, (stream, _) in zip(out, is_other, drawn, strict=True):
        want = inflated(stream, size)
        if left or want is None:
            assert want is None
            assert left or is_checked(stream, row)
        else:
            assert row.tobytes() == want


@given(streams())
@example(REFUSED_BY_ZLIB)
def test_a_chunk_alone_is_what_zlib_makes_of_it_or_an_error(drawn):
    stream, size = drawn
    out = np.empty(size, np.uint8)
    want = inflated(stream, size)
    try:
        decode_into(ZLIB, stream, out, limit=LIMIT)
    except ChunkDecodeError as error:
        message, got = str(error), None
    else:
        message, got = "", out.tobytes()
    if got is None or want is not None:
        assert got == want
    else:
        assert is_checked(stream, out)
    assert message.startswith("zlib" if got is None else "")


def test_a_damaged_chunk_among_others_is_named_by_its_position():
    right, wrong = zlib.compress(bytes(64)), zlib.compress(bytes(63))
    out = np.empty((3, 64), np.uint8)
    with pytest.raises(ChunkDecodeError, match="holds 63 bytes") as error:
        decode_all(ZLIB, EncodedChunks.of([right, right, wrong]), out, limit=LIMIT)
    assert error.value.position == 2


def test_nothing_is_written_next_to_a_row():
    out = np.full((3, 64), 7, np.uint8)
    stream = zlib.compress(bytes(4096))
    encoded = EncodedChunks.of([stream])
    assert inflate._loop(encoded.addresses(), encoded.sizes, out[1:2]).tolist() == [
        True
    ]
    assert (out[0] == 7).all()
    assert (out[2] == 7).all()


def test_a_build_of_deflate_that_hides_its_functions_is_done_without(monkeypatch):
    monkeypatch.setattr(inflate, "_loop", None)
    monkeypatch.setitem(sys.modules, "activecore.codecs.inflate_loop", None)
    inflate.prepare_loop()
    assert inflate._loop is None
    out = np.empty((2, 64), np.uint8)
    stream = zlib.compress(bytes(range(64)))
    decode_all(ZLIB, EncodedChunks.of([stream, stream]), out, limit=LIMIT)
    assert (out == np.arange(64)).all()
