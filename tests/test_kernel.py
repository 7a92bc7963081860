"""Bytes to partials against NumPy: layouts, absent chunks, limits, blocks and pieces."""

from __future__ import annotations

import math
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activecore import folding, kernel
from activecore.cancel import cancellable
from activecore.engines import blocked
from activecore.engines.blocked import BlockedEngine
from activecore.engines.fused import FusedEngine
from activecore.errors import Cancelled, ChunkDecodeError, ChunkReadError
from activecore.kernel import reduce_buffers, undecodable
from activecore.model import ChunkBatch, ChunkLayout, Codec, Cost, Missing

DTYPES = ["?", "i1", ">i2", "u4", "i8", "f2", "<f4", ">f8"]
REDUCING = ["count", "sum", "sum_f8", "min", "max", "extrema", "moments", "nonzero"]


@pytest.fixture(scope="module", params=[BlockedEngine, FusedEngine], autouse=True)
def engine(request):
    """Every test of this file holds for both ways to compute."""
    chosen = request.param()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "engine_for", lambda *_: chosen)
        yield chosen


def encoded(layout, block):
    """One chunk as stored: in its order, and deflated if the layout says so."""
    raw = np.ascontiguousarray(block.transpose(layout.order)).tobytes()
    return zlib.compress(raw, 1) if layout.codecs else raw


def batch_of(layout, buffers, selection=None, axis=(), operation="select"):
    if selection is None:
        selection = tuple(slice(0, length, 1) for length in layout.shape)
    return ChunkBatch(
        layout=layout,
        sources=[f"c{i}" for i in range(len(buffers))],
        offsets=np.zeros(len(buffers)),
        sizes=[-1 if b is None else len(b) for b in buffers],
        selection=selection,
        axis=axis,
        operation=operation,
    )


@st.composite
def selections(draw, length):
    if draw(st.booleans()):
        start = draw(st.integers(0, length))
        return slice(start, draw(st.integers(start, length)), draw(st.integers(1, 3)))
    positions = draw(st.lists(st.integers(0, length - 1), max_size=5))
    return tuple(sorted(positions))


@st.composite
def cases(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 6), max_size=3)))
    order = draw(st.permutations(range(len(shape))))
    codecs = draw(st.sampled_from([(), (Codec.of("zlib", level=1),)]))
    number = dtype.newbyteorder("=").type
    missing = Missing(
        draw(st.sampled_from([(), (number(1),), (number(0), number(3))])),
        valid_max=None
        if dtype.kind == "b"
        else draw(st.sampled_from([None, number(6)])),
    )
    layout = ChunkLayout(dtype, shape, order, codecs, missing)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = 2 if dtype.kind == "b" else 9
    blocks = rng.integers(0, most, (draw(st.integers(1, 7)), *shape)).astype(dtype)
    if dtype.kind == "f":
        blocks[rng.random(blocks.shape) < 0.1] = np.nan
    selection = tuple(draw(selections(length)) for length in shape)
    axis = tuple(
        sorted(
            draw(
                st.sets(st.sampled_from(range(len(shape)))) if shape else st.just(set())
            )
        )
    )
    absent = draw(st.sets(st.integers(0, len(blocks) - 1)))
    return layout, blocks, selection, axis, absent


def part(block, selection):
    for axis, item in enumerate(selection):
        index = item if isinstance(item, slice) else np.array(item, dtype=int)
        block = block[(slice(None),) * axis + (index,)]
    return block


def by_numpy(operation, values, mask, axis):
    """NumPy's answer in 64 bits, axes kept; numpy.ma makes NaN masked in some."""
    kind = values.dtype.kind
    wide = values.astype({"b": "i8", "i": "i8", "u": "u8", "f": "f8"}[kind])
    floats = values.astype("f8")
    top, bottom = (
        (np.inf, -np.inf) if kind == "f" else (2**62, -(2**62) * (kind != "u"))
    )
    along = {"axis": axis, "keepdims": True}

    def kept(array, instead=0):
        return np.where(mask, array.dtype.type(instead), array)

    count = np.maximum((~mask).sum(**along), 1)
    mean = kept(floats).sum(**along) / count
    low = kept(wide, top).min(**along, initial=top)
    high = kept(wide, bottom).max(**along, initial=bottom)
    return {
        "count": (),
        "sum": (kept(wide).sum(**along),),
        "sum_f8": (kept(floats).sum(**along),),
        "min": (low,),
        "max": (high,),
        "extrema": (low, high),
        "moments": (mean, kept(np.square(floats - mean)).sum(**along)),
        "nonzero": (kept(wide != 0, instead=False).sum(**along),),
    }[operation]


def rules_of(layout, values):
    mask = np.isin(values, [np.asarray(v) for v in layout.missing.values])
    if layout.missing.valid_max is not None:
        mask |= values > layout.missing.valid_max
    return mask


def assert_like_numpy(case, operation):
    layout, stacked, selection, axis, absent = case
    # [i, ...] and not [i]: a scalar taken out would lose its byte order.
    blocks = [stacked[i, ...] for i in range(len(stacked))]
    buffers = [
        None if i in absent else encoded(layout, block)
        for i, block in enumerate(blocks)
    ]
    reduced_axis = () if operation == "select" else axis
    batch = batch_of(layout, buffers, selection, reduced_axis, operation)
    partial = reduce_buffers(batch, buffers)
    shape = (len(blocks), *batch.reduced_shape)
    count = np.broadcast_to(partial.count, shape)
    np.testing.assert_array_equal(partial.absent, sorted(absent))
    assert partial.cost.requests == len(blocks) - len(absent)
    assert partial.cost.bytes_read == sum(len(b) for b in buffers if b is not None)
    for value in partial.values:
        assert value.shape == shape
        assert value.dtype.isnative
    for i, block in enumerate(blocks):
        if i in absent:
            continue
        wanted = part(block, selection)
        mask = rules_of(layout, wanted)
        if operation == "select":
            np.testing.assert_array_equal(partial.values[0][i], wanted)
            np.testing.assert_array_equal(count[i], ~mask)
            continue
        behind = (~mask).sum(axis=axis, keepdims=True)
        np.testing.assert_array_equal(count[i], behind)
        for value, expected in zip(
            partial.values,
            by_numpy(operation, wanted, mask, axis),
            strict=True,
        ):
            some = behind > 0
            np.testing.assert_allclose(
                value[i].astype("f8")[some],
                expected.astype("f8")[some],
                rtol=1e-12,
                atol=1e-9,
            )


@settings(max_examples=250, deadline=None)
@given(cases(), st.sampled_from([*REDUCING, "select"]))
def test_partials_are_what_numpy_gives_for_each_chunk(case, operation):
    assert_like_numpy(case, operation)


@settings(max_examples=250, deadline=None)
@given(cases(), st.sampled_from([*REDUCING, "select"]), st.sampled_from([16, 64, 200]))
def test_blocks_and_pieces_of_any_size_give_the_same(case, operation, block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "BLOCK_BYTES", block_bytes)
        patch.setattr(blocked, "TILE", block_bytes // 4)
        patch.setattr(folding, "SEGMENT", block_bytes // 4)
        patch.setattr(folding, "LANES", block_bytes // 8)
        assert_like_numpy(case, operation)


@pytest.mark.parametrize("operation", REDUCING)
@pytest.mark.parametrize("axis", [(0,), (1,), (0, 1), (1, 2), (0, 1, 2), ()])
def test_a_large_chunk_is_cut_into_pieces_along_any_axis(operation, axis):
    rng = np.random.default_rng(4)
    block = rng.integers(-40, 40, (50, 31, 87)).astype("f8")
    layout = ChunkLayout("f8", block.shape, missing=Missing((np.float64(7),)))
    whole = tuple(slice(0, length, 1) for length in block.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocked, "TILE", 1 << 13)
        patch.setattr(folding, "SEGMENT", 1 << 13)
        assert_like_numpy((layout, block[np.newaxis], whole, axis, set()), operation)


def test_an_absent_chunk_has_the_identity_and_no_count():
    layout = ChunkLayout("i2", (4,))
    buffers = [None, np.arange(4, dtype="i2").tobytes(), None]
    partial = reduce_buffers(
        batch_of(layout, buffers, axis=(0,), operation="max"), buffers
    )
    assert partial.count.ravel().tolist() == [0, 4, 0]
    assert partial.absent.tolist() == [0, 2]
    assert partial.values[0].ravel().tolist() == [-(2**15), 3, -(2**15)]
    nobody = reduce_buffers(
        batch_of(layout, [None], axis=(0,), operation="max"), [None]
    )
    assert nobody.cost == Cost()


def test_no_chunks_at_all_give_empty_columns():
    layout = ChunkLayout("f4", (4, 2))
    partial = reduce_buffers(batch_of(layout, [], axis=(0,), operation="moments"), [])
    assert [value.shape for value in partial.values] == [(0, 1, 2)] * 2
    assert partial.count.shape == (0, 1, 2)


def test_what_it_cost_can_be_told():
    layout, data = ChunkLayout("f4", (1,)), bytes(4)
    cost = Cost(7, 8, 9, 1)
    assert reduce_buffers(batch_of(layout, [data]), [data], cost=cost).cost == cost


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer])
def test_any_buffer_will_do_and_is_neither_written_nor_kept(kind):
    stored = np.arange(6, dtype="f4")
    data = stored.tobytes()
    buffer = kind(data, np.uint8) if kind is np.frombuffer else kind(data)
    partial = reduce_buffers(batch_of(ChunkLayout("f4", (6,)), [data]), [buffer])
    np.testing.assert_array_equal(partial.values[0][0], stored)
    assert not np.shares_memory(partial.values[0], np.frombuffer(buffer, np.uint8))
    assert bytes(buffer) == data


def test_a_buffer_of_another_length_is_a_read_error_that_says_which():
    layout, data = ChunkLayout("f4", (2,)), bytes(8)
    batch = batch_of(layout, [data, data])
    with pytest.raises(ChunkReadError, match="6 bytes came where 8 were") as caught:
        reduce_buffers(batch, [data, data[:6]])
    assert caught.value.position == 1
    with pytest.raises(ValueError, match="1 buffers for a batch of 2 chunks"):
        reduce_buffers(batch, [data])


@pytest.mark.parametrize("codecs", [(), (Codec.of("zlib", level=1),)])
@pytest.mark.parametrize("length", [4, 12])
def test_more_or_fewer_elements_than_the_shape_are_a_decode_error(codecs, length):
    layout = ChunkLayout("f4", (2,), codecs=codecs)
    right, wrong = (
        zlib.compress(bytes(n)) if codecs else bytes(n) for n in (8, length)
    )
    with pytest.raises(ChunkDecodeError) as caught:
        reduce_buffers(batch_of(layout, [right, right, wrong]), [right, right, wrong])
    assert caught.value.position == 2


def test_a_chunk_over_the_limit_is_refused_before_memory_is_taken():
    layout = ChunkLayout("f8", (1 << 20, 1 << 20), codecs=(Codec.of("zlib"),))
    data = zlib.compress(b"small")
    with pytest.raises(ChunkDecodeError, match="over the limit"):
        reduce_buffers(batch_of(layout, [data]), [data])
    small = ChunkLayout("f8", (4,))
    with pytest.raises(
        ChunkDecodeError, match="32 bytes decoded is over the limit of 31"
    ):
        reduce_buffers(batch_of(small, [bytes(32)]), [bytes(32)], limit=31)
    assert reduce_buffers(batch_of(small, [bytes(32)]), [bytes(32)], limit=32)


def test_a_cancelled_run_stops_between_blocks():
    layout, data = ChunkLayout("f4", (2,)), bytes(8)
    stop = threading.Event()
    stop.set()
    with cancellable(stop), pytest.raises(Cancelled):
        reduce_buffers(batch_of(layout, [data]), [data])


def test_what_cannot_be_decoded_is_named_beforehand():
    assert undecodable(ChunkLayout("f4", (2,), codecs=(Codec.of("zlib"),))) is None
    reason = undecodable(ChunkLayout("f4", (2,), codecs=(Codec.of("hdf5:65000"),)))
    assert "65000" in reason


def test_threads_share_no_memory():
    # Each thread decodes into a block of its own; an answer outlives its block.
    layout = ChunkLayout("i4", (64,), codecs=(Codec.of("zlib", level=1),))
    wrong = []

    def work(number):
        for turn in range(40):
            rows = np.full((5, 64), 1000 * number + turn, "i4")
            buffers = [zlib.compress(row.tobytes(), 1) for row in rows]
            first = reduce_buffers(batch_of(layout, buffers), buffers)
            others = [zlib.compress(bytes(256), 1)] * 5
            reduce_buffers(batch_of(layout, others), others)
            if not (first.values[0] == rows).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_sum_of_a_huge_chunk_loses_no_digits_to_pieces():
    values = np.full(1 << 18, 0.1)
    layout = ChunkLayout("f8", values.shape)
    data = values.tobytes()
    batch = batch_of(layout, [data], axis=(0,), operation="sum")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "SEGMENT", 1 << 11)
        (total,) = reduce_buffers(batch, [data]).values
    assert float(total[0, 0]) == pytest.approx(math.fsum(values), rel=1e-14)
