"""The codecs of Zarr and of everybody, against numcodecs and the standard library."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import threading
import tracemalloc
import zlib
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.registry import get_codec

from activecore.codecs import decode, decode_into, inflate, step, unsupported
from activecore.codecs.table import FACTORIES
from activecore.errors import ChunkDecodeError, UnsupportedCodec
from activecore.model import Codec

LIMIT = 1 << 24
ROOT = Path(__file__).resolve().parent.parent

COMPRESSORS = [
    Codec.of("zlib", level=4),
    Codec.of("gzip", level=4),
    Codec.of("bz2", level=1),
    Codec.of("lzma"),
    Codec.of("zstd", level=1),
    Codec.of("zstd", level=1, checksum=True),
    Codec.of("lz4"),
    Codec.of("blosc", cname="lz4", shuffle=1),
]
CHECKSUMS = [
    Codec.of("fletcher32"),
    Codec.of("crc32"),
    Codec.of("crc32c"),
    Codec.of("adler32"),
    Codec.of("crc32", location="end"),
    Codec.of("crc32c", location="start"),
]
SELF_CHECKING = [codec for codec in COMPRESSORS if codec.id in ("zlib", "bz2", "lzma")]
SMALL = np.sin(np.arange(150)).astype("<f4").tobytes()


def written(codecs, data):
    """Encode as another program would: numcodecs, codec by codec."""
    for codec in codecs:
        encoded = get_codec({"id": codec.id, **codec.config}).encode(data)
        data = np.ascontiguousarray(encoded).tobytes()
    return data


def read(codecs, encoded, nbytes, limit=LIMIT):
    """Decode in both ways, which must agree."""
    out = np.full(nbytes, 0xA5, dtype=np.uint8)
    decode_into(tuple(codecs), encoded, out, limit=limit)
    other = decode(tuple(codecs), encoded, nbytes, limit=limit)
    assert bytes(memoryview(other)) == out.tobytes()
    return out.tobytes()


def refused(codecs, encoded, nbytes, match=".", limit=LIMIT):
    """Check that a chunk is refused in one line that names a codec; give the line."""
    with pytest.raises(ChunkDecodeError, match=match) as caught:
        read(codecs, encoded, nbytes, limit)
    line = str(caught.value)
    assert "\n" not in line
    assert any(line.startswith(f"{codec.id}: ") for codec in codecs), line
    return line


class TestRightAnswers:
    @pytest.mark.parametrize("codec", COMPRESSORS + CHECKSUMS, ids=repr)
    @pytest.mark.parametrize("nbytes", [1, 2, 3, 255, 4096, 100_001])
    def test_what_others_encode(self, codec, nbytes):
        data = (np.arange(nbytes) // 3 % 251).astype(np.uint8).tobytes()
        assert read([codec], written([codec], data), nbytes) == data

    @pytest.mark.parametrize("codec", COMPRESSORS, ids=repr)
    def test_before_a_checksum_and_after_a_shuffle(self, codec):
        codecs = [Codec.of("shuffle", elementsize=4), codec, Codec.of("crc32c")]
        assert read(codecs, written(codecs, SMALL), len(SMALL)) == SMALL

    @pytest.mark.parametrize("first", COMPRESSORS, ids=repr)
    @pytest.mark.parametrize("second", COMPRESSORS, ids=repr)
    def test_one_compressor_after_another(self, first, second):
        codecs = [first, second]
        assert read(codecs, written(codecs, SMALL), len(SMALL)) == SMALL

    @pytest.mark.parametrize("format_", [lzma.FORMAT_XZ, lzma.FORMAT_ALONE])
    def test_formats_of_lzma(self, format_):
        codec = Codec.of("lzma", format=format_)
        assert read([codec], lzma.compress(SMALL, format_), len(SMALL)) == SMALL

    def test_filters_of_lzma_as_a_layout_has_them(self):
        filters = [{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2}]
        frozen = tuple(tuple(sorted(item.items())) for item in filters)
        codec = Codec.of("lzma", format=lzma.FORMAT_RAW, filters=frozen)
        encoded = lzma.compress(SMALL, lzma.FORMAT_RAW, filters=filters)
        assert read([codec], encoded, len(SMALL)) == SMALL

    @pytest.mark.parametrize("cname", ["lz4", "lz4hc", "blosclz", "zlib", "zstd"])
    @pytest.mark.parametrize("shuffle", [0, 1, 2])
    @pytest.mark.parametrize("itemsize", [1, 2, 4, 8])
    def test_every_kind_of_blosc(self, cname, shuffle, itemsize):
        values = np.arange(30_000 // itemsize).astype(f"u{itemsize}")
        encoded = numcodecs.Blosc(cname, 5, shuffle).encode(values)
        assert read([Codec.of("blosc")], encoded, values.nbytes) == values.tobytes()

    @pytest.mark.parametrize("nbytes", [7, 100_000])
    def test_blosc_that_compressed_nothing(self, nbytes):
        data = np.random.default_rng(1).bytes(nbytes)
        encoded = numcodecs.Blosc("lz4", 0).encode(data)
        assert read([Codec.of("blosc")], encoded, nbytes) == data

    @pytest.mark.parametrize(
        "buffer", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "<u2")]
    )
    def test_any_buffer_and_it_is_not_written_to(self, buffer):
        codecs = [Codec.of("shuffle", elementsize=2), Codec.of("crc32c")]
        data = SMALL[:202]
        encoded = written(codecs, data)
        given = buffer(encoded)
        assert read(codecs, given, len(data)) == data
        assert bytes(memoryview(given).cast("B")) == encoded

    def test_no_codecs_are_no_copy(self):
        view = decode((), SMALL, len(SMALL), limit=LIMIT)
        assert np.shares_memory(view, np.frombuffer(SMALL, np.uint8))
        out = np.empty(len(SMALL), np.uint8)
        decode_into((), SMALL, out, limit=LIMIT)
        assert out.tobytes() == SMALL

    def test_threads_do_not_disturb_one_another(self):
        codecs = (Codec.of("shuffle", elementsize=4), Codec.of("zlib", level=1))
        chunks = [np.full(40_000, i, "<f4") + np.arange(40_000) for i in range(4)]
        encoded = [written(codecs, chunk.astype("<f4").tobytes()) for chunk in chunks]
        wrong = []

        def work(i):
            out = np.empty(160_000, np.uint8)
            for _ in range(20):
                decode_into(codecs, encoded[i], out, limit=LIMIT)
                if not np.array_equal(out.view("<f4"), chunks[i].astype("<f4")):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


class TestShuffle:
    @pytest.mark.parametrize("itemsize", [1, 2, 3, 4, 5, 7, 8, 12, 16, 40])
    @pytest.mark.parametrize("length", [1, 9, 300, 2048, 5000, 40_001])
    def test_every_itemsize_as_numcodecs_shuffles_it(self, itemsize, length):
        codec = Codec.of("shuffle", elementsize=itemsize)
        data = np.random.default_rng(length).bytes(length * itemsize)
        assert read([codec], written([codec], data), len(data)) == data

    @pytest.mark.parametrize("itemsize", [2, 4, 8])
    @pytest.mark.parametrize("length", [0, 3, 300, 50_000])
    def test_bytes_after_the_last_element_stay_where_they_are(self, itemsize, length):
        codec = Codec.of("shuffle", elementsize=itemsize)
        data = np.random.default_rng(length).bytes(length * itemsize)
        tail = b"\x01\x02\x03\x04\x05\x06\x07"[: itemsize - 1]
        encoded = written([codec], data) if length > 0 else b""
        assert read([codec], encoded + tail, len(data + tail)) == data + tail

    @pytest.mark.parametrize("start", [0, 1, 2, 3])
    @pytest.mark.parametrize("itemsize", [2, 4, 8])
    def test_memory_need_not_be_aligned(self, start, itemsize):
        codec = Codec.of("shuffle", elementsize=itemsize)
        data = np.random.default_rng(itemsize).bytes(160_000)
        encoded = np.frombuffer(b"x" * start + written([codec], data), np.uint8)
        out = np.empty(160_000 + start, np.uint8)
        decode_into((codec,), encoded[start:], out[start:], limit=LIMIT)
        assert out[start:].tobytes() == data


class TestFilters:
    @pytest.mark.parametrize("dtype", ["i1", "u2", "<i4", ">i4", "<i8", ">i2", "u8"])
    @pytest.mark.parametrize("astype", [None, "i2", "<i4", ">i8"])
    def test_delta(self, dtype, astype):
        values = (np.arange(100) % 90).astype(dtype)
        config = {"dtype": values.dtype.str}
        if astype is not None:
            config["astype"] = np.dtype(astype).str
        codec = Codec.of("delta", **config)
        encoded = get_codec({"id": "delta", **config}).encode(values).tobytes()
        assert read([codec], encoded, values.nbytes) == values.tobytes()

    @pytest.mark.parametrize(
        ("codec", "dtype"),
        [
            (
                Codec.of(
                    "fixedscaleoffset", offset=5, scale=10, dtype="<f8", astype="u2"
                ),
                "<f8",
            ),
            (Codec.of("fixedscaleoffset", offset=0, scale=1, dtype=">f4"), ">f4"),
            (Codec.of("quantize", digits=2, dtype="<f4"), "<f4"),
            (Codec.of("quantize", digits=2, dtype="<f8", astype=">f4"), "<f8"),
            (Codec.of("astype", encode_dtype="<f4", decode_dtype="<f8"), "<f8"),
            (Codec.of("astype", encode_dtype="|i1", decode_dtype=">i4"), ">i4"),
            (Codec.of("bitround", keepbits=9), "<f4"),
            (Codec.of("packbits"), "bool"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("length", [1, 7, 8, 1000])
    def test_others_decode_to_the_same(self, codec, dtype, length):
        values = (np.arange(length) % 90 / 4).astype(dtype)
        filter_ = get_codec({"id": codec.id, **codec.config})
        encoded = np.ascontiguousarray(filter_.encode(values))
        expected = np.ascontiguousarray(filter_.decode(encoded.copy())).tobytes()
        assert read([codec], encoded.tobytes(), values.nbytes) == expected
        pipeline = [codec, Codec.of("zlib", level=1), Codec.of("crc32c")]
        rest = written(pipeline[1:], encoded.tobytes())
        assert read(pipeline, rest, values.nbytes) == expected

    def test_values_that_overflow_warn_nobody(self):
        codec = Codec.of("astype", encode_dtype="<f8", decode_dtype="<i2")
        read([codec], np.array([1e300, np.nan, -np.inf]).tobytes(), 6)

    @pytest.mark.parametrize(
        "codec",
        [
            Codec.of("delta", dtype="<i4"),
            Codec.of("astype", encode_dtype="<f4", decode_dtype="<f8"),
            Codec.of("packbits"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("change", [-1, 1, 8])
    def test_too_little_and_too_much_is_told(self, codec, change):
        values = np.ones(96 // 8, "<f8") if codec.id == "astype" else np.ones(96, "u1")
        encoded = written([codec], values)
        changed = (encoded + b"\0" * 8)[: len(encoded) + change]
        refused([codec], changed, values.nbytes)
        refused([codec, Codec.of("zlib")], zlib.compress(changed), values.nbytes)

    def test_a_chunk_of_no_whole_number_of_elements(self):
        refused([Codec.of("delta", dtype="<i4")], bytes(7), 7, "no whole number")

    def test_packed_bits_must_count_the_unused_ones(self):
        refused([Codec.of("packbits")], b"\x09\xff", 8)
        refused([Codec.of("packbits")], b"\x01\xff", 8)


class TestDamage:
    @pytest.mark.parametrize("codec", COMPRESSORS + CHECKSUMS, ids=repr)
    def test_a_chunk_cut_anywhere(self, codec):
        encoded = written([codec], SMALL)
        for length in range(len(encoded)):
            refused([codec], encoded[:length], len(SMALL))

    @pytest.mark.parametrize("codec", COMPRESSORS + CHECKSUMS, ids=repr)
    @pytest.mark.parametrize("more", [b"\x01", b"rubbish!", b"\xff" * 500])
    def test_rubbish_after_the_end(self, codec, more):
        refused([codec], written([codec], SMALL) + more, len(SMALL))

    @pytest.mark.parametrize("codec", COMPRESSORS + CHECKSUMS, ids=repr)
    @pytest.mark.parametrize("nbytes", [0, 1, len(SMALL) - 1, len(SMALL) + 1, 5000])
    def test_another_size_than_the_shape_says(self, codec, nbytes):
        refused([codec], written([codec], SMALL), nbytes)

    # A second zlib stream with the same check is not looked for.
    @pytest.mark.parametrize("codec", COMPRESSORS[1:], ids=repr)
    def test_the_same_chunk_twice_is_too_much(self, codec):
        refused([codec], written([codec], SMALL) * 2, len(SMALL))

    @pytest.mark.parametrize("codec", SELF_CHECKING + CHECKSUMS, ids=repr)
    def test_any_byte_changed_is_told_where_there_is_a_checksum(self, codec):
        encoded = written([codec], SMALL)
        unused = 0
        for place in range(len(encoded)):
            for change in (0x01, 0x80, 0xFF):
                damaged = bytearray(encoded)
                damaged[place] ^= change
                try:
                    assert read([codec], damaged, len(SMALL)) == SMALL
                except ChunkDecodeError:
                    continue
                unused += 1
        # Some of bzip2's tables describe nothing, and zlib's level is a note.
        assert unused == 0 or codec.id in ("bz2", "zlib")

    def test_any_byte_changed_of_a_checksummed_compressed_chunk(self):
        codecs = [
            Codec.of("shuffle", elementsize=4),
            Codec.of("zlib", level=1),
            Codec.of("fletcher32"),
        ]
        encoded = written(codecs, SMALL)
        for place in range(len(encoded)):
            for change in range(1, 256, 17):
                damaged = bytearray(encoded)
                damaged[place] ^= change
                refused(codecs, damaged, len(SMALL), "fletcher32")

    def test_the_line_says_what_the_checksum_is_and_should_be(self):
        damaged = b"?" + written([Codec.of("crc32c")], SMALL)[1:]
        refused([Codec.of("crc32c")], damaged, len(SMALL), r"is [0-9a-f]{8}, but that")

    @pytest.mark.parametrize("codec", COMPRESSORS + CHECKSUMS, ids=repr)
    @given(data=st.binary(max_size=200), nbytes=st.integers(0, 300))
    def test_rubbish_is_an_error_and_never_another_size(self, codec, data, nbytes):
        out = np.empty(nbytes, np.uint8)
        try:
            decode_into((codec,), data, out, limit=LIMIT)
        except ChunkDecodeError as error:
            assert str(error).startswith(f"{codec.id}: ")  # noqa: PT017 - or no error

    @pytest.mark.parametrize("codec", COMPRESSORS, ids=repr)
    @given(st.data())
    def test_changed_bytes_are_an_error_or_of_the_right_size(self, codec, data):
        damaged = bytearray(written([codec], SMALL))
        places = st.integers(0, len(damaged) - 1)
        for place in data.draw(st.lists(places, min_size=1, max_size=4)):
            damaged[place] = data.draw(st.integers(0, 255))
        try:
            assert len(read([codec], damaged, len(SMALL))) == len(SMALL)
        except ChunkDecodeError as error:
            assert str(error).startswith(f"{codec.id}: ")  # noqa: PT017 - or no error


class TestBlosc:
    encoded = numcodecs.Blosc("lz4", 5, 1).encode(np.arange(9000, dtype="<i4"))

    def changed(self, place, number):
        return (
            self.encoded[:place]
            + number.to_bytes(4, "little")
            + self.encoded[place + 4 :]
        )

    def test_half_a_chunk_is_no_rubbish(self):
        half = self.encoded[: len(self.encoded) // 2]
        refused([Codec.of("blosc")], half, 36_000, r"bytes long, but there are")

    def test_a_header_that_lies(self):
        refused([Codec.of("blosc")], self.changed(4, 36_001), 36_000, "announces 36001")
        refused([Codec.of("blosc")], self.changed(8, 1 << 30), 36_000, "blocks of")

    def test_a_compressor_that_is_not_built_in_is_named(self):
        # The third byte's upper bits number it; 2 is Snappy.
        damaged = bytearray(self.encoded)
        damaged[2] = damaged[2] & 0x1F | 2 << 5
        refused([Codec.of("blosc")], damaged, 36_000, "snappy")


def test_gzip_members_are_one_chunk():
    parts = [SMALL[:100], b"", SMALL[100:350], SMALL[350:]]
    encoded = b"".join(gzip.compress(part) for part in parts)
    assert read([Codec.of("gzip")], encoded, len(SMALL)) == SMALL
    assert read([Codec.of("gzip")], encoded + bytes(5), len(SMALL)) == SMALL
    refused([Codec.of("gzip")], encoded, len(SMALL) - 1, "more than")
    refused([Codec.of("gzip")], encoded + gzip.compress(b"x"), len(SMALL), "more than")
    refused([Codec.of("gzip")], encoded + bytes(3) + b"x", len(SMALL))


def test_bzip2_and_lzma_streams_are_one_chunk():
    for name, compress in (("bz2", bz2.compress), ("lzma", lzma.compress)):
        encoded = compress(SMALL[:70]) + compress(SMALL[70:])
        assert read([Codec.of(name)], encoded, len(SMALL)) == SMALL


class TestZstdFrames:
    """Frames may be several, not tell their size, or be skipped (RFC 8878)."""

    skipped = bytes.fromhex("502a4d18") + (5).to_bytes(4, "little") + b"hello"

    @staticmethod
    def told(data):
        return bytes(numcodecs.Zstd(1).encode(data))

    @staticmethod
    def untold(data):
        """Make a frame of raw blocks that does not say how much it holds."""
        frame = bytes.fromhex("28b52ffd 00 58")
        for start in range(0, len(data), 100):
            block = data[start : start + 100]
            is_last = start + 100 >= len(data)
            frame += (is_last | len(block) << 3).to_bytes(3, "little") + block
        return frame

    def frames(self, data):
        half = len(data) // 2
        return {
            "untold": self.untold(data),
            "told, told": self.told(data[:half]) + self.told(data[half:]),
            "untold, told": self.untold(data[:half]) + self.told(data[half:]),
            "told, untold": self.told(data[:half]) + self.untold(data[half:]),
            "skipped, told": self.skipped + self.told(data),
            "skipped, untold": self.skipped + self.untold(data),
            "told, skipped": self.told(data) + self.skipped,
        }

    @pytest.mark.skipif(
        tuple(map(int, numcodecs.__version__.split(".")[:3])) < (0, 16, 4),
        reason="older numcodecs refuse several frames",
    )
    @pytest.mark.parametrize("size", [1, 250, 300, 70_000])
    def test_all_of_them_and_nothing_else(self, size):
        data = (np.arange(size) % 97).astype(np.uint8).tobytes()
        codec = Codec.of("zstd")
        for name, encoded in self.frames(data).items():
            if size == 1 and "," in name and "skipped" not in name:
                continue
            assert read([codec], encoded, size) == data, name
            refused([codec], encoded, size + 1)
            refused([codec], encoded, size - 1)
            refused([codec], encoded + b"rubbish", size)

    def test_a_frame_that_does_not_say_its_size_between_compressors(self):
        codecs = [Codec.of("zlib"), Codec.of("zstd")]
        encoded = self.untold(zlib.compress(SMALL))
        refused(codecs, encoded, len(SMALL), "does not say how much")


class TestWithoutLibdeflate:
    """The standard library alone gives the same answers and the same refusals."""

    @pytest.fixture(autouse=True)
    def no_libdeflate(self, monkeypatch):
        monkeypatch.setattr(inflate, "_libdeflate", lambda: None)

    @pytest.mark.parametrize("name", ["zlib", "gzip"])
    def test_right_answers(self, name):
        encoded = written([Codec.of(name)], SMALL)
        assert read([Codec.of(name)], encoded, len(SMALL)) == SMALL

    @pytest.mark.parametrize("name", ["zlib", "gzip"])
    def test_damage(self, name):
        encoded = written([Codec.of(name)], SMALL)
        for length in range(len(encoded)):
            refused([Codec.of(name)], encoded[:length], len(SMALL))
        refused([Codec.of(name)], encoded, len(SMALL) - 1, "more than 599 bytes")
        refused([Codec.of(name)], encoded, len(SMALL) + 1, "holds 600 bytes where 601")
        refused([Codec.of(name)], encoded * 2, len(SMALL))


@pytest.fixture(scope="module")
def bombs():
    zeros = bytes(64 << 20)
    return {codec: written([codec], zeros) for codec in COMPRESSORS}


class TestBombs:
    """A few kilobytes that become 64 MiB are refused before they do."""

    @staticmethod
    def peak(codecs, encoded, nbytes, limit):
        tracemalloc.start()
        try:
            refused(codecs, encoded, nbytes, limit=limit)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @staticmethod
    def dictionary(codec):
        """What LZMA's ordinary preset needs, whatever the data."""
        return 8 << 20 if codec.id == "lzma" else 0

    @pytest.mark.parametrize("codec", COMPRESSORS, ids=repr)
    def test_as_the_chunk_itself(self, bombs, codec):
        encoded = bombs[codec]
        peak = self.peak([codec], encoded, 4096, LIMIT) - self.dictionary(codec)
        assert peak < (1 << 20) + 2 * len(encoded)

    @pytest.mark.parametrize("codec", COMPRESSORS, ids=repr)
    def test_as_an_intermediate_result_up_to_the_limit(self, bombs, codec):
        codecs = [Codec.of("zlib"), codec]
        encoded = bombs[codec]
        peak = self.peak(codecs, encoded, 4096, 1 << 20) - self.dictionary(codec)
        assert peak < (4 << 20) + 2 * len(encoded)

    def test_a_chunk_over_the_limit_takes_no_memory(self):
        tracemalloc.start()
        try:
            with pytest.raises(ChunkDecodeError, match="over the limit of 1000"):
                decode((Codec.of("zlib"),), b"", 1 << 40, limit=1000)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_a_gzip_member_whose_footer_lies(self):
        encoded = gzip.compress(SMALL)[:-4] + (1 << 31).to_bytes(4, "little")
        assert self.peak([Codec.of("gzip")], encoded, 0, LIMIT) < 1 << 20
        assert self.peak([Codec.of("gzip")], encoded, len(SMALL), LIMIT) < 1 << 20


class TestUnsupported:
    @pytest.mark.parametrize("name", ["pcodec", "zfpy", "hdf5:32013", "zarr:new", ""])
    def test_an_unknown_codec_is_named(self, name):
        codecs = (Codec.of("zlib"), Codec(name))
        assert unsupported(codecs) == f"codec {name!r} cannot be decoded here"
        with pytest.raises(UnsupportedCodec, match=re.escape(repr(name))):
            decode(codecs, b"", 1, limit=LIMIT)
        with pytest.raises(UnsupportedCodec, match=re.escape(repr(name))):
            decode_into(codecs, b"", np.empty(1, np.uint8), limit=LIMIT)

    def test_a_filter_of_hdf5_by_its_name_too(self):
        codecs = (Codec.of("hdf5:32013", name="H5Z-ZFP"),)
        assert unsupported(codecs) == (
            "codec 'hdf5:32013' (H5Z-ZFP) cannot be decoded here"
        )

    @pytest.mark.parametrize(
        "codec",
        [
            Codec.of("lzf"),
            Codec.of("hdf5_szip", parameters=(141, 8, 32, 100)),
            Codec.of("blosc2"),
        ],
        ids=str,
    )
    def test_a_missing_package_is_named_with_the_command(self, codec, monkeypatch):
        monkeypatch.setattr(step, "find_spec", lambda _: None)
        why = unsupported((codec, Codec.of("crc32", location="start", told=codec.id)))
        assert why == (
            f"codec {codec.id!r} is decoded by imagecodecs, which is not installed:"
            " pip install 'activecore[codecs]'"
        )

    @pytest.mark.parametrize(
        "codec",
        [
            Codec.of("shuffle", elementsize="four"),
            Codec.of("shuffle", elementsize=-1),
            Codec.of("delta"),
            Codec.of("delta", dtype="no such"),
            Codec.of("delta", dtype="O"),
            Codec.of("astype", decode_dtype="f4", encode_dtype="S3"),
            Codec.of("astype", decode_dtype="f4"),
            Codec.of("crc32", location="middle"),
            Codec.of("hdf5_szip", parameters=(1, 2)),
            Codec.of("hdf5_szip", parameters=(141, 8, 24, 100)),
            Codec.of("hdf5_nbit", parameters=(8, 0, 100, 1, 4, 0, 12, 0)),
            Codec.of("hdf5_scaleoffset", parameters=(1, 2, 3)),
            Codec.of("hdf5_bitshuffle", parameters=(0, 4)),
            Codec.of("hdf5_bitshuffle", parameters=(0, 4, 4, 0, 9)),
        ],
        ids=repr,
    )
    def test_a_configuration_that_means_nothing(self, codec):
        why = unsupported((codec,))
        assert why is not None
        assert "\n" not in why
        if codec.id == "astype" and "encode_dtype" not in codec.config:
            assert "encode_dtype" in why

    @pytest.mark.parametrize("codecs", [(), tuple(COMPRESSORS), tuple(CHECKSUMS)])
    def test_what_is_supported_is_none(self, codecs):
        assert unsupported(codecs) is None


def test_the_documentation_has_a_row_for_every_codec():
    text = (ROOT / "docs" / "codecs.md").read_text()
    rows = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    assert set(FACTORIES) <= rows


reversible = st.sampled_from(
    [
        *COMPRESSORS,
        *CHECKSUMS,
        Codec.of("shuffle", elementsize=1),
        Codec.of("shuffle", elementsize=2),
        Codec.of("delta", dtype="|u1"),
        Codec.of("delta", dtype="|i1", astype="<i2"),
        Codec.of("astype", encode_dtype="<i8", decode_dtype="|u1"),
    ]
)


def only_known_sizes(codecs):
    """Filters of arrays come before what makes bytes of them, and shuffle fits."""
    arrays = ("delta", "astype", "shuffle")
    kinds = [codec.id in arrays for codec in codecs]
    return kinds == sorted(kinds, reverse=True) and kinds.count(True) <= 1


@given(
    st.lists(reversible, max_size=4).filter(only_known_sizes),
    st.binary(min_size=1, max_size=300).map(lambda data: data * 2),
)
def test_what_any_pipeline_wrote_comes_back(codecs, data):
    assert read(codecs, written(codecs, data), len(data)) == data
