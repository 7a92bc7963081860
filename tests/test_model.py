"""The data classes: checked once at construction, equal by content, picklable."""

from __future__ import annotations

import pickle

import numcodecs
import numpy as np
import pytest

from activecore.errors import UnsupportedCodec
from activecore.model import (
    OPERATIONS,
    ChunkBatch,
    ChunkLayout,
    ChunkRequest,
    Codec,
    Cost,
    Missing,
    Packing,
    Partial,
    source_version,
)
from activecore.operations import OPERATION

LAYOUT = ChunkLayout("<f4", (4, 6), "F", (Codec.of("zlib", level=1),), Missing((0,)))
WHOLE = (slice(0, 4, 1), slice(0, 6, 1))


def request(**changed):
    given = {
        "layout": LAYOUT,
        "source": "a",
        "offset": 3,
        "size": 9,
        "chunk_selection": WHOLE,
        "axis": (0,),
        "operation": "sum",
    }
    return ChunkRequest(**{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"chunk_selection": WHOLE[:1]}, "a selection needs 2 items, got 1"),
        ({"chunk_selection": (slice(0, 5, 1), WHOLE[1])}, "not normal"),
        ({"chunk_selection": (slice(-1, 2, 1), WHOLE[1])}, "not normal"),
        ({"chunk_selection": (slice(3, 0, -1), WHOLE[1])}, "not normal"),
        ({"chunk_selection": (slice(None), WHOLE[1])}, "not normal"),
        ({"chunk_selection": ((2, 1), WHOLE[1])}, "must ascend"),
        ({"chunk_selection": ((-1, 1), WHOLE[1])}, "must ascend"),
        ({"chunk_selection": ((1, 4), WHOLE[1])}, "must ascend"),
        ({"axis": (1, 0)}, "must be sorted"),
        ({"axis": (0, 0)}, "must be sorted, unique"),
        ({"axis": (-1,)}, "within 2 axes"),
        ({"axis": (2,)}, "within 2 axes"),
        ({"operation": "median"}, "unknown operation 'median'"),
    ],
)
def test_a_question_that_does_not_fit_the_chunk_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        request(**changed)


def test_positions_may_repeat_and_parts_may_be_empty():
    asked = request(chunk_selection=((1, 1, 3), slice(2, 2, 1)))
    batch = ChunkBatch.of(asked)
    assert batch.selected_shape == (3, 0)
    assert batch.reduced_shape == (1, 0)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ChunkLayout("f4", (2, -1)), ValueError, "must not be negative"),
        (lambda: ChunkLayout("f4", (2, 2), (0, 0)), ValueError, "or permute 2 axes"),
        (lambda: ChunkLayout("f4", (2, 2), "A"), ValueError, "'C', 'F' or permute"),
        (lambda: Missing(("a",)), TypeError, "a missing rule must be a number"),
        (lambda: Missing((np.str_("a"),)), TypeError, "must be a number"),
        (lambda: Missing((None,)), TypeError, "must be a number"),
        (lambda: Missing(valid_max=np.datetime64("2000")), TypeError, "a number"),
        (lambda: ChunkBatch(LAYOUT, ["a"], [0, 1], [1], WHOLE, (), "sum"),
         ValueError, "the columns of a batch must have one length"),
    ],
)  # fmt: skip
def test_nothing_malformed_is_constructed(make, kind, message):
    with pytest.raises(kind, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_frozen_means_frozen():
    for thing, name in [(LAYOUT, "dtype"), (request(), "axis"), (Missing(), "values")]:
        with pytest.raises(AttributeError):
            setattr(thing, name, None)


@pytest.mark.parametrize("fill", [None, 0, False, np.float32("nan"), np.float32(-1)])
def test_layouts_that_say_the_same_are_equal_and_hash_alike(fill):
    missing = Missing((np.float32("nan"), 0), valid_min=np.float32(-2))
    layout = ChunkLayout(">f4", (4, 6), "F", (Codec.of("zlib"),), missing, fill)
    again = pickle.loads(pickle.dumps(layout))
    assert again == layout
    assert hash(again) == hash(layout)
    assert again != ChunkLayout("<f4", (4, 6), "F", layout.codecs, missing, fill)
    assert again != "a layout"


def test_rules_differ_where_they_mean_something_else():
    assert Missing((0,)) != Missing((False,))
    assert Missing((np.int16(3),)) != Missing((np.int32(3),))
    assert Missing((np.nan,)) == Missing((float("nan"),))
    assert Missing(valid_min=0) != Missing(valid_max=0)
    assert Missing([1, 2]) == Missing((1, 2))


def test_a_rule_of_zero_or_false_is_a_rule():
    assert not Missing()
    for rule in (Missing((0,)), Missing(valid_min=0), Missing(valid_max=np.False_)):
        assert rule


def test_a_value_that_is_there_is_not_added_again():
    nan = Missing((np.float32("nan"),))
    assert nan.with_value(np.float32("nan")) is nan
    assert nan.masks_nan
    assert len(nan.with_value(np.float32(0)).values) == 2


def test_order_is_a_permutation_that_c_and_f_name():
    assert ChunkLayout("f4", (2, 3, 4)).order == (0, 1, 2)
    fortran = ChunkLayout("f4", (2, 3, 4), "F")
    assert fortran.order == (2, 1, 0)
    assert fortran.stored_shape == (4, 3, 2)
    assert not fortran.is_c_order
    assert ChunkLayout("f4", (2, 3, 4), (1, 0, 2)).stored_shape == (3, 2, 4)
    assert fortran.nbytes == 96
    assert ChunkLayout("f8", ()).nbytes == 8


@pytest.mark.parametrize(
    ("codecs", "compression", "filters"),
    [
        ((), None, None),
        ((Codec.of("zlib", level=4),), numcodecs.Zlib(4), None),
        (
            (Codec.of("shuffle", elementsize=4), Codec.of("zlib", level=4)),
            numcodecs.Zlib(4),
            [numcodecs.Shuffle(4)],
        ),
        ((Codec.of("shuffle", elementsize=4),), None, [numcodecs.Shuffle(4)]),
        (
            (Codec.of("zstd", level=1), Codec.of("crc32c")),
            None,
            [numcodecs.Zstd(1), numcodecs.get_codec({"id": "crc32c"})],
        ),
    ],
)
def test_compressor_and_filters_are_derived_for_clients_that_know_them(
    codecs, compression, filters
):
    asked = request(layout=ChunkLayout("f4", (4, 6), codecs=codecs))
    assert asked.compression == compression
    assert asked.filters == filters


@pytest.mark.parametrize(
    "codec", [Codec.of("hdf5:32008"), Codec.of("zlib", depth=3)], ids=str
)
def test_a_codec_that_numcodecs_lacks_is_an_error_that_names_it(codec):
    layout = ChunkLayout("f4", (4, 6), codecs=(codec,))
    with pytest.raises(UnsupportedCodec, match=f"^[^\n]*{codec}[^\n]*$"):
        layout.compression  # noqa: B018 - the look-up is the test


def test_a_batch_of_a_request_gives_the_request_back():
    asked = request(version="v1")
    batch = ChunkBatch.of(asked)
    assert len(batch) == 1
    assert batch[0] == asked
    assert pickle.loads(pickle.dumps(batch))[0] == asked
    assert (batch.dtype, batch.shape, batch.order) == ("<f4", (4, 6), (1, 0))
    assert (asked.codecs, asked.missing) == (LAYOUT.codecs, LAYOUT.missing)


def test_asking_for_the_elements_reduces_nothing():
    batch = ChunkBatch.of(request())
    assert batch.asking("select").axis == ()
    assert batch.asking("max").axis == (0,)
    assert batch.asking("select").version == batch.version


def test_costs_add_up():
    assert Cost(1, 2, 3, 4) + Cost(10, 20, 30, 40) == Cost(11, 22, 33, 44)
    assert Partial((), np.zeros(1)).cost == Cost()
    assert len(Partial((), np.zeros(1)).absent) == 0


def test_every_operation_has_a_row():
    assert set(OPERATION) == OPERATIONS


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(np.float32(0.1), np.float32(3)), (0.1, None), (None, 7), (2, 1), (None, None)],
)
def test_unpacking_is_numpys_own_arithmetic(scale, offset):
    stored = np.arange(-3, 4, dtype="i2")
    expected = stored if scale is None else stored * scale
    expected = expected if offset is None else expected + offset
    packing = Packing(scale, offset, np.dtype("i2"))
    unpacked = packing.unpack(stored)
    assert unpacked.dtype == packing.dtype == expected.dtype
    np.testing.assert_array_equal(unpacked, expected)
    assert Packing(scale, offset, np.dtype("i2"), np.dtype("f4")).dtype == np.float32


def test_a_version_tells_contents_apart_or_is_none():
    file = {"ino": 1, "size": 2, "mtime": 3.5}
    assert source_version({"ETag": '"abc"', **file}) == '"abc"'
    versions = [
        source_version(file),
        *(source_version({**file, key: 9}) for key in file),
    ]
    assert len(set(versions)) == 4
    assert source_version({"size": 2}) is None
    assert source_version({"mtime": 3.5}) is None


def test_partials_of_parts_join_to_the_partial_of_the_whole():
    one = Partial(
        (np.array([[1.0], [2.0]]),),
        np.array([[3], [3]]),
        absent=np.array([1]),
        cost=Cost(requests=1, bytes_read=8),
    )
    two = Partial(
        (np.array([[4.0, 5.0]]),),
        np.array([[2, 1]]),
        absent=np.array([0]),
        cost=Cost(requests=2, bytes_read=4),
    )
    wide = Partial(
        (np.array([[1.0, 1.5], [2.0, 2.5]]),), one.count, one.absent, one.cost
    )
    both = Partial.joined([wide, two])
    np.testing.assert_array_equal(both.values[0], [[1, 1.5], [2, 2.5], [4, 5]])
    # A count that was the same for all is now one for each value.
    np.testing.assert_array_equal(both.count, [[3, 3], [3, 3], [2, 1]])
    assert both.absent.tolist() == [1, 2]
    assert both.cost == Cost(requests=3, bytes_read=12)
    assert Partial.joined([one]) is one
    assert Partial.joined(
        [Partial((), np.array([[1]])), Partial((), np.array([[2]]))]
    ).count.tolist() == [[1], [2]]
