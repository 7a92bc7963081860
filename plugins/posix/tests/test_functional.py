"""The functional form against PyActiveStorage's, on chunks that h5py wrote."""

from itertools import product

import h5py
import numcodecs
import numpy as np
import pytest

from activecore import (
    ChunkDecodeError,
    ChunkNotFound,
    ChunkReadError,
    ConfigError,
    SelectionError,
    UnsupportedCodec,
    UnsupportedDtype,
    UnsupportedReduction,
)
from activecore_posix import reduce_chunk

SHAPE = (6, 8, 10)
ALL = (slice(0, 6, 1), slice(0, 8, 1), slice(0, 10, 1))
NOTHING = (None, None, None, None)


@pytest.fixture
def theirs():
    storage = pytest.importorskip("activestorage.storage")
    return storage.reduce_chunk


@pytest.fixture(params=["plain", "zlib", "shuffle+zlib"])
def chunk(request, tmp_path):
    """One chunk of a real file, described as clients do, and its elements."""
    path = tmp_path / "data.nc"
    elements = np.random.default_rng(3).integers(-50, 50, SHAPE).astype("<f4")
    options = {
        "plain": {},
        "zlib": {"compression": "gzip"},
        "shuffle+zlib": {"compression": "gzip", "shuffle": True},
    }[request.param]
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=elements, chunks=SHAPE, **options)
        info = dataset.id.get_chunk_info(0)
    where = {
        "rfile": str(path),
        "offset": info.byte_offset,
        "size": info.size,
        "compression": numcodecs.Zlib() if "zlib" in request.param else None,
        "filters": [numcodecs.Shuffle(4)] if "shuffle" in request.param else None,
        "dtype": np.dtype("<f4"),
        "shape": SHAPE,
        "order": "C",
    }
    return where, elements


RULES = [
    NOTHING,
    (7.0, None, None, None),
    (None, 7.0, None, None),
    (np.float32(7), np.float32(-3), None, None),
    (None, None, -20.0, 20.0),
    (0.0, None, 0.0, None),
    [None, 7, None, 0],
]
SELECTIONS = [
    ALL,
    (slice(1, 6, 2), slice(0, 8, 3), slice(9, 10, 1)),
    (slice(0, 2, 1),),
    slice(0, 2, 1),
    (slice(5, 0, -2), slice(None, None, -1), slice(0, 10, 1)),
    (slice(None), [1, 4, 6], slice(None)),
]


METHODS = [np.ma.min, np.ma.max, np.ma.sum, np.ma.mean, None]
AXES = [(0, 1, 2), (0,), (1, 2)]


@pytest.mark.parametrize("selection", SELECTIONS, ids=range(len(SELECTIONS)))
def test_the_same_calls_give_the_same_answers(chunk, theirs, selection):
    where, _ = chunk
    for missing, method, axis in product(RULES, METHODS, AXES):
        asked = {"missing": missing, "chunk_selection": selection, "method": method}
        value, count = reduce_chunk(**where, **asked, axis=axis)
        right, behind = theirs(**where, **asked, axis=axis)
        assert value.shape == right.shape, asked
        masks = np.ma.getmaskarray(value), np.ma.getmaskarray(right)
        np.testing.assert_array_equal(*masks, err_msg=str(asked))
        filled = np.ma.filled(value, 0), np.ma.filled(right, 0)
        np.testing.assert_allclose(*filled, rtol=1e-6, err_msg=str(asked))
        if method is None:
            assert count is behind is None
        else:
            np.testing.assert_array_equal(count, behind, err_msg=str(asked))


def ask(chunk, **options):
    where, _ = chunk
    options = {"missing": None, "chunk_selection": ALL, **options}
    return reduce_chunk(**{**where, **options})


@pytest.mark.parametrize(
    ("method", "function"),
    [
        ("min", np.min),
        ("max", np.amax),
        ("sum", np.sum),
        ("mean", np.mean),
        ("std", np.std),
        ("var", np.var),
        ("ptp", np.ptp),
        ("any", np.any),
        ("all", np.all),
    ],
)
def test_a_method_is_a_name_or_the_numpy_function(chunk, method, function):
    _, elements = chunk
    by_name, n = ask(chunk, method=method, axis=1)
    by_function, _ = ask(chunk, method=function, axis=1)
    right = function(elements.astype("f8"), axis=1, keepdims=True)
    np.testing.assert_allclose(by_name, right, rtol=1e-12)
    np.testing.assert_array_equal(by_name, by_function)
    assert (n == 8).all()


def test_the_mean_of_small_integers_does_not_wrap(tmp_path):
    path = tmp_path / "raw"
    np.full(1000, 100, dtype="i1").tofile(path)
    value, count = reduce_chunk(
        path, 0, 1000, None, None, None, "i1", (1000,), "C", (slice(None),), "mean"
    )
    assert (value.item(), count.item()) == (100.0, 1000)


def test_any_other_function_is_applied_to_the_elements(chunk):
    _, elements = chunk
    value, count = ask(
        chunk, missing=(0.0, None, None, None), method=np.ma.median, axis=(0, 2)
    )
    masked = np.ma.masked_equal(elements, 0)
    np.testing.assert_array_equal(
        value, np.ma.median(masked, axis=(0, 2), keepdims=True)
    )
    np.testing.assert_array_equal(count, masked.count(axis=(0, 2), keepdims=True))


def test_integers_select_slices_of_length_one(chunk):
    _, elements = chunk
    value, _ = ask(chunk, chunk_selection=(3, slice(None), -1))
    np.testing.assert_array_equal(value, elements[3:4, :, 9:])


def test_lists_keep_their_order_and_repeats(chunk):
    _, elements = chunk
    value, _ = ask(chunk, chunk_selection=([5, 0, 5], slice(None), slice(None)))
    np.testing.assert_array_equal(value, elements[[5, 0, 5]])
    kept, _ = ask(
        chunk,
        chunk_selection=([5, 0, 5], slice(None), slice(None)),
        method="max",
        axis=1,
    )
    np.testing.assert_array_equal(kept, elements[[5, 0, 5]].max(1, keepdims=True))


def test_no_rules_may_be_none(chunk):
    with_none = ask(chunk, missing=None, method="sum")
    with_tuple = ask(chunk, missing=NOTHING, method="sum")
    assert with_none == with_tuple
    assert not np.ma.isMaskedArray(with_none[0])


def test_a_fill_value_of_zero_counts(chunk):
    _, elements = chunk
    _, count = ask(chunk, missing=(0, None, None, None), method="sum")
    assert count.item() == np.count_nonzero(elements)


def test_nan_as_a_fill_value_matches_nan(tmp_path):
    np.array([1, np.nan, 3], "f4").tofile(tmp_path / "raw")
    value, count = reduce_chunk(
        tmp_path / "raw",
        0,
        12,
        None,
        None,
        (np.nan, None, None, None),
        "f4",
        (3,),
        "C",
        ...,
        "sum",
    )
    assert (value.item(), count.item()) == (4.0, 2)


@pytest.mark.parametrize(
    "several", [[7.0, -3.0], np.array([7, -3], "f4"), np.array(7, "f4")]
)
def test_several_values_are_missing_each(chunk, several):
    _, elements = chunk
    _, count = ask(chunk, missing=(None, several, None, None), method="count")
    assert count.item() == (~np.isin(elements, several)).sum()


def test_a_python_number_takes_the_dtype_of_the_elements(tmp_path):
    np.array([1, 1e20], "f4").tofile(tmp_path / "raw")
    _, count = reduce_chunk(
        tmp_path / "raw",
        0,
        8,
        None,
        None,
        (1e20, None, None, None),
        "f4",
        (2,),
        "C",
        ...,
        "count",
    )
    assert count.item() == 1


def test_a_rule_that_the_dtype_cannot_hold_is_ignored_and_logged(tmp_path, caplog):
    np.array([1, 44, -1], "i1").tofile(tmp_path / "raw")
    _, count = reduce_chunk(
        tmp_path / "raw",
        0,
        3,
        None,
        None,
        (300, "x", -1.5, None),
        "i1",
        (3,),
        "C",
        ...,
        "count",
    )
    assert count.item() == 3
    assert len(caplog.records) == 3


def test_where_nothing_is_left_the_value_is_masked(chunk):
    value, count = ask(chunk, missing=(None, None, 1000.0, None), method="max")
    assert value.shape == count.shape == (1, 1, 1)
    assert value.mask.all()
    assert count.item() == 0
    value, count = ask(chunk, chunk_selection=(slice(3, 3),), method="max", axis=0)
    assert value.mask.all()
    assert count.shape == (1, 8, 10)


def test_fortran_order_and_big_endian(tmp_path):
    elements = np.arange(24, dtype=">i4").reshape(2, 3, 4)
    (tmp_path / "raw").write_bytes(elements.tobytes(order="F"))
    value, _ = reduce_chunk(
        tmp_path / "raw",
        0,
        96,
        None,
        None,
        None,
        ">i4",
        (2, 3, 4),
        "F",
        (slice(None), 1),
        "max",
        axis=2,
    )
    np.testing.assert_array_equal(value, elements[:, 1:2].max(2, keepdims=True))
    assert value.dtype == np.dtype("i4")
    assert value.dtype.isnative


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"method": "meen"}, UnsupportedReduction, "mean"),
        ({"compression": "Blosc"}, UnsupportedCodec, "Blosc"),
        ({"filters": ["f"]}, UnsupportedCodec, "f"),
        ({"dtype": "U4"}, UnsupportedDtype, "U4"),
        ({"missing": (1, 2)}, ConfigError, "valid_max"),
        ({"missing": 7}, ConfigError, "valid_max"),
        ({"chunk_selection": (6,)}, SelectionError, "out of range"),
        ({"chunk_selection": (0, 0, 0, 0)}, SelectionError, "too many"),
        ({"method": "sum", "axis": 3}, SelectionError, "axis"),
        ({"method": "sum", "axis": (0, -3)}, SelectionError, "axis"),
        ({"order": "Z"}, ConfigError, "order"),
        ({"shape": (-1, 2, 3)}, ConfigError, "shape"),
        ({"offset": 1 << 40}, ChunkReadError, "data.nc"),
        ({"rfile": "nowhere.nc"}, ChunkNotFound, "nowhere.nc"),
    ],
)
def test_what_makes_no_sense_is_an_error_in_one_line(chunk, wrong, error, words):
    with pytest.raises(error, match=words) as caught:
        ask(chunk, **wrong)
    assert "\n" not in str(caught.value)


def test_a_chunk_that_does_not_decode_names_the_file(chunk):
    where, _ = chunk
    with pytest.raises(ChunkDecodeError, match="data.nc"):
        ask(
            chunk,
            compression=numcodecs.Zlib(),
            shape=(6, 8, 11),
            offset=where["offset"],
        )
