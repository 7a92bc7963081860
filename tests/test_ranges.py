"""Joining ranges, for any ranges."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activecore import EncodedChunks, group_by_source
from activecore import join_ranges as join_columns


def join_ranges(ranges, *, gap, most=None):
    columns = np.array(ranges, dtype=np.int64).reshape(-1, 3).T
    return join_columns(*columns, gap=gap, most=most)


def members(run):
    return list(
        zip(
            run.offsets.tolist(),
            run.sizes.tolist(),
            run.positions.tolist(),
            strict=True,
        )
    )


RANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40))).map(
    lambda pairs: [(offset, size, i) for i, (offset, size) in enumerate(pairs)]
)
GAP = st.integers(0, 20)


@given(RANGES, GAP)
def test_every_range_lies_within_the_one_run_that_has_it(ranges, gap):
    runs = join_ranges(ranges, gap=gap)
    for run in runs:
        for offset, size, _ in members(run):
            assert run.start <= offset <= offset + size <= run.stop
    assert sorted(m for run in runs for m in members(run)) == sorted(ranges)


@given(RANGES, GAP)
def test_runs_are_in_order_and_further_apart_than_the_gap(ranges, gap):
    runs = join_ranges(ranges, gap=gap)
    for one, next_one in pairwise(runs):
        assert next_one.start > one.stop + gap


@pytest.mark.parametrize("gap", [2**63 - 1, 2**63, 2**70])
def test_no_gap_is_too_large(gap):
    (run,) = join_ranges([(5, 10, 0), (2**62, 40, 1)], gap=gap)
    assert (run.start, run.stop) == (5, 2**62 + 40)


@pytest.mark.parametrize("most", [None, 1, 8 << 20])
def test_ranges_at_the_last_byte_there_can_be_are_joined_and_end(most):
    last = 2**63 - 1
    ranges = [(last - 100, 10, 0), (last - 40, 40, 1), (last, 0, 2)]
    runs = join_ranges(ranges, gap=16, most=most)
    assert [m for run in runs for m in members(run)] == ranges
    assert runs[-1].stop == last


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
    assert sorted(m for run in runs for m in members(run)) == sorted(ranges)
    for run in runs:
        longest = max(size for _, size, _ in members(run))
        assert run.size <= max(most, longest)
        for offset, size, _ in members(run):
            assert run.start <= offset <= offset + size <= run.stop


@given(RANGES, GAP)
def test_without_a_limit_it_is_as_with_one_that_nothing_reaches(ranges, gap):
    with_limit = join_ranges(ranges, gap=gap, most=10_000)
    without = join_ranges(ranges, gap=gap)
    assert [members(run) for run in with_limit] == [members(run) for run in without]
    assert [(r.start, r.stop) for r in with_limit] == [
        (r.start, r.stop) for r in without
    ]


@given(RANGES, GAP, st.none() | st.integers(1, 60))
def test_runs_are_what_taking_range_after_range_gives(ranges, gap, most):
    # The plainest way to say it, one range at a time.
    runs, stop = [], 0
    for offset, size, position in sorted(ranges, key=lambda r: r[:2]):
        end = offset + size
        fits = len(runs) > 0 and offset <= stop + gap
        if fits and most is not None and end > stop:
            fits = end - runs[-1][0][0] <= most
        if not fits:
            runs.append([])
            stop = end
        stop = max(stop, end)
        runs[-1].append((offset, size, position))
    got = [members(run) for run in join_ranges(ranges, gap=gap, most=most)]
    assert got == runs


@given(RANGES, GAP)
def test_chunks_that_a_run_lends_are_the_bytes_of_their_ranges(ranges, gap):
    stored = bytes(range(241))
    chunks = EncodedChunks(len(ranges))
    for run in join_ranges(ranges, gap=gap):
        run.lend(memoryview(stored[run.start : run.stop]), chunks)
    want = [stored[offset : offset + size] for offset, size, _ in ranges]
    assert [bytes(chunk) for chunk in chunks] == want
    assert [bytes(chunks[i]) for i in range(len(chunks))] == want


@given(st.lists(st.sampled_from("abc")))
def test_chunks_are_found_by_their_source(sources):
    column = np.array(sources, dtype=object)
    groups = {source: rows.tolist() for source, rows in group_by_source(column)}
    assert groups == {
        source: [i for i, s in enumerate(sources) if s == source]
        for source in dict.fromkeys(sources)
    }


def test_chunks_that_were_not_put_anywhere_are_none():
    chunks = EncodedChunks(3)
    chunks.put(memoryview(b"abcdef"), np.array([0, 2]), np.array([1, 4]), 2)
    assert [chunk and bytes(chunk) for chunk in chunks] == [b"bc", None, b"ef"]
    assert chunks.is_present.tolist() == [True, False, True]
    assert [c and bytes(c) for c in chunks.rows(np.array([2, 1]))] == [b"ef", None]
    assert bytes(chunks[1:][1]) == b"ef"
    chunks.clear()
    assert list(chunks) == [None, None, None]


@pytest.mark.parametrize(
    ("start", "size"), [(-1, 2), (0, 7), (5, 2), (0, -1), (2**63 - 1, 5)]
)
def test_chunks_outside_their_memory_are_refused(start, size):
    with pytest.raises(ValueError, match="do not lie within 6 bytes"):
        EncodedChunks(1).put(memoryview(b"abcdef"), 0, start, size)
