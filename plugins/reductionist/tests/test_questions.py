"""Whatever is asked, the stand-in's reply becomes what numpy.ma makes of the chunk."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reductionist_standin import Direct, StandIn

from activecore import BackendRefused, ChunkBatch, ChunkLayout, Codec, Missing
from activecore_reductionist.accuracy import ROUNDING
from activecore_reductionist.answering import Conversation
from activecore_reductionist.asking import asked_of
from activecore_reductionist.attempts import Attempts
from activecore_reductionist.client import Client
from activecore_reductionist.question import SourceObject

BOUND = 1e-4
NUMBERS = st.integers(-9, 9)


def talk(standin, batch, bound=BOUND, *, api="auto"):
    attempts = Attempts(Direct(standin), timeout=5, connect_timeout=5, retries=0)
    client = Client(
        "http://standin", attempts, lambda: None, api_version=api, may_use_cache=True
    )
    target = SourceObject("http://s3", "b", "k")
    return Conversation(
        client, lambda _: target, batch, asked_of(batch, bound), 1 << 30
    )


def answer(batch, stored, version="v2", *, has_options=True, bound=BOUND):
    standin = StandIn(version, has_options=has_options, access=None)
    standin.objects["b", "k"] = stored
    conversation = talk(standin, batch, bound)
    return conversation.partial(), conversation


@st.composite
def selections(draw, length):
    kind = draw(st.sampled_from(["all", "slice", "positions"]))
    if kind == "all":
        return slice(0, length, 1)
    if kind == "slice":
        start = draw(st.integers(0, length - 1))
        stop = draw(st.integers(start + 1, length))
        return slice(start, stop, draw(st.integers(1, 3)))
    positions = draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=6))
    return tuple(sorted(positions))


@st.composite
def missings(draw, dtype):
    kind = np.dtype(dtype).newbyteorder("=").type
    numbers = st.integers(0 if np.dtype(dtype).kind == "u" else -9, 9).map(kind)
    values = draw(st.lists(numbers, max_size=3))
    low = draw(st.none() | numbers)
    high = draw(st.none() | numbers)
    return Missing(tuple(values), low, high)


@st.composite
def chunks(draw):
    dtype = np.dtype(draw(st.sampled_from(["i4", "i8", "u4", "u8", "f4", "f8"])))
    dtype = dtype.newbyteorder(draw(st.sampled_from("<>")))
    shape = tuple(draw(st.lists(st.integers(1, 5), max_size=3)))
    low = 0 if dtype.kind == "u" else -9
    size = int(np.prod(shape))
    numbers = draw(st.lists(st.integers(low, 9), min_size=size, max_size=size))
    elements = np.array(numbers, dtype).reshape(shape)
    order = draw(st.permutations(range(len(shape))))
    codecs, stored = [], elements.transpose(order).tobytes()
    if draw(st.booleans()):
        codecs.append(Codec.of("shuffle", elementsize=dtype.itemsize))
        stored = np.frombuffer(stored, "u1").reshape(-1, dtype.itemsize).T.tobytes()
    if draw(st.booleans()):
        codecs.append(Codec.of("zlib", level=1))
        stored = zlib.compress(stored)
    layout = ChunkLayout(dtype, shape, order, codecs, draw(missings(dtype)))
    selection = tuple(draw(selections(length)) for length in shape)
    axes = [a for a in range(len(shape)) if draw(st.booleans())]
    operation = draw(st.sampled_from(["count", "sum", "min", "max", "select"]))
    whole = draw(st.booleans())
    batch = ChunkBatch(
        layout,
        np.array(["s3://b/k"], dtype=object),
        np.array([0], dtype=np.int64),
        np.array([-1 if whole else len(stored)], dtype=np.int64),
        selection,
        () if operation == "select" else tuple(axes),
        operation,
    )
    return elements, stored, batch


def by_numpy(elements, batch):
    native = elements.astype(elements.dtype.newbyteorder("="))
    missing = batch.missing
    masked = np.isin(native, missing.values)
    if missing.valid_min is not None:
        masked |= native < missing.valid_min
    if missing.valid_max is not None:
        masked |= native > missing.valid_max
    for a, item in enumerate(batch.selection):
        places = (
            np.arange(native.shape[a])[item] if isinstance(item, slice) else list(item)
        )
        native, masked = native.take(places, a), masked.take(places, a)
    field = np.ma.masked_array(native, masked)
    if batch.operation == "select":
        return native, ~masked
    count = (~masked).sum(axis=batch.axis, keepdims=True)
    if batch.operation == "count":
        return None, count
    if batch.operation == "sum":
        wide = {"i": "i8", "u": "u8", "f": "f8"}[native.dtype.kind]
        return field.sum(axis=batch.axis, keepdims=True, dtype=wide), count
    return getattr(field, batch.operation)(axis=batch.axis, keepdims=True), count


def hold(partial, elements, batch):
    value, count = by_numpy(elements, batch)
    behind = np.broadcast_to(partial.count, (1, *batch.reduced_shape))[0]
    np.testing.assert_array_equal(behind, count)
    if value is None:
        assert partial.values == ()
        return
    (got,) = partial.values
    assert got.dtype.isnative
    seen = behind if batch.operation == "select" else behind > 0
    np.testing.assert_array_equal(got[0][seen], np.asarray(value)[seen])


@pytest.mark.parametrize(
    ("version", "has_options"), [("v1", False), ("v2", False), ("v2", True)]
)
@settings(max_examples=300, deadline=None)
@given(chunk=chunks())
def test_every_question_that_is_not_refused_is_answered_as_numpy_does(
    version, has_options, chunk
):
    elements, stored, batch = chunk
    try:
        partial, _ = answer(batch, stored, version, has_options=has_options)
    except BackendRefused as refusal:
        known = ("one missing rule", "may wrap", "single value")
        is_known = any(words in str(refusal) for words in known)
        assert is_known and batch.operation != "select"  # noqa: PT018 - or it holds
        return
    hold(partial, elements, batch)


def batch_of(
    elements, operation, *, axis=None, missing=None, selection=None, codecs=()
):
    """A batch of one chunk, stored plainly."""
    elements = np.asarray(elements)
    layout = ChunkLayout(elements.dtype, elements.shape, "C", codecs, missing)
    return ChunkBatch(
        layout,
        np.array(["s3://b/k"], dtype=object),
        np.array([0], dtype=np.int64),
        np.array([elements.nbytes], dtype=np.int64),
        selection or tuple(slice(0, n, 1) for n in elements.shape),
        tuple(range(elements.ndim)) if axis is None else axis,
        operation,
    )


def ask(elements, operation, **how):
    elements = np.asarray(elements)
    batch = batch_of(elements, operation, **how)
    partial, conversation = answer(batch, elements.tobytes())
    return partial, conversation.cost.requests


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_maximum_of_negative_infinities_alone_is_negative_infinity(dtype):
    partial, requests = ask(np.full(4, -np.inf, dtype), "max")
    assert partial.values[0] == -np.inf
    assert requests == 2
    partial, _ = ask(np.full(4, np.inf, dtype), "min")
    assert partial.values[0] == np.inf


def test_the_number_that_the_server_starts_from_is_believed_where_it_is_stored():
    least = np.finfo("f4").min
    partial, _ = ask(np.array([least, least], "f4"), "max")
    assert partial.values[0] == least
    assert partial.count == 2


def test_one_infinity_among_numbers_is_asked_about_once():
    partial, requests = ask(np.array([-np.inf, 3], "f4"), "max")
    assert partial.values[0] == 3
    assert requests == 1


@pytest.mark.parametrize("operation", ["min", "max"])
def test_extremes_of_data_with_a_nan_are_nan_though_the_server_panics(operation):
    partial, requests = ask(np.array([[1, np.nan], [3, 4]], "f4"), operation, axis=(1,))
    np.testing.assert_array_equal(
        partial.values[0], [[[np.nan], [3 if operation == "min" else 4]]]
    )
    assert requests == 1  # the drop itself is no answer


def test_sums_of_data_with_a_nan_are_nan_and_checked_with_a_count():
    partial, requests = ask(np.array([[1, np.nan], [3, 4]], "f4"), "sum", axis=(1,))
    np.testing.assert_array_equal(partial.values[0], [[[np.nan], [7]]])
    assert requests == 2


def test_a_sum_that_leaves_float32_s_range_is_made_here():
    partial, requests = ask(np.full((2, 2), 3e38, "f4"), "sum")
    assert partial.values[0] == pytest.approx(1.2e39)
    assert requests == 3


def test_a_sum_that_leaves_float32_s_range_both_ways_is_made_here():
    partial, _ = ask(np.array([[3e38, 3e38], [-3e38, -3e38]], "f4"), "sum")
    assert partial.values[0] == 0


def test_a_sum_of_float64_that_leaves_its_range_on_the_way_is_made_here():
    # Eight lanes, as NumPy adds them up, cancel; one after another overflows.
    elements = np.repeat([1.7e308, -1.7e308], 8)
    partial, requests = ask(elements, "sum")
    assert partial.values[0] == elements.sum() == 0
    assert requests == 3


def test_an_infinity_in_the_data_stays_one_in_the_sum():
    partial, _ = ask(np.array([np.inf, 1], "f4"), "sum")
    assert partial.values[0] == np.inf


@pytest.mark.parametrize("fill", [9.969209968386869e36, -1.7976931348623157e308, 1e20])
def test_float64_fill_values_mean_what_they_say_to_a_parser_that_rounds_twice(fill):
    elements = np.array([fill, 1, 2])
    partial, _ = ask(elements, "sum", missing=Missing((np.float64(fill),)))
    assert partial.values[0] == 3
    assert partial.count == 2


def test_a_fill_value_outside_the_valid_range_is_left_out_as_it_says_nothing_more():
    missing = Missing((np.float32(1e20),), np.float32(0), np.float32(10))
    partial, _ = ask(np.array([1e20, 1, 2, 11], "f4"), "sum", missing=missing)
    assert (partial.values[0], partial.count) == (3, 2)


def test_a_chunk_without_dimensions_is_a_row_of_one_element():
    batch = batch_of(np.array(7.5), "sum")
    partial, _ = answer(batch, np.array(7.5).tobytes())
    assert partial.values[0].shape == (1,)
    assert partial.values[0] == 7.5


def test_nothing_is_sent_where_no_element_is_selected():
    elements = np.arange(6, dtype="f4").reshape(2, 3)
    partial, requests = ask(elements, "max", selection=(slice(0, 0, 1), slice(0, 3, 1)))
    assert requests == 0
    assert (partial.count == 0).all()
    assert len(partial.absent) == 0


def test_positions_that_are_no_slice_are_asked_in_one_request():
    elements = np.arange(40, dtype="f4").reshape(10, 4)
    selection = ((0, 0, 3, 7), slice(0, 4, 1))
    partial, requests = ask(elements, "sum", selection=selection)
    assert requests == 1
    assert partial.values[0] == elements[[0, 0, 3, 7]].sum()
    assert partial.count == 16


def test_repeated_positions_are_no_slice_even_if_they_are_as_many():
    elements = np.arange(5, dtype="f4")
    partial, _ = ask(elements, "sum", selection=((0, 0, 0, 1, 4),))
    assert partial.values[0] == 5


def test_positions_with_equal_steps_are_a_slice():
    batch = batch_of(np.arange(10.0), "sum", selection=((1, 4, 7),))
    question = asked_of(batch, BOUND).question
    assert question.selection == ((1, 8, 3),)
    assert question.axis == (0,)


def test_a_sum_of_float32_over_too_long_axes_keeps_an_axis_until_it_is_right():
    # 1200 and 600 together are over the bound, each alone is not.
    elements = np.full((1200, 600), 1.1, "f4")
    batch = batch_of(elements, "sum")
    asked = asked_of(batch, 1e-4)
    assert asked.question.axis == (0,)
    assert asked.merged == (1,)
    partial, _ = answer(batch, elements.tobytes())
    exact = elements.astype("f8").sum()
    assert abs(partial.values[0] - exact) <= 1e-4 * exact


def test_a_sum_of_float32_over_an_axis_that_is_too_long_is_refused():
    batch = batch_of(np.zeros(4000, "f4"), "sum")
    with pytest.raises(
        BackendRefused, match=r"float32 in float32, which may be wrong by 2\.4e-04"
    ):
        asked_of(batch, 1e-4)
    assert asked_of(batch, 3e-4).question.axis == (0,)


@pytest.mark.parametrize("length", [1, 2, 100, 1677])
def test_the_stand_in_s_float32_sums_stay_within_the_bound_that_is_claimed(length):
    rng = np.random.default_rng(length)
    for numbers in (rng.random(length) + 1e4, np.r_[1e7, rng.random(length - 1)]):
        elements = numbers.astype("f4")
        partial, _ = ask(elements, "sum")
        exact = elements.astype("f8").sum()
        assert (
            abs(partial.values[0] - exact) <= ROUNDING * length * np.abs(elements).sum()
        )


@pytest.mark.parametrize(
    ("dtype", "missing", "length", "fits"),
    [
        ("i4", None, 2, False),
        ("i4", None, 1, True),
        ("u4", None, 2, False),
        ("i4", Missing((), np.int32(-100), np.int32(100)), 1000, True),
        ("i4", Missing((), None, np.int32(100)), 1000, False),
        ("i4", Missing((), np.int32(0), np.int32(2**20)), 2047, True),
        ("i4", Missing((), np.int32(0), np.int32(2**20)), 2048, False),
        ("u4", Missing((), None, np.uint32(2**20)), 4095, True),
        ("i8", None, 10**6, True),
        ("u8", None, 10**6, True),
    ],
)
def test_sums_of_integers_are_refused_where_four_bytes_may_wrap(
    dtype, missing, length, fits
):
    layout = ChunkLayout(dtype, (length,), missing=missing)
    batch = ChunkBatch(
        layout, np.array([], object), np.array([], np.int64), np.array([], np.int64),
        (slice(0, length, 1),), (0,), "sum",
    )  # fmt: skip
    if fits:
        assert asked_of(batch, BOUND).question.operation == "sum"
    else:
        with pytest.raises(BackendRefused, match="may wrap"):
            asked_of(batch, BOUND)


def test_sums_of_eight_byte_integers_wrap_as_numpy_s_do():
    elements = np.full(4, 2**62, "i8")
    partial, _ = ask(elements, "sum")
    assert partial.values[0] == elements.sum() == 0


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        (Codec.of("zstd"), "decodes zlib, gzip and shuffle, not 'zstd'"),
        (Codec.of("fletcher32"), "not 'fletcher32'"),
        (Codec.of("blosc"), "'blosc' to wrong values"),
        (Codec.of("blosc2"), "'blosc2' to wrong values"),
        (Codec.of("shuffle", elementsize=7), "shuffle of 7 bytes in a chunk of 16"),
        (Codec.of("shuffle", elementsize=None), "element size"),
    ],
)
def test_a_codec_that_the_server_lacks_is_named(codec, words):
    with pytest.raises(BackendRefused, match=words):
        asked_of(batch_of(np.zeros(4, "f4"), "select", codecs=(codec,)), BOUND)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "f2", "?"])
def test_a_dtype_that_the_server_lacks_is_named(dtype):
    with pytest.raises(BackendRefused, match=f"not {np.dtype(dtype).name}"):
        asked_of(batch_of(np.zeros(4, dtype), "select"), BOUND)


def test_a_checksum_behind_the_compressor_is_refused_as_nobody_would_verify_it():
    codecs = (Codec.of("zlib", level=1), Codec.of("crc32c"))
    with pytest.raises(BackendRefused, match="'crc32c' after the compressor"):
        asked_of(batch_of(np.zeros(4, "f4"), "max", codecs=codecs), BOUND)


def test_select_is_never_refused_for_what_is_missing():
    missing = Missing((np.float32("nan"), np.float32(2)), np.float32(0), None)
    partial, _ = ask(
        np.array([1, 2, np.nan, -1], "f4"), "select", axis=(), missing=missing
    )
    assert partial.count.tolist() == [[True, False, False, False]]


def test_absent_objects_are_positions_and_the_others_are_answered():
    elements = np.arange(4, dtype="f4")
    one = batch_of(elements, "max")
    two = ChunkBatch(
        one.layout, np.array(["s3://b/none", "s3://b/k"], object), np.array([0, 0]),
        np.array([16, 16]), one.selection, one.axis, "max",
    )  # fmt: skip
    standin = StandIn(access=None)
    standin.objects["b", "k"] = elements.tobytes()
    conversation = talk(standin, two)
    conversation.target_of = lambda source: SourceObject("http://s3", "b", source[7:])
    partial = conversation.partial()
    assert partial.absent.tolist() == [0]
    assert partial.values[0][1] == 3
