"""The Zarr reader's codecs, against zarr-python and tensorstore."""

from __future__ import annotations

import json

import numcodecs
import numcodecs.registry
import numpy as np
import pytest
import tensorstore
import zarr
import zarr.codecs.numcodecs as v3
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr_stores import describe, stored_values, writing

from activecore.errors import UnsupportedCodec, UnsupportedFormat
from activecore.model import Codec

SHAPE, CHUNKS = (7, 5, 3), (4, 2, 3)


def numbers(dtype="f4", shape=SHAPE):
    rng = np.random.default_rng(3)
    return rng.integers(0, 2 if dtype == "bool" else 90, shape).astype(dtype)


def layout_of(path):
    return describe(path).layouts[0]


def check_against_zarr_python(path):
    info = describe(path)
    expected = zarr.open_array(path, mode="r")[...]
    assert np.array_equal(stored_values(info), expected)
    assert all(isinstance(hash(codec), int) for codec in info.layouts[0].codecs)
    return info.layouts[0]


def make_v2(path, dtype="f4", **options):
    with writing():
        array = zarr.create_array(
            path, shape=SHAPE, chunks=CHUNKS, dtype=dtype, zarr_format=2, **options
        )
        array[...] = numbers(dtype)


def make_v3(path, dtype="f4", **options):
    with writing():
        array = zarr.create_array(
            path, shape=SHAPE, chunks=CHUNKS, dtype=dtype, **options
        )
        array[...] = numbers(dtype)


def edit_codecs(path, codecs):
    document = json.loads((path / "zarr.json").read_text())
    document["codecs"] = codecs
    (path / "zarr.json").write_text(json.dumps(document))


class TestV2:
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize(
        "compressor",
        [
            None,
            numcodecs.Zlib(3),
            numcodecs.GZip(2),
            numcodecs.Zstd(4),
            numcodecs.LZ4(),
            numcodecs.BZ2(1),
            numcodecs.LZMA(),
            numcodecs.Blosc("lz4", 4, numcodecs.Blosc.SHUFFLE),
            numcodecs.Blosc("zstd", 4, numcodecs.Blosc.BITSHUFFLE),
        ],
        ids=str,
    )
    def test_compressors_in_both_orders(self, tmp_path, compressor, order):
        make_v2(tmp_path / "a", compressors=compressor, order=order)
        layout = check_against_zarr_python(tmp_path / "a")
        assert layout.order == ((0, 1, 2) if order == "C" else (2, 1, 0))
        assert layout.compression == compressor

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize(
        ("dtype", "filters"),
        [
            ("i4", [numcodecs.Delta("i4")]),
            ("i4", [numcodecs.Delta("i4", astype="i2")]),
            ("i4", [numcodecs.Shuffle(4)]),
            ("f8", [numcodecs.FixedScaleOffset(10, 4, "f8", "u2")]),
            (
                "f8",
                [numcodecs.FixedScaleOffset(0, 1, "f8", "i4"), numcodecs.Delta("i4")],
            ),
            ("f4", [numcodecs.Quantize(2, "f4")]),
            ("f4", [numcodecs.BitRound(9)]),
            ("f8", [numcodecs.AsType("f4", "f8")]),
            ("bool", [numcodecs.PackBits()]),
            ("u2", [numcodecs.CRC32()]),
            ("u2", [numcodecs.CRC32C()]),
            ("u2", [numcodecs.Fletcher32()]),
            (">i4", [numcodecs.Delta(">i4")]),
            ("f8", [numcodecs.BitRound(11), numcodecs.Shuffle(8)]),
        ],
        ids=str,
    )
    def test_filters_in_both_orders(self, tmp_path, dtype, filters, order):
        make_v2(
            tmp_path / "a",
            dtype,
            filters=filters,
            compressors=numcodecs.Zlib(1),
            order=order,
        )
        layout = check_against_zarr_python(tmp_path / "a")
        assert layout.dtype == np.dtype(dtype)
        assert layout.filters == filters

    def test_an_unknown_codec_keeps_its_id(self, tmp_path):
        make_v2(tmp_path / "a", compressors=numcodecs.Zlib(1))
        document = json.loads((tmp_path / "a" / ".zarray").read_text())
        document["compressor"] = {
            "id": "imaginary",
            "list": [1, [2]],
            "map": {"a": [1]},
        }
        (tmp_path / "a" / ".zarray").write_text(json.dumps(document))
        codec = Codec("imaginary", (("list", (1, (2,))), ("map", (("a", (1,)),))))
        assert layout_of(tmp_path / "a").codecs == (codec,)
        assert hash(codec) == hash(layout_of(tmp_path / "a").codecs[0])

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("dtype", ["<f4", ">i2", "|b1", "<u8"])
    @pytest.mark.parametrize(
        "compressor",
        [
            None,
            {"id": "zlib", "level": 1},
            {"id": "bz2", "level": 1},
            {"id": "zstd", "level": 1},
            {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        ],
    )
    def test_stores_of_tensorstore(self, tmp_path, order, dtype, compressor):
        if compressor is not None and compressor["id"] == "zstd":
            compressor = {"id": "zstd", "level": 2}
        values = numbers(np.dtype(dtype).name)
        store = tensorstore.open(
            {
                "driver": "zarr",
                "kvstore": {"driver": "file", "path": str(tmp_path / "a")},
                "metadata": {
                    "shape": list(SHAPE),
                    "chunks": list(CHUNKS),
                    "dtype": dtype,
                    "order": order,
                    "compressor": compressor,
                    "fill_value": None,
                    "dimension_separator": "/",
                },
            },
            create=True,
        ).result()
        store[...].write(values).result()
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)


class TestV3:
    @pytest.mark.parametrize(
        ("compressors", "ids"),
        [
            ([], ()),
            ([GzipCodec(level=3)], ("gzip",)),
            ([ZstdCodec(level=2)], ("zstd",)),
            ([ZstdCodec(level=2, checksum=True)], ("zstd",)),
            ([BloscCodec(cname="lz4", shuffle="shuffle")], ("blosc",)),
            ([BloscCodec(cname="zstd", shuffle="bitshuffle")], ("blosc",)),
            ([BloscCodec(cname="blosclz", shuffle="noshuffle")], ("blosc",)),
            ([Crc32cCodec()], ("crc32c",)),
            ([GzipCodec(), Crc32cCodec()], ("gzip", "crc32c")),
            ([Crc32cCodec(), ZstdCodec()], ("crc32c", "zstd")),
        ],
        ids=str,
    )
    def test_codecs_of_the_specification(self, tmp_path, compressors, ids):
        make_v3(tmp_path / "a", compressors=compressors)
        layout = check_against_zarr_python(tmp_path / "a")
        assert tuple(codec.id for codec in layout.codecs) == ids

    def test_blosc_is_configured_as_numcodecs_has_it(self, tmp_path):
        codec = BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle", typesize=4)
        make_v3(tmp_path / "a", compressors=[codec])
        expected = Codec.of("blosc", cname="lz4", clevel=3, shuffle=2, blocksize=0)
        assert layout_of(tmp_path / "a").codecs == (expected,)
        assert layout_of(tmp_path / "a").compression.cname == "lz4"

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("Zlib", {"level": 2}),
            ("LZ4", {}),
            ("Zstd", {"level": 2}),
            ("Blosc", {"cname": "lz4", "shuffle": 1}),
            ("GZip", {"level": 1}),
            ("BZ2", {}),
            ("LZMA", {}),
            ("Shuffle", {"elementsize": 4}),
            ("Shuffle", {}),
            ("CRC32", {}),
            ("CRC32C", {}),
            ("Adler32", {}),
            ("Fletcher32", {}),
            ("JenkinsLookup3", {}),
        ],
    )
    def test_numcodecs_codecs_of_bytes(self, tmp_path, name, options):
        with writing():
            codec = getattr(v3, name)(**options)
            make_v3(tmp_path / "a", compressors=[codec])
            layout = check_against_zarr_python(tmp_path / "a")
        assert layout.codecs[0].id == name.lower().replace("lookup3", "_lookup3")

    @pytest.mark.parametrize(
        ("dtype", "name", "options"),
        [
            ("i4", "Delta", {"dtype": "<i4"}),
            ("i4", "Delta", {"dtype": "<i4", "astype": "<i2"}),
            ("f8", "FixedScaleOffset", {"offset": 1, "scale": 2, "astype": "<u2"}),
            ("f4", "Quantize", {"digits": 2}),
            ("f4", "BitRound", {"keepbits": 7}),
            ("f8", "AsType", {"encode_dtype": "<f4", "decode_dtype": "<f8"}),
            ("f8", "AsType", {"encode_dtype": "<f4"}),
            ("bool", "PackBits", {}),
        ],
    )
    @pytest.mark.parametrize("transposed", [False, True])
    def test_numcodecs_filters_of_arrays(
        self, tmp_path, dtype, name, options, transposed
    ):
        with writing():
            filters = [getattr(v3, name)(**options)]
            if transposed:
                filters.insert(0, TransposeCodec(order=(2, 0, 1)))
            make_v3(tmp_path / "a", dtype, filters=filters)
            layout = check_against_zarr_python(tmp_path / "a")
        assert layout.order == ((2, 0, 1) if transposed else (0, 1, 2))
        assert layout.dtype == np.dtype(dtype)

    @pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 2, 1)])
    @pytest.mark.parametrize("endian", ["little", "big"])
    def test_transpose_and_byte_order(self, tmp_path, order, endian):
        make_v3(
            tmp_path / "a",
            filters=[TransposeCodec(order=order)],
            serializer=BytesCodec(endian=endian),
        )
        layout = check_against_zarr_python(tmp_path / "a")
        assert layout.order == order
        assert layout.dtype == np.dtype("<f4" if endian == "little" else ">f4")

    def test_transposes_add_up(self, tmp_path):
        first, second = (1, 2, 0), (2, 1, 0)
        make_v3(
            tmp_path / "a",
            filters=[TransposeCodec(order=first), TransposeCodec(order=second)],
        )
        layout = check_against_zarr_python(tmp_path / "a")
        assert layout.order == tuple(first[axis] for axis in second)

    def test_elementwise_filters_may_come_before_a_transpose(self, tmp_path):
        with writing():
            narrow = v3.AsType(encode_dtype="<f4", decode_dtype="<f8")
            transpose = TransposeCodec(order=(1, 0, 2))
            make_v3(tmp_path / "a", "f8", filters=[narrow, transpose])
            layout = check_against_zarr_python(tmp_path / "a")
        assert [codec.id for codec in layout.codecs] == ["astype", "zstd"]
        assert layout.order == (1, 0, 2)

    @pytest.mark.parametrize("endian", ["little", "big"])
    def test_bitround_leaves_the_byte_order_to_bytes(self, tmp_path, endian):
        with writing():
            filters = [v3.BitRound(keepbits=20)]
            serializer = BytesCodec(endian=endian)
            make_v3(tmp_path / "a", filters=filters, serializer=serializer)
        assert np.array_equal(stored_values(describe(tmp_path / "a")), numbers())

    @pytest.mark.parametrize(
        ("codecs", "names"),
        [
            ([{"name": "packbits"}], ["zarr:packbits"]),
            (["bytes", "imaginary"], ["zarr:imaginary"]),
            (
                ["bytes", {"name": "zlib", "configuration": {"level": 1}}],
                ["zarr:zlib"],
            ),
            (
                [{"name": "numcodecs.pcodec", "configuration": {"level": 8}}],
                ["pcodec"],
            ),
            (["vlen-utf8", "zstd"], ["zarr:vlen-utf8", "zstd"]),
            ([{"name": "numcodecs.imaginary"}, "gzip"], ["imaginary", "gzip"]),
        ],
    )
    def test_unknown_codecs_keep_a_name_to_be_refused_by(self, tmp_path, codecs, names):
        make_v3(tmp_path / "a")
        edit_codecs(tmp_path / "a", codecs)
        layout = layout_of(tmp_path / "a")
        assert [codec.id for codec in layout.codecs] == names
        for name in names:
            assert not name.startswith("zarr:") or (
                name not in numcodecs.registry.codec_registry
            )

    @pytest.mark.parametrize(
        ("codecs", "message"),
        [
            (
                [
                    {"name": "numcodecs.delta", "configuration": {"dtype": "<f4"}},
                    {"name": "transpose", "configuration": {"order": [2, 1, 0]}},
                    "bytes",
                ],
                "transpose after delta",
            ),
            (
                [
                    {"name": "numcodecs.delta", "configuration": {"dtype": "<f4"}},
                    {"name": "bytes", "configuration": {"endian": "big"}},
                ],
                "big-endian bytes after delta",
            ),
        ],
    )
    def test_combinations_that_cannot_be_expressed_are_refused(
        self, tmp_path, codecs, message
    ):
        make_v3(tmp_path / "a")
        edit_codecs(tmp_path / "a", codecs)
        with pytest.raises(UnsupportedCodec, match=message):
            describe(tmp_path / "a")

    @pytest.mark.parametrize(
        ("codecs", "message"),
        [
            ([], "turns its arrays into bytes"),
            ("bytes", "codecs"),
            (None, "codecs"),
            ([3], "codec"),
            ([{"name": "bytes", "configuration": {"endian": "pdp"}}], "byte order"),
            ([{"name": "bytes", "configuration": 3}], "codec"),
            (
                [
                    {"name": "transpose", "configuration": {"order": [0, 0, 1]}},
                    "bytes",
                ],
                "transpose",
            ),
            (
                [
                    {"name": "transpose", "configuration": {"order": ["a", 0, 1]}},
                    "bytes",
                ],
                "transpose",
            ),
            (
                [
                    {"name": "numcodecs.delta", "configuration": {"dtype": "x9"}},
                    "bytes",
                ],
                "dtype",
            ),
            (
                [
                    {"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}},
                    "bytes",
                ],
                "gives int32",
            ),
        ],
    )
    def test_broken_lists_of_codecs_are_refused(self, tmp_path, codecs, message):
        make_v3(tmp_path / "a")
        edit_codecs(tmp_path / "a", codecs)
        with pytest.raises(UnsupportedFormat, match=message):
            describe(tmp_path / "a")

    @pytest.mark.parametrize("dtype", ["float32", "int16", "bool", "uint64"])
    @pytest.mark.parametrize(
        "codecs",
        [
            [{"name": "bytes", "configuration": {"endian": "big"}}],
            [
                {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "gzip", "configuration": {"level": 2}},
                {"name": "crc32c"},
            ],
            [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "zstd", "configuration": {"level": 2, "checksum": True}},
            ],
            [
                {"name": "bytes", "configuration": {"endian": "big"}},
                {
                    "name": "blosc",
                    "configuration": {
                        "cname": "zstd",
                        "clevel": 2,
                        "shuffle": "shuffle",
                        "typesize": 2,
                        "blocksize": 0,
                    },
                },
            ],
        ],
    )
    def test_stores_of_tensorstore(self, tmp_path, dtype, codecs):
        if dtype == "bool":
            codecs = [
                codec if codec["name"] != "bytes" else {"name": "bytes"}
                for codec in codecs
            ]
        values = numbers(dtype)
        store = tensorstore.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": str(tmp_path / "a")},
                "metadata": {
                    "shape": list(SHAPE),
                    "data_type": dtype,
                    "chunk_grid": {
                        "name": "regular",
                        "configuration": {"chunk_shape": list(CHUNKS)},
                    },
                    "codecs": codecs,
                },
            },
            create=True,
        ).result()
        store[...].write(values).result()
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)
