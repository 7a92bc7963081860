"""The benchmarks' harness: whoever fails or is wrong is shown, and never as fast."""

import importlib
from pathlib import Path

import netCDF4
import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("harness")


@pytest.fixture
def contenders(harness):
    return importlib.import_module("contenders")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tas.nc"
    with netCDF4.Dataset(path, "w") as ds:
        for dim in ("time", "lat", "lon"):
            ds.createDimension(dim, 4)
        ds.createVariable("tas", "f4", ("time", "lat", "lon"))[:] = np.arange(
            64
        ).reshape(4, 4, 4)
    return str(path)


def test_whoever_fails_or_is_wrong_is_in_the_table(harness, contenders, path):
    half = {"region": [[0, 2], [0, 4], [0, 4]]}
    case = harness.Case(
        "a mean",
        [
            harness.Contender("right", contenders.netcdf4, {"path": path}),
            harness.Contender("fails", contenders.netcdf4, {"path": path + "x"}),
            harness.Contender("wrong", contenders.netcdf4, {"path": path} | half),
        ],
        expected=[31.5],
    )
    ran = harness.measure(case, quick=True)
    assert ran["right"].error is None
    assert len(ran["right"].wall) == 1
    assert "No such file" in ran["fails"].error
    assert ran["wrong"].error == "wrong: [15.5] where [31.5] is right"
    table = importlib.import_module("report").case_table(case, ran)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert ["failed" in line for line in lines] == [False, False, False, True, True]
    assert "- fails failed: FileNotFoundError" in table
    target = harness.Target("twice", "a mean", "right", "fails", at_least=2)
    assert target.ratio(ran) is None


def test_whoever_takes_too_long_is_given_up(harness, contenders, path):
    slow = harness.Contender("slow", contenders.netcdf4, {"path": path})
    case = harness.Case("a mean", [slow], limit=0.01, expected=[31.5])
    assert harness.measure(case, quick=True)["slow"].error == "no answer in 0 s"


def test_the_run_fails_where_activecore_does(harness, contenders, path, capsys):
    ours = harness.Contender("activecore", contenders.netcdf4, {"path": path + "x"})
    theirs = harness.Contender("other", contenders.netcdf4, {"path": path})
    with pytest.raises(SystemExit, match=r"a mean: activecore: FileNotFound"):
        harness.run_suite("x", [harness.Case("a mean", [ours, theirs])], quick=True)
    assert "other" in capsys.readouterr().out


def test_a_meter_tells_of_one_call_at_a_time(harness, contenders, path):
    asked = []

    def meter():
        asked.append(len(asked))
        return {"calls": len(asked)}

    one = harness.Contender("one", contenders.netcdf4, {"path": path}, meter=meter)
    ran = harness.measure(harness.Case("a mean", [one]), quick=True)
    # Before and after the call that warms, and the one that counts.
    assert (len(asked), ran["one"].figures) == (4, {"calls": 4})
