"""Arguments of the wrong kind altogether are named errors of one line."""

from __future__ import annotations

import numpy as np
import pytest
from memory import array_of

import activecore
from activecore.errors import ActiveCoreError, ConfigError

ARRAY = array_of(np.arange(24.0).reshape(4, 6), (2, 3))


@pytest.mark.parametrize("key", ["backend", "profile", "reader", "storage_options"])
@pytest.mark.parametrize("given", [3, [3], 2.5, True, b"posix", object()])
def test_open_says_which_argument_is_of_the_wrong_kind(key, given, tmp_path):
    with pytest.raises(ConfigError, match=f"^{key} must be .*, not ") as caught:
        activecore.open(tmp_path, **{key: given})
    assert "\n" not in str(caught.value)
    assert "posix" not in str(caught.value)  # what was given may be a secret


@pytest.mark.parametrize("key", ["settings", "executor", "threads"])
@pytest.mark.parametrize("given", [-3, "x", {}, 2.5, True])
def test_so_does_what_is_no_text(key, given, tmp_path):
    with pytest.raises(ConfigError, match=f"^{key} must be "):
        activecore.open(tmp_path, **{key: given})


def test_a_number_of_threads_may_be_numpys(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3))
    with pytest.raises(ActiveCoreError, match="no reader"):
        activecore.open(tmp_path, threads=np.int64(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ddof": "a"}, "^ddof must be a number, not str$"),
        ({"ddof": None}, "^ddof must be a number, not NoneType$"),
        ({"ddof": np.nan}, "^ddof must be finite"),
        ({"dtype": "nope"}, "^dtype: there is no dtype 'nope'$"),
        ({"dtype": 3}, "^dtype: there is no dtype 3$"),
    ],
)
def test_so_does_a_reduction(options, message):
    with pytest.raises(ConfigError, match=message):
        ARRAY.reduce("var", **options)


@pytest.mark.parametrize("name", [["mean"], {}, None, 3, b"mean"])
def test_a_reduction_is_a_name(name):
    with pytest.raises(ActiveCoreError, match="there is no reduction"):
        ARRAY.reduce(name)


def test_progress_is_a_function():
    with (
        pytest.raises(ConfigError, match="progress must be a function, not int"),
        activecore.record(3),
    ):
        pass
