"""What people who tried to break activecore found, so that it stays mended."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from memory import MemoryBackend, array_of

import activecore as ac
from activecore.model import Missing, Packing


@pytest.fixture
def path(tmp_path):
    where = tmp_path / "x.nc"
    with h5py.File(where, "w") as f:
        f.create_dataset("x", data=np.arange(24.0).reshape(4, 6), chunks=(2, 3))
    return where


# -- sums ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_a_weighted_sum_of_wide_integers_does_not_wrap(dtype):
    values = np.full((4, 4), 2**62, dtype)
    weights = np.array([1.0, 0.5, 2, 1])
    total = array_of(values, (2, 2)).sum(weights={0: weights})
    assert total == (values * weights[:, np.newaxis]).sum()


def test_a_sum_asked_for_as_a_float_does_not_wrap():
    values = np.full((4, 4), 2**62)
    array = array_of(values, (2, 2))
    assert array.sum(dtype="f8") == values.sum(dtype="f8")
    assert array.sum() == values.sum()  # it wraps, as NumPy's does


def test_unsigned_data_with_a_negative_integer_scale_sum_up(tmp_path):
    where = tmp_path / "packed.nc"
    values = np.array([3, 4, 250], "u1")
    with netCDF4.Dataset(where, "w") as ds:
        ds.createDimension("n", 3)
        var = ds.createVariable("x", "u1", ("n",), fill_value=np.uint8(4))
        var.set_auto_maskandscale(False)
        var.setncatts({"scale_factor": np.int32(-2), "add_offset": np.int32(5)})
        var[:] = values
    with netCDF4.Dataset(where) as ds:
        decoded = ds["x"][:]
    array = ac.open(where, "x")
    for name in ("sum", "mean", "min", "max", "ptp", "var"):
        assert array.reduce(name) == pytest.approx(getattr(decoded, name)())


def test_integers_that_wrap_when_unpacked_are_reduced_as_they_are_read():
    packing = Packing(np.int16(3), np.int16(-5), np.dtype("i2"))
    values = np.array([[-20000, 5, 7], [9, 11000, 3]], "i2")
    array = array_of(values, (1, 2), packing=packing)
    decoded = array.read()
    np.testing.assert_array_equal(decoded, values * np.int16(3) + np.int16(-5))
    for name in ("sum", "mean", "min", "max", "ptp", "var"):
        expected = getattr(decoded.astype("i8"), name)(axis=0)
        np.testing.assert_allclose(array.reduce(name, axis=0), expected)


def test_infinities_packed_with_a_scale_of_zero_are_nan():
    packing = Packing(np.float64(0), np.float64(2), np.dtype("f8"))
    values = np.array([[1, np.inf], [3, 4.0]])
    array = array_of(values, (1, 1), packing=packing)
    np.testing.assert_array_equal(array.min(axis=0), [2, np.nan])
    np.testing.assert_array_equal(array.max(axis=0), [2, np.nan])


# -- masked results --------------------------------------------------------------------


@pytest.fixture
def holed():
    values = np.arange(12.0).reshape(3, 4)
    values[1] = -1
    return array_of(values, (2, 2), missing=Missing((-1.0,)))


def test_out_is_of_the_results_shape(holed):
    with pytest.raises(ac.SelectionError, match=r"shape \(3,\), not \(2, 3\)"):
        holed.max(axis=1, out=np.zeros((2, 3)))
    with pytest.raises(ac.SelectionError, match="not list"):
        holed.max(axis=1, out=[0, 0, 0])


def test_out_shows_what_is_masked_and_nothing_of_before(holed):
    expected = np.ma.MaskedArray([3.0, 0, 11], mask=[False, True, False])
    before = np.ma.masked_all(3)
    assert holed.max(axis=1, out=before) is before
    np.testing.assert_array_equal(before.mask, expected.mask)
    np.testing.assert_array_equal(before.compressed(), expected.compressed())
    plain = holed.max(axis=1, out=np.zeros(3))
    np.testing.assert_array_equal(plain, expected.filled(np.nan))
    with pytest.raises(ac.UnsupportedDtype, match="masked array"):
        holed.any(axis=1, out=np.zeros(3, bool))


@pytest.mark.parametrize("name", ["min", "max", "ptp", "mean", "var"])
def test_a_masked_result_is_cast_without_a_warning(holed, name):
    cast = holed.reduce(name, axis=1, dtype="i4")
    assert cast.dtype == np.int32
    assert cast.mask.tolist() == [False, True, False]


def test_a_fill_value_that_overflows_when_unpacked_is_read_without_a_warning():
    packing = Packing(np.float32(1e30), None, np.dtype("f4"))
    values = np.array([1, 9e36], "f4")
    array = array_of(values, (2,), missing=Missing((values[1],)), packing=packing)
    assert array.read().tolist() == [pytest.approx(1e30), None]
    assert array.all()


# -- questions -------------------------------------------------------------------------


def test_weights_of_one_dimension_are_given_once(holed):
    with pytest.raises(ac.SelectionError, match="given twice"):
        holed.mean(weights={"a": np.ones(3), 0: np.ones(3)})


def test_what_is_no_index_is_said_to_be_none(holed):
    for key in ("lat", 1.5, {1}):
        with pytest.raises(ac.SelectionError, match="is no index"):
            holed[key]
    with pytest.raises(ac.SelectionError, match="missing values"):
        holed[np.ma.MaskedArray([0, 1], mask=[False, True])]


# -- a stranger's backend --------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda partial: None,
        lambda partial: (partial.values, partial.count),
        lambda partial: replace(partial, values=None),
        lambda partial: replace(partial, values=([[1], [1, 2]],)),
        lambda partial: replace(partial, absent=None),
        lambda partial: replace(partial, absent=np.array([0.5])),
        lambda partial: replace(partial, cost=None),
    ],
)
def test_an_answer_that_is_no_partial_is_the_backends_error(spoil):
    class Stranger(MemoryBackend):
        def reduce_chunks(self, batch):
            return spoil(super().reduce_chunks(batch))

    array = array_of(np.arange(6.0), (2,), backend=Stranger())
    with pytest.raises(ac.BackendError, match=r"^memory answered with [^\n]+$"):
        array.sum()


# -- opening ---------------------------------------------------------------------------


def test_a_path_through_a_file_and_a_circular_link_lead_nowhere(path, tmp_path):
    with pytest.raises(ac.SourceNotFound, match="nothing at"):
        ac.open(path / "x")
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(ac.SourceNotFound, match="leads to itself"):
        ac.open(link)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ac.UnsupportedFormat, match="neither a file"):
        ac.open(pipe)


@pytest.mark.parametrize("threads", [0, -1, "4"])
def test_threads_are_a_number_from_one_up(path, threads):
    with pytest.raises(ac.ConfigError, match="from 1 up"):
        ac.open(path, threads=threads)


def test_a_misspelt_reader_is_told_the_built_in_ones(path):
    with pytest.raises(ac.BackendNotInstalled, match="did you mean 'netcdf4'"):
        ac.open(path, reader="netcdf")


def test_a_variables_name_is_text(path):
    with ac.open(path) as ds, pytest.raises(ac.VariableNotFound, match="not 3"):
        ds[3]


def test_a_closed_dataset_still_has_a_repr(path):
    with ac.open(path) as ds:
        pass
    assert Path(path).name in repr(ds)


def test_an_array_with_an_executor_travels_without_it(path):
    with ThreadPoolExecutor(1) as executor:
        array = ac.open(path, "x", executor=executor)
        travelled = pickle.loads(pickle.dumps(array))
    assert travelled.sum() == np.arange(24.0).sum()
