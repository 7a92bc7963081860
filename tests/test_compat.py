"""PyActiveStorage's calls: the same answers where its own are right, NumPy's elsewhere."""

from __future__ import annotations

from itertools import combinations

import activestorage.active
import h5py
import numpy as np
import pyfive
import pytest

import activecore as ac
from activecore.errors import SelectionError

FIELD = np.random.default_rng(3).normal(280, 15, (20, 6, 5))
METHODS = {"min": np.min, "max": np.max, "mean": np.mean}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.nc"
    with h5py.File(path, "w") as f:
        options = {"chunks": (7, 4, 3), "compression": "gzip", "shuffle": True}
        f.create_dataset("x", data=FIELD, **options)
    return str(path)


@pytest.fixture
def both(path):
    return activestorage.active.Active(path, "x"), ac.Active(path, "x")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("index", [..., slice(2, 9), (slice(0, 20, 3), slice(1, 4))])
@pytest.mark.parametrize("axis", [None, (0,), (0, 2), (0, 1, 2)])
def test_reductions_agree_with_pyactivestorage(both, method, index, axis):
    theirs, ours = (getattr(active, method)(axis=axis)[index] for active in both)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize("method", ["min", "max", "sum", "mean"])
def test_components_agree_with_pyactivestorage(both, method):
    answers = []
    for active in both:
        active.method = method
        active.components = True
        answers.append(active[3:15])
    theirs, ours = answers
    assert list(ours) == list(theirs) == ["sum" if method == "mean" else method, "n"]
    for name, value in theirs.items():
        assert np.shape(ours[name]) == np.shape(value)
        np.testing.assert_allclose(ours[name], value, rtol=1e-13)


def test_reading_agrees_with_pyactivestorage(both):
    for version in (0, 1):
        theirs, ours = both
        theirs._version = ours._version = version
        np.testing.assert_array_equal(ours[3:9, 1], theirs[3:9, 1].reshape(6, 1, 5))


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_every_version_gives_numpys_answer(path, version, method):
    active = ac.Active(path, "x")
    active._version = version
    for size in range(1, 4):
        for axes in combinations(range(3), size):
            expected = METHODS[method](FIELD[2:9], axis=axes, keepdims=True)
            answer = getattr(active, method)(axis=axes)[2:9]
            np.testing.assert_allclose(answer, expected, rtol=1e-13)


@pytest.mark.parametrize("version", [0, 1])
def test_every_version_gives_the_same_components(path, version):
    active = ac.Active(path, "x", axis=0)
    active._version, active.components, active.method = version, True, "mean"
    parts = active[2:9]
    np.testing.assert_allclose(parts["sum"], FIELD[2:9].sum(0, keepdims=True))
    np.testing.assert_array_equal(parts["n"], np.full((1, 6, 5), 7))


def test_an_integer_keeps_its_dimension(path):
    # PyActiveStorage drops it when it reads, and refuses to reduce.
    active = ac.Active(path, "x")
    np.testing.assert_array_equal(active[3], FIELD[3:4])
    assert active.max(axis=0)[-1].shape == (1, 6, 5)
    with pytest.raises(ac.SelectionError, match="index 20 is out of range"):
        active[20]


def test_what_is_asked_once_does_not_stick(path):
    active = ac.Active(path, "x")
    assert active.mean(axis=(0,))[...].shape == (1, 6, 5)
    assert active.max()[...].shape == (1, 1, 1)
    assert active.method is None
    np.testing.assert_array_equal(active[...], FIELD)


def test_what_an_index_cost_is_told_by_the_one_that_was_asked(path):
    active = ac.Active(path, "x")
    active.mean()[...]
    assert active.metric_data["chunks"] == 12
    assert active.data_read == active.metric_data["bytes_read"] > 0
    active.max()[:7]
    assert active.metric_data["chunks"] == 4


@pytest.mark.parametrize("library", [pyfive, h5py])
def test_an_open_variable_is_as_good_as_a_path(path, library):
    with library.File(path) as f:
        assert ac.Active(f["x"]).max()[...] == FIELD.max()


def test_files_of_this_machine_have_no_server(path):
    # PyActiveStorage ignores the server's URL as well; cf-python always gives one.
    active = ac.Active(path, "x", active_storage_url="https://server.example")
    assert active.max()[...] == FIELD.max()
    assert active.metric_data["dataset chunks"] == 12


def test_a_bucket_and_key_are_an_s3_url_where_the_interface_says_so():
    assert ac.Active("bucket/x.nc", "x", interface_type="s3").uri == "s3://bucket/x.nc"
    assert (
        ac.Active("s3://bucket/x.nc", "x", storage_type="s3").uri == "s3://bucket/x.nc"
    )


def test_what_cf_python_logs_is_told(path):
    active = ac.Active(path, "x")
    active.mean()[...]
    for key in (
        "load nc time",
        "indexing time (s)",
        "reduction time (s)",
        "selection 2 time (s)",
    ):
        assert active.metric_data[key] > 0, key


def test_missing_elements_are_masked_where_nothing_is_left(tmp_path):
    values = np.array([[1.0, -9], [-9, -9]])
    with h5py.File(tmp_path / "m.nc", "w") as f:
        f.create_dataset("x", data=values).attrs["_FillValue"] = -9.0
    active = ac.Active(tmp_path / "m.nc", "x")
    assert active.mean(axis=1)[...].tolist() == [[1.0], [None]]


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((None,), {}, ac.ConfigError, "not None"),
        ((3, "x"), {}, ac.ConfigError, "int is no path, URL or open variable"),
        (("x.nc",), {}, ac.ConfigError, "name the variable of x.nc"),
        (
            ("x.nc", "x"),
            {"interface_type": "s3", "storage_type": "https"},
            ac.ConfigError,
            "are one thing",
        ),
    ],
)
def test_a_wrong_call_is_one_clear_line(arguments, options, kind, message):
    with pytest.raises(kind, match=f"^[^\n]*{message}[^\n]*$"):
        ac.Active(*arguments, **options)


def test_a_wrong_question_is_one_clear_line(path):
    active = ac.Active(path, "x")
    with pytest.raises(ac.UnsupportedReduction, match="no method 'median'"):
        active.method = "median"
    active.components = True
    with pytest.raises(ac.ConfigError, match="components need a method"):
        active[...]
    active.components, active._version = False, 3
    with pytest.raises(ac.ConfigError, match="version 3 is none of 0, 1 and 2"):
        active[...]
    with pytest.raises(ac.SelectionError, match="no axis 5 among 3"):
        ac.Active(path, "x", axis=5).max()[...]
    with pytest.raises(ac.SourceNotFound, match="nothing at"):
        ac.Active(path + ".no", "x")[...]


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("axis", [7, (0, 0), -9])
def test_an_axis_that_is_not_there_is_refused_before_anything_is_read(
    path, version, axis
):
    active = ac.Active(path, "x", axis=axis)
    active._version, active.method = version, "max"
    with (
        ac.record() as run,
        pytest.raises(SelectionError, match=r"no axis|named twice"),
    ):
        active[:]
    assert run.chunks == 0
