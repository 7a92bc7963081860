"""The codecs of HDF5, against chunks that HDF5 itself writes and reads."""

from __future__ import annotations

import itertools

import h5py
import hdf5plugin
import numpy as np
import pytest
from h5py import h5d, h5f, h5p, h5s, h5t
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from activecore.codecs import decode, decode_into, unsupported
from activecore.codecs.checksums import fletcher32
from activecore.errors import ChunkDecodeError
from activecore.model import Codec

LIMIT = 1 << 24
DTYPES = ["|u1", "|i1", "<i2", ">i2", "<u4", ">i4", "<f4", ">f4", "<f8", ">f8", "<u8"]
SHAPES = [(1,), (21,), (5, 1), (13, 5), (40, 50), (10, 20, 30), (1000, 33)]

FILTERS = {
    "shuffle": {"shuffle": True},
    "fletcher32": {"fletcher32": True},
    "shuffle, fletcher32": {"shuffle": True, "fletcher32": True},
    "gzip": {"compression": "gzip"},
    "shuffle, gzip, fletcher32": {
        "shuffle": True,
        "compression": "gzip",
        "fletcher32": True,
    },
    "lzf": {"compression": "lzf"},
    "shuffle, lzf": {"shuffle": True, "compression": "lzf"},
    "szip nn 2": {"compression": "szip", "compression_opts": ("nn", 2)},
    "szip nn 8": {"compression": "szip", "compression_opts": ("nn", 8)},
    "szip nn 10": {"compression": "szip", "compression_opts": ("nn", 10)},
    "szip ec 4": {"compression": "szip", "compression_opts": ("ec", 4)},
    "szip ec 32": {"compression": "szip", "compression_opts": ("ec", 32)},
    "scale-offset": {"scaleoffset": 3},
    "scale-offset of fills": {"scaleoffset": 2, "fillvalue": 7},
    "bzip2": hdf5plugin.BZip2(),
    "zstd": hdf5plugin.Zstd(),
    "lz4": hdf5plugin.LZ4(),
    "lz4 in blocks": hdf5plugin.LZ4(nbytes=512),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle of 64": hdf5plugin.Bitshuffle(nelems=64, cname="none"),
    "bitshuffle lz4": hdf5plugin.Bitshuffle(),
    "bitshuffle lz4 of 64": hdf5plugin.Bitshuffle(nelems=64),
    "bitshuffle zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "blosc lz4": hdf5plugin.Blosc(),
    "blosc zstd bits": hdf5plugin.Blosc(
        cname="zstd", shuffle=hdf5plugin.Blosc.BITSHUFFLE
    ),
    "blosc zlib": hdf5plugin.Blosc(cname="zlib", shuffle=hdf5plugin.Blosc.NOSHUFFLE),
    "blosc2": hdf5plugin.Blosc2(),
    "blosc2 zstd": hdf5plugin.Blosc2(
        cname="zstd", filters=hdf5plugin.Blosc2.BITSHUFFLE
    ),
    "blosc2 lz4": hdf5plugin.Blosc2(cname="lz4", filters=hdf5plugin.Blosc2.NOFILTER),
}

CHECKED = [name for name in FILTERS if "fletcher32" in name]

_names = itertools.count()


def codec_of(number, parameters, itemsize):
    """Say what the reader says of a filter, from HDF5's own documentation of it."""
    named = {
        1: Codec.of("zlib", level=4),
        2: Codec.of("shuffle", elementsize=itemsize),
        3: Codec.of("fletcher32"),
        4: Codec.of("hdf5_szip", parameters=parameters),
        5: Codec.of("hdf5_nbit", parameters=parameters),
        6: Codec.of("hdf5_scaleoffset", parameters=parameters),
        307: Codec.of("bz2"),
        32000: Codec.of("lzf", size=parameters[2] if len(parameters) > 2 else 0),
        32001: Codec.of("blosc"),
        32004: Codec.of("hdf5_lz4"),
        32008: Codec.of("hdf5_bitshuffle", parameters=parameters),
        32015: Codec.of("zstd"),
        32026: Codec.of("blosc2"),
    }
    return named[number]


class Chunk:
    """One chunk as HDF5 stores it, and what HDF5 reads of it."""

    def __init__(self, values, **options):
        name = f"chunk {next(_names)}"
        with h5py.File(name, "w", driver="core", backing_store=False) as file:
            dataset = file.create_dataset(
                "x", data=values, chunks=values.shape, **options
            )
            self.take(dataset.id, values.ndim)
            self.values = dataset[...]

    def take(self, dataset, ndim):
        plist = dataset.get_create_plist()
        filters = [plist.get_filter(k) for k in range(plist.get_nfilters())]
        itemsize = dataset.get_type().get_size()
        self.codecs = tuple(
            codec_of(number, tuple(parameters), itemsize)
            for number, _, parameters, _ in filters
        )
        mask, self.encoded = dataset.read_direct_chunk((0,) * ndim)
        if mask != 0:
            pytest.skip("HDF5 stored these values without the filter")

    @property
    def nbytes(self):
        return self.values.nbytes

    def read(self, encoded=None, nbytes=None):
        out = np.full(self.nbytes if nbytes is None else nbytes, 0xA5, dtype=np.uint8)
        given = self.encoded if encoded is None else encoded
        decode_into(self.codecs, given, out, limit=LIMIT)
        other = decode(self.codecs, given, out.nbytes, limit=LIMIT)
        assert np.array_equal(np.frombuffer(other, np.uint8), out)
        return out.tobytes()

    def check(self):
        assert unsupported(self.codecs) is None
        before = bytes(self.encoded)
        assert self.read() == self.values.tobytes()
        assert bytes(self.encoded) == before

    def refuses(self, encoded=None, nbytes=None, match="."):
        with pytest.raises(ChunkDecodeError, match=match) as caught:
            self.read(encoded, nbytes)
        line = str(caught.value)
        assert any(line.startswith(f"{codec.id}: ") for codec in self.codecs)
        assert "\n" not in line


def write(name, values):
    options = dict(FILTERS[name])
    if "szip" in name:
        block = options["compression_opts"][1]
        if values.size < block:
            pytest.skip("szip takes no chunk of less than a block")
    if "scale" in name and values.dtype.byteorder == ">" and values.dtype.kind == "u":
        pytest.skip("HDF5 does not write it")
    return Chunk(values, **options)


def smooth(shape, dtype):
    values = np.sin(np.arange(np.prod(shape)) / 50) * 50 + 51
    return values.reshape(shape).astype(dtype)


class TestRightAnswers:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("name", FILTERS)
    def test_what_hdf5_writes(self, name, shape, dtype):
        write(name, smooth(shape, dtype)).check()

    @pytest.mark.parametrize("name", FILTERS)
    @pytest.mark.parametrize("value", [0, 7])
    def test_one_value_everywhere(self, name, value):
        write(name, np.full((40, 30), value, "<i4")).check()

    @pytest.mark.parametrize("name", [n for n in FILTERS if "scale" not in n])
    def test_missing_and_infinite_floats(self, name):
        values = smooth((40, 30), "<f8")
        values[3] = np.nan
        values[:, 4] = -np.inf
        write(name, values).check()

    @pytest.mark.parametrize("name", [n for n in FILTERS if "ec 32" not in n])
    @given(
        arrays.arrays(
            st.sampled_from(["<i2", ">i4", "<f4", "<u8"]),
            arrays.array_shapes(max_dims=3, max_side=9),
            elements={"min_value": 0, "max_value": 99},
        )
    )
    @settings(max_examples=15)
    def test_any_values(self, name, values):
        options = FILTERS[name]
        if "szip" in name and values.size < options["compression_opts"][1]:
            return
        try:
            chunk = Chunk(values, **options)
        except pytest.skip.Exception:
            return
        chunk.check()

    @pytest.mark.parametrize("name", ["bitshuffle lz4", "blosc2 lz4", "szip nn 8"])
    @pytest.mark.parametrize("shape", [(700, 900), (33, 3, 5000)], ids=str)
    def test_chunks_of_many_blocks(self, name, shape):
        write(name, smooth(shape, "<f4")).check()

    @pytest.mark.parametrize("filled", [True, False])
    def test_blocks_of_blosc2_that_jut_out_of_the_chunk(self, filled):
        # Blocks are 256 x 256 here, so edges are filled up.
        values = np.arange(1000 * 777, dtype="<f8").reshape(1000, 777)
        Chunk(values if filled else values * 0, **hdf5plugin.Blosc2()).check()

    def test_a_chunk_of_blosc2_without_a_frame(self):
        import imagecodecs

        values = smooth((50, 60), "<f4")
        chunk = Chunk(values, **hdf5plugin.Blosc2())
        chunk.encoded = imagecodecs.blosc2_encode(values.tobytes(), typesize=4)
        chunk.check()
        chunk.refuses(chunk.encoded[:-1], match="bytes long")
        chunk.refuses(chunk.encoded + b"\0", match="bytes long")


class TestLowLevel:
    """What only HDF5's own interface writes."""

    @staticmethod
    def chunk(values, kind, setup):
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fapl_core(1 << 16, backing_store=False)
        name = f"low level {next(_names)}".encode()
        file = h5f.create(name, h5f.ACC_TRUNC, fapl=access)
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk(values.shape)
        setup(plist)
        space = h5s.create_simple(values.shape)
        dataset = h5d.create(file, b"x", kind, space, dcpl=plist)
        dataset.write(h5s.ALL, h5s.ALL, values)
        made = Chunk.__new__(Chunk)
        made.take(dataset, values.ndim)
        made.values = np.empty_like(values)
        dataset.read(h5s.ALL, h5s.ALL, made.values)
        file.close()
        return made

    @pytest.mark.parametrize("dtype", ["<f8", "<f4", "<i2"])
    def test_shuffle_of_what_is_no_whole_number_of_elements(self, dtype):
        # A checksum before it adds 4 bytes: with 8-byte elements they stay behind.
        def setup(plist):
            plist.set_fletcher32()
            plist.set_shuffle()

        values = smooth((40, 31), dtype)
        self.chunk(values, h5t.py_create(values.dtype), setup).check()

    def test_shuffle_after_deflate(self):
        def setup(plist):
            plist.set_deflate(4)
            plist.set_shuffle()

        for length in range(300, 320):
            values = smooth((length,), "<f8")
            self.chunk(values, h5t.py_create(values.dtype), setup).check()

    @pytest.mark.parametrize("dtype", ["<i4", ">i2", "<f4", "|u1"])
    def test_n_bit_of_whole_numbers_changes_nothing(self, dtype):
        values = smooth((30, 20), dtype)
        kind = h5t.py_create(values.dtype)
        made = self.chunk(values, kind, lambda plist: plist.set_filter(5, 0))
        assert made.codecs[0].id == "hdf5_nbit"
        made.check()

    def test_n_bit_that_leaves_bits_out_is_refused(self):
        kind = h5t.STD_I32LE.copy()
        kind.set_precision(12)
        made = self.chunk(
            smooth((300,), "<i4"), kind, lambda plist: plist.set_filter(5, 0)
        )
        assert "n-bit" in unsupported(made.codecs) or "nbit" in unsupported(made.codecs)


class TestFletcher32:
    @pytest.mark.parametrize("length", [*range(1, 40), 719, 720, 721, 4095, 4096, 4097])
    @pytest.mark.parametrize("byte", [0, 1, 0xFF, None])
    def test_of_any_length_as_hdf5_computes_it(self, length, byte):
        values = np.arange(length) * 37 % 256 if byte is None else np.full(length, byte)
        chunk = Chunk(values.astype(np.uint8), fletcher32=True)
        chunk.check()
        assert fletcher32(values.astype(np.uint8)) == int.from_bytes(
            chunk.encoded[-4:], "little"
        )

    @pytest.mark.parametrize("byte", [0xFF, 0x80, None])
    def test_of_many_bytes(self, byte):
        length = 40_000_001
        values = (
            np.random.default_rng(1).integers(0, 256, length, np.uint8)
            if byte is None
            else np.full(length, byte, np.uint8)
        )
        chunk = Chunk(values, fletcher32=True)
        assert fletcher32(values) == int.from_bytes(chunk.encoded[-4:], "little")

    def test_swapped_as_hdf5_wrote_it_before_1_6_3(self):
        chunk = Chunk(smooth((40, 50), "<f4"), fletcher32=True)
        a, b, c, d = chunk.encoded[-4:]
        chunk.encoded = chunk.encoded[:-4] + bytes([b, a, d, c])
        chunk.check()
        chunk.refuses(chunk.encoded[:-4] + bytes([c, d, a, b]), match="checksum")

    def test_of_nothing(self):
        assert fletcher32(np.empty(0, np.uint8)) == 0


class TestDamage:
    @pytest.mark.parametrize("name", FILTERS)
    def test_a_chunk_cut_anywhere(self, name):
        chunk = write(name, smooth((14, 10), "<i4"))
        for length in range(len(chunk.encoded)):
            try:
                # szip may not need its last bits.
                assert chunk.read(chunk.encoded[:length]) == chunk.values.tobytes()
            except ChunkDecodeError:
                continue
            assert "szip" in name
            assert length >= len(chunk.encoded) - 1

    @pytest.mark.parametrize("name", [n for n in FILTERS if "szip" not in n])
    @pytest.mark.parametrize("more", [b"\x01", b"rubbish!" * 9])
    def test_rubbish_after_the_end(self, name, more):
        chunk = write(name, smooth((14, 10), "<i4"))
        chunk.refuses(chunk.encoded + more)

    @pytest.mark.parametrize("name", FILTERS)
    @pytest.mark.parametrize("change", [-560, -1, 1, 4, 560])
    def test_another_size_than_the_shape_says(self, name, change):
        chunk = write(name, smooth((14, 10), "<i4"))
        chunk.refuses(nbytes=chunk.nbytes + change)

    @pytest.mark.parametrize("name", CHECKED)
    def test_any_byte_changed_is_told(self, name):
        chunk = write(name, smooth((14, 10), "<i4"))
        for place in range(len(chunk.encoded)):
            for change in (0x01, 0x80, 0xFF):
                damaged = bytearray(chunk.encoded)
                damaged[place] ^= change
                chunk.refuses(damaged, match="fletcher32: the checksum")

    @pytest.mark.parametrize("name", FILTERS)
    @given(st.data())
    @settings(max_examples=60)
    def test_changed_bytes_are_an_error_or_of_the_right_size(self, name, data):
        chunk = write(name, smooth((14, 10), "<i4"))
        damaged = bytearray(chunk.encoded)
        last = min(len(damaged), data.draw(st.sampled_from([64, 200, 10_000]))) - 1
        places = st.lists(st.integers(0, last), min_size=1, max_size=4)
        for place in data.draw(places):
            damaged[place] = data.draw(st.integers(0, 255))
        try:
            assert len(chunk.read(damaged)) == chunk.nbytes
        except ChunkDecodeError as error:
            assert "\n" not in str(error)  # noqa: PT017 - or no error

    def test_a_head_of_scale_offset_that_wants_too_many_bits(self):
        chunk = write("scale-offset", smooth((14, 10), "<i4"))
        chunk.refuses(b"\x21" + chunk.encoded[1:], match="in 33 bits")

    def test_a_head_of_lz4_without_blocks(self):
        chunk = write("lz4", smooth((14, 10), "<i4"))
        encoded = chunk.encoded
        chunk.refuses(encoded[:8] + bytes(4) + encoded[12:], match="no bytes")

    def test_a_chunk_of_blosc2_that_says_it_was_never_written(self):
        # The library succeeds, and leaves whatever the memory held.
        chunk = write("blosc2", smooth((14, 10), "<i4"))
        damaged = bytearray(chunk.encoded)
        header = int.from_bytes(damaged[11:15], "big")
        damaged[header + 31] = 4 << 4
        chunk.refuses(damaged, match="never written")

    def test_a_frame_of_blosc2_that_needs_more_than_the_limit(self):
        chunk = write("blosc2", smooth((40, 50), "<i4"))
        large = (1 << 40).to_bytes(8, "big")
        frame = chunk.encoded[:30] + large + chunk.encoded[38:]
        chunk.refuses(frame, match="not a frame of one chunk")
