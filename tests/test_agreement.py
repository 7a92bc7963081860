"""activecore against the formats' oracles: random files here, real files below.

``--backend=s3numpy`` or ``reductionist`` asks the same through the servers of ``make
services``. ``make fuzz`` asks the same kind of question thousands of times.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import iris_sample_data
import netCDF4
import numpy as np
import pytest
from agreement import check, check_variable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_files import files, questions

SAMPLES = Path(iris_sample_data.path)
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
@pytest.mark.filterwarnings("ignore")  # of the writers and oracles
def test_random_files_and_questions_agree(home, data):
    case = data.draw(files())
    check(case, data.draw(questions(case.shape)), home)


def real_variables():
    """Every numeric variable of the real files."""
    paths = sorted(SAMPLES.glob("*.nc"))
    assert len(paths) > 5
    if SHARED.is_dir():
        paths += sorted(SHARED.glob("*.nc"))
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with netCDF4.Dataset(path) as ds:
                for name, variable in ds.variables.items():
                    if getattr(variable.dtype, "kind", "O") in "iuf":
                        yield pytest.param(path, name, id=f"{path.stem}:{name}")


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize(("path", "name"), list(real_variables()))
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_real_files_agree(home, path, name, data):
    with netCDF4.Dataset(path) as ds:
        expected = np.ma.asarray(ds[name][...])
    mask = np.ma.getmaskarray(expected)
    variable = home.open(home.place_once(path), name)
    question = data.draw(questions(mask.shape))
    check_variable(variable, np.asarray(expected.data), mask, question, home)
