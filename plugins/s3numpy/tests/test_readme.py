"""The snippet of this plugin's README runs, and its table names every option."""

import io
import re
from pathlib import Path

import h5netcdf
import numpy as np

from activecore import BackendOptions
from activecore_s3numpy import S3NumpyOptions

README = (Path(__file__).parent.parent / "README.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_snippet_runs_and_is_right(store, capsys):
    elements = np.random.default_rng(2).normal(280, 10, (24, 2, 3)).astype("f4")
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        file.dimensions = {"time": 24, "lat": 2, "lon": 3}
        file.create_variable("tas", ("time", "lat", "lon"), data=elements)
    store.client.create_bucket(Bucket="bucket")
    store.put("bucket", "tas.nc", content.getvalue())
    (snippet,) = SNIPPETS
    names = {}
    exec(snippet.replace("http://localhost:9000", store.url), names)  # noqa: S102 - that is the test
    right = elements.astype("f8").mean(axis=0)
    np.testing.assert_allclose(names["tas"].mean(axis="time"), right, rtol=1e-12)
    assert capsys.readouterr().out == f"{names['tas'].mean(axis='time')}\n"


def test_the_table_names_every_option_of_the_backend():
    own = S3NumpyOptions.model_fields.keys() - BackendOptions.model_fields.keys()
    assert [name for name in sorted(own) if f"`{name}`" not in README] == []
