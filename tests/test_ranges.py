"""Joining ranges, for any ranges."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from activecore import join_ranges

RANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40))).map(
    lambda pairs: [(offset, size, i) for i, (offset, size) in enumerate(pairs)]
)
GAP = st.integers(0, 20)


@given(RANGES, GAP)
def test_every_range_lies_within_the_one_run_that_has_it(ranges, gap):
    runs = join_ranges(ranges, gap=gap)
    for run in runs:
        for offset, size, _ in run.members:
            assert run.start <= offset <= offset + size <= run.stop
    assert sorted(m for run in runs for m in run.members) == sorted(ranges)


@given(RANGES, GAP)
def test_runs_are_in_order_and_further_apart_than_the_gap(ranges, gap):
    runs = join_ranges(ranges, gap=gap)
    for one, next_one in pairwise(runs):
        assert next_one.start > one.stop + gap


@given(RANGES)
def test_without_a_gap_no_byte_is_read_that_nobody_wants(ranges):
    wanted = {
        byte for offset, size, _ in ranges for byte in range(offset, offset + size)
    }
    assert sum(run.size for run in join_ranges(ranges, gap=0)) == len(wanted)


@given(RANGES, GAP)
def test_a_byte_belongs_to_the_first_chunk_that_ends_behind_it(ranges, gap):
    by_position = {position: (offset, size) for offset, size, position in ranges}
    for run in join_ranges(ranges, gap=gap):
        for byte in range(run.start, run.stop):
            offset, size = by_position[run.position_at(byte)]
            assert byte < offset + size


@given(RANGES, GAP, st.integers(1, 60))
def test_a_run_is_longer_than_the_limit_only_where_one_range_is(ranges, gap, most):
    runs = join_ranges(ranges, gap=gap, most=most)
    assert sorted(m for run in runs for m in run.members) == sorted(ranges)
    for run in runs:
        longest = max(size for _, size, _ in run.members)
        assert run.size <= max(most, longest)
        for offset, size, _ in run.members:
            assert run.start <= offset <= offset + size <= run.stop


@given(RANGES, GAP)
def test_without_a_limit_it_is_as_with_one_that_nothing_reaches(ranges, gap):
    with_limit = join_ranges(ranges, gap=gap, most=10_000)
    assert with_limit == join_ranges(ranges, gap=gap)
