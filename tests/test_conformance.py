"""The suite itself: healthy backends pass it, and it cannot be passed by accident."""

from __future__ import annotations

import collections
import re
import time
from pathlib import Path

import numpy as np
import pytest
from fake_suite import TESTS, FakeSuite, outcomes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from activecore.errors import BackendRefused
from activecore.model import OPERATIONS, Missing
from activecore.testing import FakeBackend, FakeServer, answers
from activecore.testing.cases import CAPABILITY_CASES, CORE_CASES, SELECT_CASES
from activecore.testing.hooks import Hooks
from activecore.testing.oracle import expect

pytest_plugins = ["pytester"]

CASES = (*SELECT_CASES, *CORE_CASES, *CAPABILITY_CASES)
DOCS = Path(__file__).parent.parent / "docs" / "testing.md"


class TestFakeBackend(FakeSuite):
    """Serves bytes; the kernel computes."""


class Limited(FakeServer):
    """Honest about what it lacks."""

    def why_not(self, batch):
        if batch.operation == "select":
            return super().why_not(batch)
        if batch.dtype.str not in ("<f4", "<f8", "<i4", "<i8"):
            return f"it has no accumulator for {batch.dtype}"
        return super().why_not(batch)

    def reduce_chunk(self, request):
        partial = super().reduce_chunk(request)
        if request.operation in ("min", "max") and np.isnan(partial.values[0]).any():
            raise BackendRefused("the server gives no answer with NaN")
        return partial


# -- the suite ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [FakeServer, Limited])
def test_a_backend_with_honest_limits_passes(backend):
    for name in TESTS:
        assert "failed" not in dict(outcomes_of(backend, name))


def test_an_author_need_not_delete(monkeypatch):
    monkeypatch.setattr(FakeSuite, "delete", Hooks.delete)
    for name in TESTS:
        if "absent" in name:
            assert dict(outcomes_of(FakeBackend, name)) == {"passed": ""}


def test_an_author_need_not_break_objects(monkeypatch):
    monkeypatch.setattr(FakeSuite, "unreadable", Hooks.unreadable)
    name = "test_capability_unreadable_object_is_an_error_and_not_absence"
    said = "the suite's hook `unreadable`"
    assert list(outcomes_of(FakeBackend, name)) == [("not offered", said)]


@pytest.mark.parametrize("name", [name for name in TESTS if "_core_" in name])
def test_the_core_never_skips(name):
    how = collections.Counter(how for how, _ in outcomes_of(FakeBackend, name))
    assert how["not offered"] == how["failed"] == 0
    assert how["passed"] > 0


def test_the_whole_suite_takes_seconds():
    start = time.perf_counter()
    for name in TESTS:
        collections.deque(outcomes_of(FakeBackend, name), maxlen=0)
    assert time.perf_counter() - start < 20


def test_an_operation_that_is_not_listed_skips_by_name():
    said = {
        said
        for how, said in outcomes_of(FakeServer, "test_core_listed_operation_is_right")
        if how == "not offered"
    }
    assert said == {f"operation {name}" for name in OPERATIONS - FakeServer.operations}


def test_a_refusal_skips_by_capability_and_gives_the_backends_reason():
    said = [
        said
        for how, said in outcomes_of(Limited, "test_capability_is_right_or_refused")
        if how == "not offered"
    ]
    assert "operation max, dtype int8: it has no accumulator for int8" in said
    assert (
        "operation max, NaN that is not missing: the server gives no answer with NaN"
    ) in said


@pytest.mark.parametrize("table", ["SELECT_CASES", "CORE_CASES", "CAPABILITY_CASES"])
def test_a_suite_without_cases_fails(table, monkeypatch):
    monkeypatch.setattr(answers, table, ())
    with pytest.raises(pytest.fail.Exception, match="no cases at all"):
        FakeSuite().test_core_has_cases()


def test_a_suite_without_cases_of_an_operation_fails(monkeypatch):
    for table in ("SELECT_CASES", "CORE_CASES", "CAPABILITY_CASES"):
        left = tuple(c for c in getattr(answers, table) if c.operation != "extrema")
        monkeypatch.setattr(answers, table, left)
    with pytest.raises(pytest.fail.Exception, match=r"none of \['extrema'\]"):
        FakeSuite().test_core_has_cases()


# -- as pytest shows it ---------------------------------------------------------------

HEAD = """
import pytest
from activecore.testing import BackendConformance, FakeBackend
"""


@pytest.fixture
def run(pytester):
    def run(code, *arguments):
        pytester.makepyfile(HEAD + code)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_a_failure_is_readable_and_without_a_stack(run):
    result = run(
        """
class Wrong(FakeBackend):
    def read_range(self, source, offset, size):
        return super().read_range(source, offset, size)[::-1]

class TestWrong(BackendConformance):
    @pytest.fixture
    def backend(self):
        self.store = Wrong()
        return self.store

    def put(self, name, data):
        return self.store.put(name, data)
""",
        "-k",
        "sum-float64-missing-fill-0",
    )
    result.assert_outcomes(failed=1)
    asked = (
        "asked: * sum of a chunk of <f8 (3, 4, 5), order C, codecs none, "
        "missing: value 0.0, selection [[]0:3, 0:4, 0:5], axis (1, 2), chunk 0 of 3"
    )
    result.stdout.fnmatch_lines(
        [
            asked,
            "expected: *",
            "came back: *",
            "differs: * value 0 in * places, first at (0, *, 0): * instead of *",
            "usually: *",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "harness.py" not in result.stdout.str()


def test_an_author_who_forgot_put_is_told(run):
    result = run(
        """
class TestForgetful(BackendConformance):
    @pytest.fixture
    def backend(self):
        return FakeBackend()
""",
        "-k",
        "test_core_large_batch",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*NotImplementedError: override the method `put`*"])


def test_an_author_who_forgot_the_fixture_is_told(run):
    result = run(
        "class TestEmpty(BackendConformance): pass\n", "-k", "test_core_large_batch"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*override the fixture `backend`*"])


def test_the_suite_is_collected_from_the_subclass_only(run):
    result = run("", "--collect-only")
    assert "no tests collected" in result.stdout.str()


def test_the_snippet_of_the_docs_runs(run):
    snippets = re.findall(
        r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL
    )
    (suite,) = [code for code in snippets if "class TestFolderBackend" in code]
    result = run(suite, "-k", "core")
    counts = result.parseoutcomes()
    assert counts["passed"] > 150
    assert "failed" not in counts


# -- the cases and the oracle ---------------------------------------------------------


def test_the_names_of_cases_differ():
    names = collections.Counter(case.name for case in CASES)
    assert names.most_common(1)[0][1] == 1


def test_the_names_of_cases_are_names_of_objects():
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", case.name) for case in CASES)


def test_every_operation_and_dtype_has_cases():
    pairs = {(case.operation, case.layout.dtype.str[1:]) for case in CASES}
    dtypes = {"i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "b1"}
    assert pairs >= {(name, dtype) for name in OPERATIONS for dtype in dtypes}


def test_every_rule_of_every_case_makes_a_difference():
    # A rule that no element breaks would let a backend drop it unnoticed.
    for case in CASES:
        for rule in case.layout.missing.values:
            chunks = np.concatenate([chunk.ravel() for chunk in case.chunks])
            hit = np.isnan(chunks) if rule != rule else chunks == rule
            assert hit.any(), f"{case}: {rule}"
        low, high = case.layout.missing.valid_min, case.layout.missing.valid_max
        assert low is None or any((chunk < low).any() for chunk in case.chunks)
        assert high is None or any((chunk > high).any() for chunk in case.chunks)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["i2", "i8", "f4", "f8"]),
    st.sampled_from([(), (0,), (1,), (0, 1)]),
    st.integers(0, 2**32 - 1),
)
def test_the_oracle_agrees_with_numpy_ma(dtype, axis, seed):
    random = np.random.default_rng(seed)
    chunk = random.integers(-9, 9, (5, 6)).astype(dtype)
    of = np.dtype(dtype).type
    missing = Missing((of(3),), of(-7), of(6))
    masked = np.ma.MaskedArray(chunk, (chunk == 3) | (chunk < -7) | (chunk > 6))
    masked = masked[1:5:2][:, [0, 2, 2, 5]]
    selection = (slice(1, 5, 2), (0, 2, 2, 5))
    wide = masked.astype("f8" if dtype[0] == "f" else "i8")
    answers = {
        "sum": (wide.sum(axis=axis, keepdims=True),),
        "sum_f8": (masked.astype("f8").sum(axis=axis, keepdims=True),),
        "min": (masked.min(axis=axis, keepdims=True),),
        "max": (masked.max(axis=axis, keepdims=True),),
        "nonzero": ((masked != 0).astype("i8").sum(axis=axis, keepdims=True),),
        "moments": (
            masked.astype("f8").mean(axis=axis, keepdims=True),
            masked.astype("f8").var(axis=axis, keepdims=True)
            * masked.count(axis=axis, keepdims=True),
        ),
    }
    for operation, right in answers.items():
        got = expect(chunk, missing, selection, axis, operation)
        count = masked.count(axis=axis, keepdims=True) if axis else ~masked.mask
        np.testing.assert_array_equal(got.count, count)
        for value, values in zip(got.values, right, strict=True):
            np.testing.assert_allclose(
                value[got.count > 0],
                np.ma.getdata(values)[got.count > 0],
                rtol=1e-12,
                atol=1e-12,
            )
