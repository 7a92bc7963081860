"""Where activecore departs from its oracle on purpose: by how much, and which is right.

The truth is computed with ``math.fsum`` or in integers. ``docs/answers.md`` says the
same in words.
"""

from __future__ import annotations

import math

import netCDF4
import numpy as np
import pytest

import activecore as ac


def write(path, values, dtype, **attrs):
    with netCDF4.Dataset(path, "w") as ds:
        dims = [f"d{axis}" for axis in range(values.ndim)]
        for dim, length in zip(dims, values.shape, strict=True):
            ds.createDimension(dim, length)
        var = ds.createVariable(
            "x", dtype, dims, chunksizes=(values.shape[0] // 8, *values.shape[1:])
        )
        var.set_auto_maskandscale(False)
        var.setncatts(attrs)
        var[...] = values
    with netCDF4.Dataset(path) as ds:
        return ac.open(path, "x"), ds["x"][...]


def test_float32_means_along_a_slow_axis_keep_seven_digits_more(tmp_path):
    values = np.random.default_rng(0).normal(280, 15, (20_000, 4)).astype("f4")
    ours, theirs = write(tmp_path / "x.nc", values, "f4")
    truth = np.array([math.fsum(column) / len(column) for column in values.T.tolist()])
    our_error = abs(ours.mean(0) / truth - 1).max()
    their_error = abs(theirs.mean(0).astype("f8") / truth - 1).max()
    assert our_error < 1e-15
    assert 1e-7 < their_error < 1e-3


def test_a_float32_sum_of_ones_does_not_stand_still(tmp_path):
    ours, theirs = write(tmp_path / "x.nc", np.ones((2**24 + 64, 2), "f4"), "f4")
    assert theirs.sum(axis=0).tolist() == [2**24] * 2  # one more one changes nothing
    assert ours.sum(0).tolist() == [2**24 + 64] * 2


def test_packed_data_are_unpacked_once_and_not_rounded_one_by_one(tmp_path):
    stored = np.random.default_rng(1).integers(-30_000, 30_000, (4000, 8)).astype("i2")
    scale, offset = np.float32(0.001), np.float32(273.15)
    ours, theirs = write(
        tmp_path / "x.nc", stored, "i2", scale_factor=scale, add_offset=offset
    )
    total = int(stored.sum(dtype="i8"))
    truth = float(scale) * total / stored.size + float(offset)
    assert ours.mean() == pytest.approx(truth, rel=1e-15)
    assert 1e-10 < abs(float(theirs.mean(dtype="f8")) / truth - 1) < 1e-6
    assert ours.max() == theirs.max()  # elements are what netCDF4-python makes of them


def test_a_float32_variance_survives_a_large_offset(tmp_path):
    values = (
        (1e6 + np.tile([0.0, 1.0], 8000))
        .astype("f4")
        .reshape(-1, 2)
        .T.copy()
        .reshape(16, -1)
    )
    ours, theirs = write(tmp_path / "x.nc", values, "f4")
    assert ours.var() == pytest.approx(float(values.astype("f8").var()), rel=1e-9)
    assert theirs.dtype == np.float32


def test_the_range_of_an_integer_type_does_not_wrap(tmp_path):
    values = np.tile(np.array([-128, 127], "i1"), 64)
    ours, theirs = write(tmp_path / "x.nc", values, "i1", _FillValue_of="nothing")
    assert ours.ptp() == 255
    assert np.ptp(theirs.data) != 255


def test_the_bits_are_the_same_for_any_number_of_threads(tmp_path):
    values = np.random.default_rng(2).normal(0, 1e3, (64, 33, 17)).astype("f4")
    write(tmp_path / "x.nc", values, "f4")
    for reduction in ("mean", "sum", "std"):
        answers = [
            ac.open(tmp_path / "x.nc", "x", threads=threads)
            .reduce(reduction, (0, 2))
            .tobytes()
            for threads in (1, 2, 16)
        ]
        assert len(set(answers)) == 1
