"""Zarr stores in zip files: stored members are ranges of the zip, others are refused."""

from __future__ import annotations

import json
import pickle
import zipfile

import fsspec
import numpy as np
import pytest
import zarr
from zarr.codecs import ShardingCodec
from zarr_stores import LOCAL, all_coords, describe, open_reader, stored_values, writing

from activecore.errors import ChunkDecodeError, ChunkReadError, UnsupportedFormat
from activecore.model import ABSENT, source_version
from activecore.readers.zarr.reader import ZarrReader

VALUES = np.arange(1, 31).reshape(6, 5).astype("i4")


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def folder(request, tmp_path):
    """A store in a directory, partly written."""
    path = tmp_path / "folder"
    with writing():
        root = zarr.open_group(path, mode="w", zarr_format=request.param)
        for name in ("x", "one/y"):
            array = root.create_array(name, shape=(8, 5), chunks=(3, 2), dtype="i4")
            array[:6] = VALUES
    return path


def pack(folder, path, extra=b""):
    """Zip a directory; ``extra`` goes into each header."""
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(folder.rglob("*")):
            if member.is_file():
                info = zipfile.ZipInfo(member.relative_to(folder).as_posix())
                info.extra = extra
                archive.writestr(info, member.read_bytes())
    return path


def head(path):
    return path.read_bytes()[:4096]


def test_a_store_of_zarr_python_is_read_in_place(tmp_path):
    path = tmp_path / "named.anything"
    with writing(), zarr.storage.ZipStore(path, mode="w") as store:
        root = zarr.open_group(store, mode="w")
        array = root.create_array("x", shape=(6, 5), chunks=(3, 2), dtype="i4")
        array[...] = VALUES
    assert ZarrReader.recognises(LOCAL, str(path), head(path))
    info = describe(path, "x")
    assert np.array_equal(stored_values(info), VALUES)
    located = info.index.locate(all_coords(info))
    assert set(located.sources) == {str(path)}
    assert (located.sizes > 0).all()


@pytest.mark.parametrize("extra", [b"", b"\x99\x99\x04\x00abcd"])
def test_both_formats_with_and_without_extra_fields(folder, tmp_path, extra):
    path = pack(folder, tmp_path / "z", extra=extra)
    assert ZarrReader.recognises(LOCAL, str(path), head(path))
    with open_reader(path) as reader:
        assert list(reader.variables()) == ["one/y", "x"]
        infos = [reader.array(name) for name in reader.variables()]
    for info in infos:
        assert np.array_equal(stored_values(info)[:6], VALUES)
        located = info.index.locate(all_coords(info))
        assert (located.layouts == ABSENT).sum() == 3
        assert not info.layouts[0].absent_is_fill


def test_metadata_may_be_compressed_but_chunks_may_not(folder, tmp_path):
    path = tmp_path / "z"
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(folder.rglob("*")):
            name = member.relative_to(folder).as_posix()
            if member.is_file():
                is_metadata = member.name.startswith((".z", "zarr.json"))
                deflated = is_metadata or name.startswith("one/")
                method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
                archive.write(member, name, compress_type=method)
    assert np.array_equal(stored_values(describe(path, "x"))[:6], VALUES)
    with pytest.raises(UnsupportedFormat, match="compressed by the zip"):
        describe(path, "one/y")


def test_a_sharded_array_in_a_zip(tmp_path):
    with writing():
        array = zarr.create(
            store=tmp_path / "folder",
            shape=(8, 5),
            chunks=(4, 6),
            dtype="i4",
            codecs=[ShardingCodec(chunk_shape=(2, 3))],
            zarr_format=3,
        )
        array[:3, :2] = VALUES[:3, :2]
    path = pack(tmp_path / "folder", tmp_path / "array.zip")
    with open_reader(path) as reader:
        assert list(reader.variables()) == ["array"]
    info = describe(path)
    assert np.array_equal(stored_values(info), array[...])
    copy = pickle.loads(pickle.dumps(info))
    assert np.array_equal(stored_values(copy), array[...])


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_shard_in_a_zip_reaches_no_further_than_its_member(tmp_path, location):
    with writing():
        array = zarr.create(
            store=tmp_path / "folder",
            shape=(4,),
            chunks=(4,),
            dtype="i4",
            codecs=[
                ShardingCodec(
                    chunk_shape=(4,),
                    index_codecs=[
                        {"name": "bytes", "configuration": {"endian": "little"}}
                    ],
                    index_location=location,
                )
            ],
            zarr_format=3,
        )
        array[...] = 1
    shard = tmp_path / "folder" / "c" / "0"
    raw = shard.read_bytes()
    table = np.array([0, len(raw) + 1], dtype="<u8").tobytes()
    shard.write_bytes(table + raw[16:] if location == "start" else raw[:-16] + table)
    info = describe(pack(tmp_path / "folder", tmp_path / "z"))
    with pytest.raises(ChunkDecodeError, match="outside the shard"):
        info.index.locate(np.array([[0]]))


def test_the_later_of_two_members_with_one_name_counts(tmp_path):
    path = tmp_path / "z"
    with writing(), zarr.storage.ZipStore(path, mode="w") as store:
        array = zarr.create_array(store, shape=(2,), chunks=(2,), dtype="i4")
        array[...] = [1, 2]
        array[...] = [3, 4]
    assert stored_values(describe(path)).tolist() == [3, 4]


def test_the_version_is_that_of_the_zip(folder, tmp_path):
    path = pack(folder, tmp_path / "z")
    info = describe(path, "x")
    assert info.version_source == str(path)
    assert info.version == source_version(LOCAL.info(str(path)))


def test_an_index_survives_pickling(folder, tmp_path):
    info = pickle.loads(pickle.dumps(describe(pack(folder, tmp_path / "z"), "x")))
    assert np.array_equal(stored_values(info)[:6], VALUES)


def test_any_filesystem_serves(folder, tmp_path):
    memory = fsspec.filesystem("memory")
    raw = pack(folder, tmp_path / "z").read_bytes()
    memory.pipe_file("/store", raw)
    try:
        assert ZarrReader.recognises(memory, "/store", raw[:4096])
        with ZarrReader(memory, "/store") as reader:
            info = reader.array("x")
        located = info.index.locate(np.array([[0, 0]]))
        offset, size = located.offsets[0], located.sizes[0]
        chunk = raw[offset : offset + size]
        on_disk = describe(folder, "x").index.locate(np.array([[0, 0]])).sources[0]
        assert chunk == LOCAL.cat_file(on_disk)
    finally:
        memory.rm("/store")


class TestNotStores:
    def test_a_zip_of_something_else_is_not_recognised(self, tmp_path):
        path = tmp_path / "named.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "hello")
            archive.writestr("inner.zarr/zarr.json", "{}")
        assert not ZarrReader.recognises(LOCAL, str(path), head(path))
        with pytest.raises(UnsupportedFormat, match="no Zarr store"):
            open_reader(path)

    @pytest.mark.parametrize("keep", [10, 500, -5])
    def test_a_truncated_zip_is_not_recognised(self, folder, tmp_path, keep):
        path = pack(folder, tmp_path / "z")
        path.write_bytes(path.read_bytes()[:keep])
        assert not ZarrReader.recognises(LOCAL, str(path), head(path))
        with pytest.raises(UnsupportedFormat, match="zip"):
            open_reader(path)

    def test_a_file_that_is_no_zip_is_refused(self, tmp_path):
        path = tmp_path / "text"
        path.write_text("hello")
        assert not ZarrReader.recognises(LOCAL, str(path), b"hello")
        with pytest.raises(UnsupportedFormat, match="zip"):
            open_reader(path)


class TestDamage:
    def test_a_header_that_is_none_is_noticed(self, folder, tmp_path):
        path = pack(folder, tmp_path / "z")
        info = describe(path, "x")
        coords = all_coords(info)[:1]
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.startswith("x/")]
            key = next(n for n in names if n.endswith(("0.0", "c/0/0")))
            start = archive.getinfo(key).header_offset
        raw = bytearray(path.read_bytes())
        raw[start] = 0
        path.write_bytes(raw)
        with pytest.raises(ChunkDecodeError, match="no member"):
            info.index.locate(coords)

    def test_a_zip_that_is_gone_is_no_absent_chunk(self, folder, tmp_path):
        path = pack(folder, tmp_path / "z")
        info = describe(path, "x")
        path.unlink()
        with pytest.raises(ChunkReadError, match="header"):
            info.index.locate(all_coords(info))

    def test_compressed_metadata_that_is_damaged_is_refused(self, tmp_path):
        path = tmp_path / "z"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            document = {"zarr_format": 3, "node_type": "group"}
            archive.writestr("zarr.json", json.dumps(document) + " " * 999)
        raw = bytearray(path.read_bytes())
        raw[45] ^= 0xFF
        path.write_bytes(raw)
        with pytest.raises(UnsupportedFormat, match="zip"):
            open_reader(path)
