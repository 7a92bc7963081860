"""Calls of the functional form against NumPy, for any selection."""

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activecore.functional import ChunkCall
from activecore.kernel import reduce_buffers
from activecore.model import ChunkBatch, Codec, Partial

SHAPE = (4, 5, 3)
ELEMENTS = np.random.default_rng(0).integers(-9, 9, SHAPE).astype("<i2")
WHOLE = {
    "source": "data",
    "offset": 0,
    "size": ELEMENTS.nbytes,
    "compression": None,
    "filters": None,
    "missing": None,
    "dtype": "<i2",
    "shape": SHAPE,
    "order": "C",
    "chunk_selection": ...,
}


def call_of(**options):
    return ChunkCall.of(**{**WHOLE, **options})


def answer(call, stored=None):
    """Ask the kernel, as a backend would."""
    stored = ELEMENTS.tobytes() if stored is None else stored
    partial = reduce_buffers(ChunkBatch.of(call.request), [stored])
    first = tuple(values[0] for values in partial.values)
    return call.answer(Partial(first, partial.count[0]))


def index_of(length):
    position = st.integers(-length, length - 1)
    return st.one_of(
        st.slices(length),
        position,
        st.lists(position, max_size=5),
        st.lists(st.booleans(), min_size=length, max_size=length).map(np.array),
    )


def numpy_s(selection):
    """Select with NumPy, one dimension at a time, integers as slices."""
    part = ELEMENTS
    for axis, item in enumerate(selection):
        if isinstance(item, int):
            kept = [item]
        elif isinstance(item, slice):
            kept = range(SHAPE[axis])[item]
        else:
            kept = np.flatnonzero(item) if isinstance(item, np.ndarray) else item
        part = part.take(np.array(kept, dtype=int), axis=axis)
    return part


SELECTIONS = st.tuples(*(index_of(length) for length in SHAPE))
AXES = st.sets(st.integers(0, 2)).map(lambda axes: tuple(sorted(axes)))


@given(SELECTIONS)
def test_selected_elements_come_in_the_order_that_was_asked(selection):
    value, count = answer(call_of(chunk_selection=selection))
    np.testing.assert_array_equal(value, numpy_s(selection))
    assert count is None


@given(SELECTIONS, AXES, st.sampled_from(["sum", "min", "max"]))
def test_reductions_keep_the_order_of_what_is_left(selection, axis, method):
    call = call_of(
        chunk_selection=selection, axis=axis, method=method, missing=(3, None, None, 8)
    )
    value, count = answer(call)
    part = numpy_s(selection)
    right = np.ma.masked_where((part == 3) | (part > 8), part)
    behind = np.ma.count(right, axis=axis, keepdims=True)
    np.testing.assert_array_equal(count, behind)
    np.testing.assert_array_equal(np.ma.getmaskarray(value), behind == 0)
    if part.size > 0:
        expected = getattr(np.ma, method)(right, axis=axis, keepdims=True)
        np.testing.assert_array_equal(np.ma.filled(value, 0), np.ma.filled(expected, 0))


@given(AXES)
def test_negative_axes_count_from_the_end(axis):
    negative = tuple(a - 3 for a in axis)
    assert call_of(method="sum", axis=negative).request.axis == axis


def test_filters_come_before_the_compressor():
    filters = [numcodecs.Delta(dtype="<i2"), numcodecs.Shuffle(2)]
    call = call_of(filters=filters, compression=numcodecs.Zlib(level=3))
    assert call.request.codecs == (
        Codec.of("delta", dtype="<i2", astype="<i2"),
        Codec.of("shuffle", elementsize=2),
        Codec.of("zlib", level=3),
    )
    stored = ELEMENTS.ravel()
    for step in (*filters, numcodecs.Zlib(level=3)):
        stored = step.encode(stored)
    size = len(stored)
    call = call_of(filters=filters, compression=numcodecs.Zlib(level=3), size=size)
    np.testing.assert_array_equal(answer(call, bytes(stored))[0], ELEMENTS)


def test_a_codec_of_our_own_is_taken_as_it_is():
    codec = Codec.of("zlib", level=1)
    assert call_of(compression=codec).request.codecs == (codec,)


@pytest.mark.parametrize("name", ["select", None])
def test_select_is_the_elements(name):
    call = call_of(method=name)
    assert (call.request.operation, call.request.axis) == ("select", ())


def test_the_values_of_a_rule_become_scalars_of_the_dtype():
    missing = call_of(missing=(np.float64(-9), [3, 4], None, 8)).request.missing
    assert missing.values == (-9, 3, 4)
    assert {value.dtype for value in missing.values} == {np.dtype("i2")}
    assert missing.valid_max == 8


def test_a_function_of_numpy_that_is_a_reduction_is_not_done_by_reading():
    for function in (np.sum, np.ma.sum, np.mean, np.ma.max, np.amin, np.std):
        assert call_of(method=function).request.operation != "select"
    assert call_of(method=np.median).request.operation == "select"


def test_a_count_that_is_the_same_everywhere_is_given_for_every_value():
    value, count = answer(call_of(method="count", axis=1))
    assert value.shape == count.shape == (4, 1, 3)
    assert (value == 5).all()
    value += 1
    assert (count == 5).all()
