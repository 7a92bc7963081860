"""Plugins that were written for an earlier contract work on, as they were.

``contracts/MAJOR.MINOR`` holds a distribution as somebody installed it then. It is
frozen: a change that needs it edited breaks the plugins of people whom nobody asked.
For a new minor version a folder is added; for a new major one all are replaced.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import activecore as ac
from activecore.contract import require_contract

CONTRACTS = Path(__file__).parent / "contracts"
FROZEN = {
    "1.0": "b941d29b7bbb77636037139d62e67ac7c432b123a797d6607ba82e1afcc70e3a",
}
"""Contract -> SHA-256 of the distribution that was written for it."""


def digest(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
            whole.update(path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(params=sorted(FROZEN))
def yesterday(request, tmp_path, monkeypatch):
    """Yesterday's distribution, installed; gives the contract it was written for."""
    site = tmp_path / "site"
    shutil.copytree(CONTRACTS / request.param, site)
    monkeypatch.syspath_prepend(site)
    yield request.param
    for name in [name for name in sys.modules if name.startswith("yesterday_")]:
        del sys.modules[name]


@pytest.fixture
def field():
    values = np.random.default_rng(3).normal(280, 9, (6, 50)).astype("f4")
    values[2, 10:20] = values[5, :] = -999
    return np.ma.masked_equal(values, np.float32(-999))


@pytest.fixture
def old_file(tmp_path, field):
    header = {
        "first": {"shape": [2, 3], "fill": -1},
        "tas": {"shape": [6, 50], "fill": -999},
    }
    line = b"YESTERDAY" + json.dumps(header).encode() + b"\n"
    path = tmp_path / "old.bin"
    first = np.arange(6, dtype="<f4")
    path.write_bytes(line + first.tobytes() + field.data.astype("<f4").tobytes())
    return str(path)


@pytest.fixture
def netcdf(tmp_path, field):
    path = str(tmp_path / "tas.nc")
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("t", 6)
        ds.createDimension("x", 50)
        tas = ds.createVariable(
            "tas", "f4", ("t", "x"), fill_value=-999, chunksizes=(4, 50)
        )
        tas[:] = field
    return path


def test_what_was_frozen_is_as_it_was():
    assert {path.name for path in CONTRACTS.iterdir()} == set(FROZEN)
    assert {name: digest(CONTRACTS / name) for name in FROZEN} == FROZEN


def test_every_minor_version_of_this_major_has_its_fixture():
    major, minor = ac.CONTRACT
    assert set(FROZEN) == {f"{major}.{n}" for n in range(minor + 1)}


@pytest.mark.parametrize("backend", ["yesterdaybytes", ["yesterdaysums", "posix"]])
@pytest.mark.parametrize("reduction", ["mean", "max", "count", "std"])
def test_yesterday_s_backends_give_numpy_s_answers(
    yesterday, netcdf, field, backend, reduction
):
    tas = ac.open(netcdf, "tas", backend=backend)
    for axis in (None, 0, 1):
        right = getattr(field.astype("f8"), reduction)(axis=axis)
        got = tas.reduce(reduction, axis)
        assert np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(right))
        assert np.ma.allclose(got, right, rtol=1e-6)


def test_yesterday_s_server_answers_what_it_lists(yesterday, netcdf):
    tas = ac.open(netcdf, "tas", backend=["yesterdaysums", "posix"])
    with ac.record() as run:
        tas.mean()
        tas.max()
    # For the maximum everybody is asked before anybody reads.
    assert run.backends == {"yesterdaysums": 2, "posix": 2}


def test_yesterday_s_reader_feeds_today_s_backends(yesterday, old_file, field):
    with ac.open(old_file) as ds:
        assert ds.format == "yesterdayfiles"
        assert list(ds) == ["first", "tas"]
        assert ds["first"].sum() == 15
        got = ds["tas"].mean(axis=0)
    right = field.astype("f8").mean(axis=0)
    assert np.ma.allclose(got, right, rtol=1e-12)
    assert np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(right))


def test_yesterday_s_options_and_pickles_work(yesterday, netcdf):
    tas = ac.open(
        netcdf, "tas", backend="yesterdaybytes",
        storage_options={"endpoint_url": "https://a", "token": "hunter2"},
    )  # fmt: skip
    (backend,) = tas._session.backends
    assert backend.options.endpoint == "https://a"
    assert b"hunter2" not in pickle.dumps(backend)


@pytest.mark.parametrize("ours", [(1, 0), (1, 1), (1, 40)])
def test_a_newer_minor_takes_what_was_written_for_an_older_one(ours, monkeypatch):
    monkeypatch.setattr("activecore.contract.CONTRACT", ours)
    require_contract((1, 0), who="x", distribution="d")


@pytest.mark.parametrize(
    ("theirs", "ours", "upgrade"),
    [
        ((2, 0), (1, 9), "activecore"),
        ((1, 1), (1, 0), "activecore"),
        ((1, 9), (2, 0), "the-plugin"),
        ((0, 1), (1, 0), "the-plugin"),
    ],
)
def test_another_major_or_a_minor_to_come_is_refused_with_what_to_upgrade(
    theirs, ours, upgrade, monkeypatch
):
    monkeypatch.setattr("activecore.contract.CONTRACT", ours)
    with pytest.raises(ac.BackendError) as error:
        require_contract(theirs, who="'x' of the-plugin 1.0", distribution="the-plugin")
    text = str(error.value)
    assert f"written for contract {theirs[0]}.{theirs[1]}" in text
    assert f"speaks {ours[0]}.{ours[1]}" in text
    assert text.endswith(f"upgrade {upgrade}")


@pytest.mark.parametrize(
    "stated", [None, "1.0", 1.0, (1,), (1, 0, 0), [1, 0], (True, 0)]
)
def test_what_is_no_version_is_refused(stated):
    with pytest.raises(ac.BackendError, match="not \\(major, minor\\)"):
        require_contract(stated, who="x", distribution="d")
