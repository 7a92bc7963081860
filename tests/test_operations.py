"""Each row against NumPy: reducing at once, merging parts, accumulating one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activecore.elements import reduce_elements
from activecore.operations import OPERATION, accumulator

MERGED = sorted(set(OPERATION) - {"select"})
DTYPES = ["?", "i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8"]


@st.composite
def elements_and_missing(draw, specials=True):
    """Small whole numbers, so that NumPy's sums are exact, with gaps and NaN."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = {"b": (0, 2), "u": (0, 50)}.get(dtype.kind, (-50, 50))
    elements = rng.integers(low, high, shape).astype(dtype)
    if specials and dtype.kind == "f" and draw(st.booleans()):
        wild = np.array([np.nan, np.inf, -np.inf], dtype)
        elements = np.where(
            rng.random(shape) < 0.2, rng.choice(wild, shape), elements
        ).astype(dtype)
    return elements, rng.random(shape) < draw(st.sampled_from([0, 0.3, 1]))


def by_numpy(operation, elements, invalid, axes):
    """What NumPy gives for the elements that are not missing; None: there are none."""
    wide = accumulator(elements.dtype)
    kept = np.ma.array(elements, mask=invalid)
    count = (~invalid).sum(axis=axes, keepdims=True)

    def lanes(function):
        moved = (
            np.moveaxis(kept, axes, range(-len(axes), 0)) if axes else kept[..., None]
        )
        flat = moved.reshape((-1, int(np.prod([elements.shape[a] for a in axes]))))
        with np.errstate(all="ignore"):
            found = [function(lane.compressed()) for lane in flat]
        return np.array(found, dtype=object).reshape(count.shape)

    def none_of_nothing(function):
        return lanes(lambda lane: function(lane) if lane.size else None)

    return count, {
        "count": (),
        "sum": (none_of_nothing(lambda lane: lane.sum(dtype=wide)),),
        "sum_f8": (none_of_nothing(lambda lane: lane.sum(dtype="f8")),),
        "min": (none_of_nothing(np.min),),
        "max": (none_of_nothing(np.max),),
        "extrema": (none_of_nothing(np.min), none_of_nothing(np.max)),
        "moments": (
            none_of_nothing(lambda lane: lane.mean(dtype="f8")),
            none_of_nothing(
                lambda lane: np.square(lane.astype("f8") - lane.mean(dtype="f8")).sum()
            ),
        ),
        "nonzero": (none_of_nothing(np.count_nonzero),),
    }[operation]


def assert_values(values, count, expected, behind, dtype, operation):
    """Equal where anything was reduced; elsewhere it is the identity."""
    np.testing.assert_array_equal(np.broadcast_to(count, behind.shape), behind)
    assert len(values) == len(expected)
    for value, wanted, blank in zip(
        values, expected, OPERATION[operation].identity(dtype), strict=True
    ):
        assert value.dtype == blank.dtype
        some = behind > 0
        full = np.broadcast_to(value, behind.shape)
        np.testing.assert_allclose(
            full[some].astype("f8"), wanted[some].astype("f8"), rtol=1e-12, atol=1e-9
        )
        np.testing.assert_array_equal(full[~some], np.full((~some).sum(), blank))


axis_sets = st.sets(st.integers(0, 2))


@pytest.mark.filterwarnings("ignore")  # of NumPy, about infinities and NaN
@given(elements_and_missing(), axis_sets, st.sampled_from(MERGED))
def test_an_operation_gives_what_numpy_gives(case, axes, operation):
    elements, invalid = case
    axis = tuple(sorted(a for a in axes if a < elements.ndim))
    values, count = reduce_elements(
        elements[np.newaxis], invalid[np.newaxis], axis, operation
    )
    behind, expected = by_numpy(operation, elements, invalid, axis)
    assert_values(
        tuple(value[0] for value in values),
        count[0],
        expected,
        behind,
        elements.dtype,
        operation,
    )


def parts_of(elements, invalid, cuts, operation):
    """Values and count of each piece of a one-dimensional array, stacked."""
    pieces = np.split(elements, cuts), np.split(invalid, cuts)
    answers = [
        reduce_elements(e[np.newaxis], i[np.newaxis], (0,), operation)
        for e, i in zip(*pieces, strict=True)
    ]
    width = len(answers[0][0])
    values = tuple(np.concatenate([v[k] for v, _ in answers]) for k in range(width))
    return values, np.concatenate([count for _, count in answers])


@pytest.mark.filterwarnings("ignore")
@given(st.data(), elements_and_missing(), st.sampled_from(MERGED))
def test_parts_merge_to_the_whole_in_any_grouping(data, case, operation):
    elements, invalid = (array.ravel() for array in case)
    cut = st.integers(0, len(elements))
    cuts = sorted(data.draw(st.lists(cut, max_size=4)))
    values, count = parts_of(elements, invalid, cuts, operation)
    behind, expected = by_numpy(operation, elements, invalid, (0,))
    row = OPERATION[operation]

    with np.errstate(invalid="ignore"):
        at_once = row.merge(values, count, (0,))
        # In two groups, then those: merging must be associative.
        half = data.draw(st.integers(0, len(count)))
        groups = [
            (row.merge(tuple(v[part] for v in values), count[part], (0,)), count[part])
            for part in (slice(0, half), slice(half, None))
            if len(count[part]) > 0
        ]
        seconds = tuple(
            np.concatenate([merged[k] for merged, _ in groups])
            for k in range(len(values))
        )
        sums = np.concatenate([c.sum(axis=0, keepdims=True) for _, c in groups])
        in_groups = row.merge(seconds, sums, (0,))

        held = tuple(np.full((1,), blank) for blank in row.identity(elements.dtype))
        before = np.zeros((1,), np.int64)
        for number in range(len(count)):
            one = tuple(value[number] for value in values)
            row.accumulate(held, before, one, count[number])
            before += count[number]
    for merged in (at_once, in_groups):
        found = tuple(value[0] for value in merged)
        total = count.sum(axis=0)
        assert_values(found, total, expected, behind, elements.dtype, operation)
    assert_values(held, before, expected, behind, elements.dtype, operation)


@pytest.mark.parametrize("operation", MERGED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_identity_changes_nothing(operation, dtype):
    row = OPERATION[operation]
    elements = np.array([[1, 0, 1]], dtype)
    values, count = reduce_elements(elements, None, (0,), operation)
    nothing, none = reduce_elements(elements[:, :0], None, (0,), operation)
    assert none.sum() == 0
    for pair in ((values, nothing), (nothing, values)):
        both = tuple(np.concatenate(column) for column in zip(*pair, strict=True))
        counts = [count, none] if pair[0] is values else [none, count]
        merged = row.merge(both, np.concatenate(counts), (0,))
        for found, value in zip(merged, values, strict=True):
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value)


def test_sums_of_small_types_do_not_wrap_and_of_wide_ones_need_not():
    (total,), _ = reduce_elements(np.full((1, 1000), 100, "i1"), None, (0,), "sum")
    assert total == 100_000
    big = np.full((1, 4), 2**62, "i8")
    (total,), _ = reduce_elements(big, None, (0,), "sum_f8")
    assert total == 2.0**64


def test_moments_of_equal_means_far_from_zero_merge_without_rounding():
    values, count = parts_of(np.full(9, 1e15 + 1), np.zeros(9, bool), [3, 5], "moments")
    mean, m2 = OPERATION["moments"].merge(values, count, (0,))
    assert mean == 1e15 + 1
    assert m2 == 0


def test_selected_elements_are_the_callers_own_and_are_never_merged():
    block = np.arange(6.0).reshape(1, 6)
    missing = np.arange(6).reshape(1, 6) > 3
    (elements,), kept = reduce_elements(block, missing, (), "select")
    assert not np.shares_memory(elements, block)
    np.testing.assert_array_equal(kept, ~missing)
    row = OPERATION["select"]
    with pytest.raises(ValueError, match="cannot be merged"):
        row.merge((elements,), kept, (0,))
    with pytest.raises(ValueError, match="cannot be merged"):
        row.accumulate((elements,), kept, (elements,), kept)


@pytest.mark.parametrize("operation", MERGED)
def test_no_value_is_a_view_of_the_elements(operation):
    # The kernel decodes the next chunks into the same memory.
    block = np.arange(1.0, 7).reshape(1, 2, 3)
    for axis in [(), (0,), (0, 1)]:
        values, _ = reduce_elements(block, None, axis, operation)
        assert not any(np.shares_memory(value, block) for value in values)


def test_moments_of_parts_of_different_size_merge_to_those_of_the_whole():
    elements = np.random.default_rng(1).normal(5, 3, 40)
    values, count = parts_of(elements, elements > 9, [3, 4, 29], "moments")
    mean, m2 = OPERATION["moments"].merge(values, count, (0,))
    kept = elements[elements <= 9]
    assert mean.item() == pytest.approx(kept.mean(), rel=1e-13)
    assert m2.item() == pytest.approx(kept.var() * len(kept), rel=1e-12)
