"""HDF5 filters as codecs, taken from datasets that HDF5 wrote."""

import h5py
import numpy as np
import pytest
from hdf5_files import describe

from activecore.model import Codec
from activecore.readers.hdf5.filters import codecs_unmasked

plugins = pytest.importorskip("hdf5plugin")


def codecs_of(path, dtype="i4", **filters):
    with h5py.File(path, "w") as file:
        data = np.arange(1000).astype(dtype)
        file.create_dataset("x", data=data, chunks=(100,), **filters)
    return describe(path).layouts[0].codecs


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ()),
        (
            {"compression": 7, "shuffle": True, "fletcher32": True},
            (
                Codec.of("shuffle", elementsize=4),
                Codec.of("zlib", level=7),
                Codec.of("fletcher32"),
            ),
        ),
        ({"shuffle": True}, (Codec.of("shuffle", elementsize=4),)),
        ({"compression": "lzf"}, (Codec.of("lzf", size=400),)),
        ({"scaleoffset": 9}, ("hdf5_scaleoffset",)),
        ({"compression": "szip"}, ("hdf5_szip",)),
        (dict(plugins.Blosc()), (Codec.of("blosc"),)),
        (dict(plugins.Blosc2()), (Codec.of("blosc2"),)),
        (dict(plugins.Zstd()), (Codec.of("zstd"),)),
        (dict(plugins.LZ4()), (Codec.of("hdf5_lz4"),)),
        (dict(plugins.Bitshuffle()), ("hdf5_bitshuffle",)),
        (dict(plugins.BZip2()), (Codec.of("bz2"),)),
        (dict(plugins.Zfp(reversible=True)), ("hdf5:32013",)),
    ],
    ids=str,
)
def test_filters_become_codecs_in_the_order_of_writing(tmp_path, filters, expected):
    found = codecs_of(tmp_path / "a.h5", **filters)
    assert len(found) == len(expected)
    for codec, wanted in zip(found, expected, strict=True):
        assert codec == wanted if isinstance(wanted, Codec) else codec.id == wanted
        hash(codec)


def test_the_parameters_are_those_that_hdf5_completed(tmp_path):
    (szip,) = codecs_of(tmp_path / "a.h5", compression="szip")
    assert len(szip.config["parameters"]) == 4
    assert szip.config["parameters"][2] == 32  # bits per pixel
    (scaled,) = codecs_of(tmp_path / "b.h5", scaleoffset=9)
    assert len(scaled.config["parameters"]) == 20
    assert scaled.config["parameters"][2] == 100  # elements per chunk
    (shuffled,) = codecs_of(tmp_path / "c.h5", **plugins.Bitshuffle(cname="lz4"))
    assert shuffled.config["parameters"][2:] == (4, 0, 2)  # itemsize, block, lz4


def test_an_unknown_filter_keeps_its_number_and_name(tmp_path):
    (codec,) = codecs_of(tmp_path / "a.h5", **plugins.Zfp(reversible=True))
    assert codec.id == "hdf5:32013"
    assert "zfp" in codec.config["name"].lower()


@pytest.mark.parametrize("mask", range(8))
def test_a_filter_mask_leaves_out_what_was_skipped(mask):
    codecs = tuple(Codec.of(name) for name in ("shuffle", "zlib", "fletcher32"))
    kept = [codec.id for codec in codecs_unmasked(codecs, mask)]
    expected = list(kept)
    for place, codec in enumerate(codecs):
        assert (codec.id in expected) == (mask & (1 << place) == 0)
    assert kept == sorted(kept, key=["shuffle", "zlib", "fletcher32"].index)
