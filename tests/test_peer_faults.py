"""Faults seen in PyActiveStorage 0.8.0, each a question that must be answered rightly.

The answers expected are netCDF4-python's or NumPy's. Faults that need a server (axis
subsets, TLS, time limits, retries, the text of a 400) belong to the tests of the
backends that speak to one.
"""

from __future__ import annotations

import itertools
import zlib

import h5py
import hdf5plugin
import netCDF4
import numpy as np
import pytest

import activecore as ac

FIELD = np.random.default_rng(8).normal(280, 15, (40, 12, 9)).astype("f4")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.nc"


def write(path, values, *, chunks=None, fill=None, **attrs):
    """Write one variable, values as they are."""
    with netCDF4.Dataset(path, "w") as ds:
        dims = tuple(f"d{axis}" for axis in range(values.ndim))
        for dim, length in zip(dims, values.shape, strict=True):
            ds.createDimension(dim, length)
        var = ds.createVariable(
            "x", values.dtype, dims, chunksizes=chunks, fill_value=fill
        )
        var.set_auto_maskandscale(False)
        var.setncatts(attrs)
        var[...] = values
    return ac.open(path, "x")


def judged(path):
    """What netCDF4-python makes of it."""
    with netCDF4.Dataset(path) as ds:
        return ds["x"][...]


def test_the_mean_of_int8_does_not_wrap(path):
    assert write(path, np.full(1000, 100, "i1")).mean() == 100


def test_packed_data_are_unpacked(path):
    values = np.arange(-50, 50, dtype="i2").reshape(10, 10)
    x = write(path, values, scale_factor=0.5, add_offset=273.15)
    assert x.mean() == pytest.approx(judged(path).mean(), rel=1e-14)
    assert x.max() == judged(path).max()


def test_netcdfs_default_fill_value_is_missing(path):
    values = FIELD.copy()
    values[0] = netCDF4.default_fillvals["f4"]
    x = write(path, values)
    assert x.max() == judged(path).max() == FIELD[1:].max()
    assert x.count() == FIELD[1:].size


def test_a_fill_value_of_nan_matches_nan(path):
    values = FIELD.copy()
    values[3] = np.nan
    x = write(path, values, fill=np.float32(np.nan))
    assert x.count() == judged(path).count() == FIELD.size - FIELD[3].size
    assert x.mean() == pytest.approx(judged(path).astype("f8").mean(), rel=1e-12)


def test_a_fill_value_of_zero_counts(path):
    x = write(path, np.arange(10, dtype="i4") % 3, fill=np.int32(0))
    assert x.count() == judged(path).count() == 6
    assert x.min() == 1


def test_a_valid_min_of_zero_counts(path):
    x = write(path, np.arange(-5, 5, dtype="i4"), valid_min=np.int32(0))
    assert x.count() == judged(path).count() == 5
    assert x.min() == 0


def test_all_missing_rules_hold_at_once(path):
    x = write(
        path,
        np.arange(-10, 11, dtype="i2"),
        fill=np.int16(3),
        missing_value=np.array([4, -4], "i2"),
        valid_min=np.int16(-8),
        valid_max=np.int16(8),
    )
    assert x.count() == judged(path).count() == 14
    assert x.sum() == judged(path).sum()


def test_a_chunk_that_is_all_missing_is_masked(path):
    values = FIELD.copy()
    values[:10] = -1
    x = write(path, values, chunks=(10, 12, 9), fill=np.float32(-1))
    assert x[:10].mean() is np.ma.masked
    by_time = x.max(axis=(1, 2))
    np.testing.assert_array_equal(by_time.mask, np.arange(40) < 10)


def test_any_subset_of_the_axes_is_reduced(path):
    x = write(path, FIELD, chunks=(7, 5, 4))
    for size in range(4):
        for axes in itertools.combinations(range(3), size):
            np.testing.assert_allclose(
                x.mean(axes), FIELD.astype("f8").mean(axes), rtol=1e-12
            )


def test_thirty_threads_share_no_file_position(path):
    write(path, FIELD, chunks=(1, 3, 3))
    x = ac.open(path, "x", threads=30)
    for _ in range(5):
        np.testing.assert_array_equal(x.max(0), FIELD.max(0))


def test_a_reduction_asked_once_does_not_stick(path):
    write(path, FIELD, chunks=(10, 12, 9))
    active = ac.Active(path, "x")
    assert active.min(axis=0)[...].shape == (1, 12, 9)
    np.testing.assert_array_equal(active[2:4], FIELD[2:4])
    assert active.max()[...].shape == (1, 1, 1)


def test_chunks_that_were_never_written_hold_the_fill_value(path):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", (20, 4), "f4", chunks=(5, 4), fillvalue=7)[:5] = 1
    with ac.record() as run:
        assert ac.open(path, "x").sum() == 1 * 20 + 7 * 60
    assert run.requests == 1


def test_a_chunk_with_a_filter_left_out_is_read_as_it_is(path):
    with h5py.File(path, "w") as f:
        ds = f.create_dataset(
            "x", (2, 54), "i2", chunks=(1, 54), compression="gzip", shuffle=True
        )
        ds[0] = 3
        ds.id.write_direct_chunk(
            (1, 0), np.full(54, 3, "i2").tobytes(), filter_mask=0b11
        )
    assert ac.open(path, "x").sum() == 324


def test_shuffle_without_a_compressor_is_undone(path):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=FIELD, chunks=(10, 12, 9), shuffle=True)
    assert ac.open(path, "x").max() == FIELD.max()


@pytest.mark.parametrize(
    "options", [{"fletcher32": True}, hdf5plugin.Zstd()], ids=["fletcher32", "zstd"]
)
def test_fletcher32_and_zstd_are_decoded(path, options):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=FIELD, chunks=(10, 12, 9), **options)
    assert ac.open(path, "x").max() == FIELD.max()


def test_files_of_the_latest_hdf5_are_read(path):
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("x", data=FIELD, chunks=(10, 12, 9), compression="gzip")
    assert ac.open(path, "x").max() == FIELD.max()


def test_lists_and_integers_are_indices(path):
    x = write(path, FIELD, chunks=(7, 5, 4))
    assert x[3, [8, 0, 8]].max() == FIELD[3, [8, 0, 8]].max()
    np.testing.assert_array_equal(x[-1].read(), FIELD[-1])


def test_ten_rows_of_a_contiguous_variable_do_not_read_it_all(path):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.zeros((4000, 100, 50), "f4"))
    with ac.record() as run:
        ac.open(path, "x")[:10].mean()
    assert run.bytes_read < 0.1 * 4000 * 100 * 50 * 4


def test_nothing_is_printed(path, capfd):
    write(path, FIELD, chunks=(10, 12, 9)).mean()
    assert capfd.readouterr() == ("", "")


def test_a_chunk_that_inflates_to_another_size_is_an_error(path):
    with h5py.File(path, "w") as f:
        ds = f.create_dataset("x", (2, 8), "i2", chunks=(1, 8), compression="gzip")
        ds[0] = 1
        ds.id.write_direct_chunk((1, 0), zlib.compress(bytes(10)))
    with pytest.raises(ac.ChunkDecodeError, match=r"x chunk \(1, 0\)"):
        ac.open(path, "x").sum()
