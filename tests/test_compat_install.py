"""``activestorage`` answered by activecore: in this process, and for cf-python."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import h5py
import iris_sample_data
import numpy as np
import pytest

import activecore as ac
from activecore import compat

HERE = Path(__file__).parent
SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"


@pytest.fixture
def installed():
    compat.install()
    yield
    compat.uninstall()


def test_both_names_of_pyactivestorage_reach_active(installed):
    from activestorage import Active
    from activestorage.active import Active as FromModule

    assert Active is FromModule is ac.Active
    for name in ("activestorage", "activestorage.active"):
        assert importlib.util.find_spec(name) is not None  # what cf-python asks
    compat.install()  # twice is as good as once
    assert importlib.import_module("activestorage").active.Active is ac.Active


def test_uninstalling_brings_pyactivestorage_back():
    import activestorage.active

    before = activestorage.active.Active
    assert before is not ac.Active
    compat.install()
    compat.uninstall()
    assert importlib.import_module("activestorage").Active is before
    assert importlib.import_module("activestorage.active").Active is before


def test_whoever_has_the_old_one_is_told_of_in_the_log(caplog):
    import activestorage  # noqa: F401

    with caplog.at_level("WARNING"):
        compat.install()
    compat.uninstall()
    assert "activestorage was imported before; what holds it keeps it" in caplog.text


def collapse(source, variable, method, axes):
    """Let cf-python do it in a process of its own: its imports warn and take seconds."""
    words = [HERE / "cf_collapse.py", source, variable, method, axes]
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "reverting to local computation" not in done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("method", "reduce"),
    [("mean", np.mean), ("maximum", np.max), ("minimum", np.min), ("sum", np.sum)],
)
def test_cf_python_collapses_through_activecore(method, reduce):
    told = collapse(SOURCE, "air_temperature", method, "latitude,longitude")
    assert told["backends"] == {"posix": 240}
    assert told["active"]["shape"] == told["passive"]["shape"] == [240, 1, 1]
    with h5py.File(SOURCE) as file:
        expected = reduce(file["air_temperature"][...].astype("f8"), axis=(1, 2))
    for way in ("active", "passive"):
        # Without active storage cf-python adds up in float64 as well.
        np.testing.assert_allclose(told[way]["values"], expected, rtol=1e-13)


def test_cf_python_collapses_what_is_missing_alike(tmp_path):
    field = np.random.default_rng(5).normal(280, 15, (12, 8, 10)).astype("f4")
    field[:, 2:5] = -999
    field[3] = -999
    with h5py.File(tmp_path / "m.nc", "w") as file:
        tas = file.create_dataset("tas", data=field, chunks=(5, 4, 4), compression=1)
        tas.attrs["_FillValue"] = np.float32(-999)
        for axis, (name, length) in enumerate(zip("tyx", field.shape, strict=True)):
            dim = file.create_dataset(name, data=np.arange(float(length)))
            dim.make_scale(name)
            tas.dims[axis].attach_scale(dim)
    told = collapse(tmp_path / "m.nc", "tas", "mean", "ncdim%t,ncdim%x")
    expected = np.ma.masked_equal(field.astype("f8"), -999).mean(axis=(0, 2))
    assert expected.mask.tolist() == [False] * 2 + [True] * 3 + [False] * 3
    assert told["backends"] == {"posix": 3 * 2 * 3}
    for way in ("active", "passive"):
        np.testing.assert_allclose(
            told[way]["values"], expected.filled(np.nan), rtol=1e-13
        )
