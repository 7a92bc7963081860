"""Sharded Zarr arrays: inner chunks found by the shards' indexes, or an error."""

from __future__ import annotations

import json
import pickle

import fsspec
import numpy as np
import pytest
import tensorstore
import zarr
from google_crc32c import value as crc32c
from zarr.codecs import (
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
)
from zarr_stores import (
    LOCAL,
    all_coords,
    describe,
    stored_values,
    writing,
)

import activecore as ac
from activecore.errors import (
    ChunkDecodeError,
    ChunkError,
    ChunkReadError,
    SourceChanged,
    UnsupportedCodec,
    UnsupportedFormat,
)
from activecore.model import ABSENT
from activecore.readers.zarr.reader import ZarrReader

NOTHING = 2**64 - 1
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CRC32C = {"name": "crc32c"}


def make(path, values, shards, sharding, **options):
    with writing():
        array = zarr.create(
            shape=values.shape,
            chunks=shards,
            dtype=values.dtype,
            store=path,
            codecs=[*options.pop("before", []), sharding],
            zarr_format=3,
            **options,
        )
        array[...] = values
    return array


def transposes(order):
    if order is None:
        return []
    return [{"name": "transpose", "configuration": {"order": list(order)}}]


def numbers(shape=(10, 9), dtype="i4"):
    return np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)


def located(path):
    info = describe(path)
    return info.index.locate(all_coords(info))


def edit_sharding(path, **changes):
    document = json.loads((path / "zarr.json").read_text())
    document["codecs"][-1]["configuration"].update(changes)
    (path / "zarr.json").write_text(json.dumps(document))


@pytest.fixture
def simple(tmp_path):
    """One 4x4 array in one shard of four chunks, with a checksum on its index."""
    path = tmp_path / "a"
    make(path, numbers((4, 4)), (4, 4), ShardingCodec(chunk_shape=(2, 2)))
    return path


def shard_of(path):
    return path / "c" / "0" / "0"


def write_index(path, table, *, checksum=True):
    """Overwrite the index at the end of the only shard of ``simple``."""
    raw = np.array(table, dtype="<u8").tobytes()
    raw += (crc32c(raw) if checksum else 0).to_bytes(4, "little")
    shard = shard_of(path)
    shard.write_bytes(shard.read_bytes()[: -len(raw)] + raw)


class TestLayouts:
    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize(
        "index_codecs",
        [
            [BytesCodec(), Crc32cCodec()],
            [BytesCodec()],
            [BytesCodec(endian="big"), Crc32cCodec()],
            [BytesCodec(), Crc32cCodec(), Crc32cCodec()],
        ],
        ids=["crc32c", "bare", "big", "twice"],
    )
    def test_every_chunk_is_found_by_the_index(self, tmp_path, location, index_codecs):
        values = numbers()
        sharding = ShardingCodec(
            chunk_shape=(2, 3),
            codecs=[BytesCodec(), GzipCodec(), Crc32cCodec()],
            index_codecs=index_codecs,
            index_location=location,
        )
        make(tmp_path / "a", values, (4, 6), sharding)
        info = describe(tmp_path / "a")
        assert info.chunks == info.index.chunk_shape == (2, 3)
        assert [codec.id for codec in info.layouts[0].codecs] == ["gzip", "crc32c"]
        assert np.array_equal(stored_values(info), values)

    @pytest.mark.parametrize("outer", [None, (2, 0, 1), (1, 2, 0)])
    @pytest.mark.parametrize("inner", [None, (1, 0, 2), (2, 0, 1)])
    @pytest.mark.parametrize("endian", ["little", "big"])
    def test_transposes_outside_and_inside_of_shards(
        self, tmp_path, outer, inner, endian
    ):
        values = numbers((5, 6, 7), "i2")
        shards, cell = np.array([4, 6, 4]), np.array([2, 3, 4])
        order = [0, 1, 2] if outer is None else list(outer)
        sharding = {
            "chunk_shape": cell[order].tolist(),
            "codecs": [
                *transposes(inner),
                {"name": "bytes", "configuration": {"endian": endian}},
                {"name": "gzip", "configuration": {"level": 1}},
            ],
            "index_codecs": [LITTLE, CRC32C],
        }
        codecs = [
            *transposes(outer),
            {"name": "sharding_indexed", "configuration": sharding},
        ]
        write_with_tensorstore(tmp_path / "a", values, shards.tolist(), codecs)
        info = describe(tmp_path / "a")
        assert info.chunks == (2, 3, 4)
        assert np.array_equal(stored_values(info), values)

    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize("endian", ["little", "big"])
    def test_shards_of_tensorstore(self, tmp_path, location, endian):
        values = numbers((10, 9), "u2")
        sharding = {
            "chunk_shape": [2, 3],
            "codecs": [BIG, {"name": "zstd", "configuration": {"level": 1}}],
            "index_codecs": [LITTLE if endian == "little" else BIG, CRC32C],
            "index_location": location,
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        write_with_tensorstore(tmp_path / "a", values, [4, 6], codecs)
        assert np.array_equal(stored_values(describe(tmp_path / "a")), values)

    def test_a_scalar_may_be_sharded(self, tmp_path):
        sharding = {"chunk_shape": [], "codecs": [LITTLE], "index_codecs": [LITTLE]}
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        write_with_tensorstore(tmp_path / "a", np.array(7, "f8"), [], codecs)
        assert stored_values(describe(tmp_path / "a")) == 7

    def test_chunks_and_shards_that_were_never_written_are_absent(self, tmp_path):
        with writing():
            array = zarr.create_array(
                tmp_path / "a",
                shape=(8, 8),
                chunks=(2, 2),
                shards=(4, 4),
                dtype="f4",
                fill_value=np.nan,
            )
            array[0, 0] = array[3, 6] = 1
        found = located(tmp_path / "a")
        assert (found.layouts == 0).sum() == 2
        assert (found.layouts == ABSENT).sum() == 14
        info = describe(tmp_path / "a")
        assert np.array_equal(stored_values(info), array[...], equal_nan=True)
        assert np.isnan(info.layouts[0].fill_value)
        assert not info.layouts[0].absent_is_fill

    def test_chunks_may_be_asked_for_in_any_order_and_twice(self, tmp_path):
        make(tmp_path / "a", numbers(), (4, 6), ShardingCodec(chunk_shape=(2, 3)))
        index = describe(tmp_path / "a").index
        coords = np.array([[4, 2], [0, 0], [2, 1], [0, 0], [1, 2], [0, 0]])
        together = index.locate(coords)
        for row in range(len(coords)):
            alone = index.locate(coords[row : row + 1])
            assert alone.sources[0] == together.sources[row]
            assert alone.offsets[0] == together.offsets[row]
            assert alone.sizes[0] == together.sizes[row]
        assert len(index.locate(np.empty((0, 2), np.int64)).sources) == 0

    def test_only_the_shards_asked_for_are_read_and_only_once(
        self, tmp_path, monkeypatch
    ):
        make(tmp_path / "a", numbers(), (4, 6), ShardingCodec(chunk_shape=(2, 3)))
        counting = Counting()
        with ZarrReader(counting, str(tmp_path / "a")) as reader:
            index = reader.array("").index
        counting.read.clear()
        coords = np.array([[0, 0], [1, 1], [4, 2]])
        index.locate(coords)
        shards = [str(tmp_path / "a" / "c" / key) for key in ("0/0", "2/1")]
        assert counting.read == [(shard, -68) for shard in shards]
        index.locate(coords)
        assert len(counting.read) == 2

    def test_few_tables_are_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr("activecore.readers.zarr.shards._KEPT_BYTES", 64)
        monkeypatch.setattr("activecore.readers.zarr.shards._READ_BYTES", 100)
        values = numbers()
        make(tmp_path / "a", values, (4, 6), ShardingCodec(chunk_shape=(2, 3)))
        info = describe(tmp_path / "a")
        assert np.array_equal(stored_values(info), values)
        assert len(info.index._tables) == 1

    def test_a_sharded_array_survives_pickling(self, simple):
        info = describe(simple)
        info.index.locate(all_coords(info))
        copy = pickle.loads(pickle.dumps(info))
        assert len(copy.index._tables) == 0
        assert np.array_equal(stored_values(copy), numbers((4, 4)))


class Counting(fsspec.get_filesystem_class("file")):
    """A local filesystem that remembers which ranges were read."""

    cachable = False

    def __init__(self):
        super().__init__()
        self.read = []

    def cat_file(self, path, start=None, end=None, **kwargs):
        self.read.append((path, start))
        return super().cat_file(path, start, end, **kwargs)


class Failing(fsspec.get_filesystem_class("file")):
    """A local filesystem whose shards cannot be read."""

    cachable = False
    error: Exception = PermissionError("forbidden")

    def cat_file(self, path, start=None, end=None, **kwargs):
        if "/c/" in path:
            raise self.error
        return super().cat_file(path, start, end, **kwargs)


def write_with_tensorstore(path, values, shards, codecs):
    store = tensorstore.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(path)},
            "metadata": {
                "shape": list(values.shape),
                "data_type": values.dtype.name,
                "chunk_grid": {
                    "name": "regular",
                    "configuration": {"chunk_shape": shards},
                },
                "codecs": codecs,
            },
        },
        create=True,
    ).result()
    store[...].write(values).result()


class TestDamage:
    @pytest.mark.parametrize("position", range(-68, 0, 5))
    def test_a_changed_byte_of_a_checksummed_index_is_noticed(self, simple, position):
        raw = bytearray(shard_of(simple).read_bytes())
        raw[position] ^= 0x10
        shard_of(simple).write_bytes(raw)
        with pytest.raises(ChunkDecodeError, match="index of the shard") as caught:
            located(simple)
        assert str(shard_of(simple)) in str(caught.value)

    @pytest.mark.parametrize("length", [1, 30, 67])
    def test_a_shard_shorter_than_its_index_is_noticed(self, simple, length):
        shard_of(simple).write_bytes(bytes(length))
        with pytest.raises(ChunkDecodeError, match="68 bytes long"):
            located(simple)

    def test_an_empty_shard_is_no_absent_shard(self, simple):
        shard_of(simple).write_bytes(b"")
        with pytest.raises(ChunkError):
            located(simple)

    @pytest.mark.parametrize(
        "entry",
        [
            (2**63, 8),
            (8, 2**63),
            (2**63 - 1, 2**63 - 1),
            (NOTHING, 8),
            (8, NOTHING),
            (NOTHING - 1, 1),
        ],
    )
    def test_a_range_that_no_object_can_hold_is_refused(self, simple, entry):
        write_index(simple, [(0, 8), entry, (NOTHING, NOTHING), (8, 8)])
        with pytest.raises(ChunkDecodeError, match="outside the shard"):
            located(simple)

    def test_all_ones_mean_a_missing_chunk(self, simple):
        write_index(simple, [(0, 8), (NOTHING, NOTHING), (8, 8), (16, 8)])
        found = located(simple)
        assert found.layouts.tolist() == [0, ABSENT, 0, 0]
        assert found.offsets.tolist() == [0, 0, 8, 16]

    @pytest.mark.parametrize(
        "error", [PermissionError("forbidden"), OSError("disk"), TimeoutError("slow")]
    )
    def test_a_shard_that_cannot_be_read_is_never_absent(self, simple, error):
        failing = Failing()
        failing.error = error
        with ZarrReader(failing, str(simple)) as reader:
            info = reader.array("")
        with pytest.raises(ChunkReadError, match=str(error)) as caught:
            info.index.locate(all_coords(info))
        assert caught.value.source == str(shard_of(simple))

    def test_a_removed_shard_is_absent(self, simple):
        shard_of(simple).unlink()
        assert (located(simple).layouts == ABSENT).all()


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"chunk_shape": [3, 2]}, "do not divide"),
            ({"chunk_shape": [2]}, "inner chunks"),
            ({"chunk_shape": [0, 2]}, "inner chunks"),
            ({"chunk_shape": None}, "inner chunks"),
            ({"index_location": "middle"}, "index of its shards"),
            ({"codecs": []}, "into bytes"),
        ],
    )
    def test_broken_configurations(self, simple, changes, message):
        edit_sharding(simple, **changes)
        with pytest.raises(UnsupportedFormat, match=message):
            describe(simple)

    def test_a_shard_of_too_many_chunks(self, simple):
        document = json.loads((simple / "zarr.json").read_text())
        document["shape"] = [2**40, 2**40]
        grid = document["chunk_grid"]["configuration"]
        grid["chunk_shape"] = [2**40, 2**40]
        (simple / "zarr.json").write_text(json.dumps(document))
        with pytest.raises(UnsupportedFormat, match="chunks"):
            describe(simple)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"index_codecs": ["bytes", "zstd"]}, "zstd in the index"),
            ({"index_codecs": ["bytes", "numcodecs.lz4"]}, "lz4 in the index"),
            (
                {
                    "codecs": [
                        {
                            "name": "sharding_indexed",
                            "configuration": {
                                "chunk_shape": [1, 1],
                                "codecs": ["bytes"],
                            },
                        }
                    ]
                },
                "sharding_indexed within sharding_indexed",
            ),
        ],
    )
    def test_codecs_that_cannot_be_expressed(self, simple, changes, message):
        edit_sharding(simple, **changes)
        with pytest.raises(UnsupportedCodec, match=message):
            describe(simple)

    def test_codecs_around_shards(self, simple):
        document = json.loads((simple / "zarr.json").read_text())
        document["codecs"].append({"name": "gzip", "configuration": {"level": 1}})
        (simple / "zarr.json").write_text(json.dumps(document))
        with pytest.raises(UnsupportedCodec, match="gzip around sharding_indexed"):
            describe(simple)
        document["codecs"] = [
            {"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}},
            document["codecs"][0],
        ]
        (simple / "zarr.json").write_text(json.dumps(document))
        with pytest.raises(UnsupportedCodec, match="sharding_indexed after delta"):
            describe(simple)

    def test_the_default_index_has_a_checksum(self, simple):
        edit_sharding(simple, index_codecs=None)
        assert np.array_equal(stored_values(describe(simple)), numbers((4, 4)))

    def test_a_suffix_range_of_an_object_works_here(self, simple):
        assert len(LOCAL.cat_file(str(shard_of(simple)), start=-68)) == 68


@pytest.fixture
def shards(tmp_path):
    """Eight numbers, four inner chunks, one shard; and a way to write them anew."""

    def write(*values):
        make(tmp_path / "x", np.array(values), (8,), ShardingCodec(chunk_shape=(2,)))

    def write_shard(*values):
        metadata = (tmp_path / "x" / "zarr.json").stat()
        array = zarr.open_array(tmp_path / "x", mode="r+")
        with writing():
            array[...] = np.array(values)
        assert (tmp_path / "x" / "zarr.json").stat().st_mtime == metadata.st_mtime

    with writing():
        zarr.open_group(tmp_path, mode="w", zarr_format=3)
    write(1.0, 1, 2, 2, 3, 3, 4, 4)
    return ac.open(str(tmp_path)), tmp_path / "x" / "c" / "0", write_shard


# The first chunk is all fill value now, and so is not there: all others lie elsewhere.
MOVED = (0.0, 0, 20, 20, 30, 30, 40, 40)


def test_a_shard_that_was_written_anew_since_the_last_run_is_source_changed(shards):
    dataset, _, write = shards
    array = dataset["x"]
    assert array.sum() == 20
    write(*MOVED)
    with pytest.raises(SourceChanged, match="c/0 was written anew"):
        array.sum()
    assert array.sum() == 180


def test_a_shard_that_is_written_anew_in_a_run_is_source_changed(shards, monkeypatch):
    dataset, _, write = shards
    array = dataset["x"]
    backend = array._session.backends[0]
    reduce = backend.reduce_chunks

    def late(batch):
        write(*MOVED)
        return reduce(batch)

    monkeypatch.setattr(backend, "reduce_chunks", late)
    with pytest.raises(SourceChanged, match="c/0 was written anew"):
        array.sum()


def test_a_shard_that_is_removed_in_a_run_is_source_changed(shards, monkeypatch):
    dataset, path, _ = shards
    array = dataset["x"]
    backend = array._session.backends[0]
    reduce = backend.reduce_chunks

    def early(batch):
        answer = reduce(batch)
        path.unlink()
        return answer

    monkeypatch.setattr(backend, "reduce_chunks", early)
    with pytest.raises(SourceChanged, match="c/0 was removed"):
        array.sum()


def test_a_shard_of_which_only_values_changed_is_read_as_it_is(shards):
    dataset, _, write = shards
    array = dataset["x"]
    assert array.sum() == 20
    write(1.0, 1, 2, 2, 3, 3, 4, 5)
    assert array.sum() == 21
