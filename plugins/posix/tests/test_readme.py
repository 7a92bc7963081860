"""Every snippet of this plugin's README runs."""

import re
from pathlib import Path

import h5netcdf
import numpy as np
import pytest

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(
    r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def elements(tmp_path, monkeypatch):
    """A folder with the file that the snippets are about."""
    monkeypatch.chdir(tmp_path)
    elements = np.random.default_rng(2).normal(280, 10, (24, 6, 8)).astype("f4")
    with h5netcdf.File("tas.nc", "w") as file:
        file.dimensions = {"time": 24, "lat": 6, "lon": 8}
        variable = file.create_variable(
            "tas",
            ("time", "lat", "lon"),
            "f4",
            fillvalue=np.float32(-999),
            chunks=(12, 6, 8),
            compression="gzip",
            shuffle=True,
        )
        variable[...] = elements
    return elements


def test_there_are_snippets():
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs_and_is_right(elements, snippet):
    names = {}
    exec(snippet, names)  # noqa: S102 - that is the test
    if "value" in names:
        right = elements[:12].astype("f8").mean(axis=0, keepdims=True)
        np.testing.assert_allclose(names["value"], right, rtol=1e-12)
        assert (names["count"] == 12).all()
