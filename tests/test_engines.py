"""NumPy's way and the compiled way: the same bits, in the order that folding says."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activecore import folding
from activecore.config.settings import load_settings
from activecore.elements import reduce_block
from activecore.engines import choice, fused
from activecore.engines.base import Block
from activecore.engines.blocked import BlockedEngine
from activecore.engines.fused import FusedEngine
from activecore.errors import ConfigError
from activecore.folding import Rows, add_up, innermost
from activecore.model import Missing
from activecore.operations import OPERATION

NUMPY, FUSED = BlockedEngine(), FusedEngine()
OPERATIONS = sorted(OPERATION)
DTYPES = ["?", "i1", "<i2", ">i2", "<u4", ">i8", "<f2", "<f4", ">f4", "<f8", ">f8"]


def shuffled(elements):
    """Each chunk's bytes as the shuffle filter lays them: by the plane."""
    size = elements.dtype.itemsize
    planes = elements.reshape(len(elements), -1, 1).view(np.uint8)
    planes = planes.reshape(len(elements), -1, size).transpose(0, 2, 1)
    return np.ascontiguousarray(planes).reshape(len(elements), -1)


def block_of(elements, *, shuffle):
    raw = np.ascontiguousarray(elements).reshape(len(elements), -1).view(np.uint8)
    if shuffle:
        raw = shuffled(elements)
    return Block(raw, elements.dtype, elements.shape[1:], shuffle)


@st.composite
def questions(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    chunks = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "f":
        # Numbers of all sizes: where the order of adding shows.
        elements = rng.normal(0, 1, (chunks, *shape)) * 10.0 ** rng.integers(
            -3, 4, (chunks, *shape)
        )
        if draw(st.booleans()):
            wild = rng.choice([np.nan, np.inf, -np.inf, 0.0, 7.0], elements.shape)
            elements = np.where(rng.random(elements.shape) < 0.1, wild, elements)
        elements = elements.astype(dtype)
    elif dtype.kind == "b":
        elements = rng.integers(0, 2, (chunks, *shape)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        elements = rng.integers(
            limits.min, limits.max, (chunks, *shape), dtype.newbyteorder("=")
        ).astype(dtype)
        elements[rng.random(elements.shape) < 0.2] = 7
    number = dtype.newbyteorder("=").type
    values = draw(st.sampled_from([(), (7,), (7, 1), (0,)]))
    if dtype.kind == "f" and draw(st.booleans()):
        values = (*values, np.nan)
    bounds = draw(st.sampled_from([(None, None), (1, None), (None, 100), (1, 100)]))
    if dtype.kind == "b":
        bounds = (None, None)
    missing = Missing(
        tuple(number(value) for value in values),
        *(None if bound is None else number(bound) for bound in bounds),
    )
    axis = tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1)))))
    return elements, missing, axis, draw(st.booleans())


def bits(answer):
    values, count = answer
    return [(v.dtype.str, v.shape, v.tobytes()) for v in (*values, count)]


def canonical(answer):
    """Which NaN it is, and the sign of an extreme that is zero, is left open."""
    values, count = answer
    return (
        tuple(
            np.where(v != v, v.dtype.type(np.nan), v) if v.dtype.kind == "f" else v
            for v in values
        ),
        count,
    )


def without_signs_of_zero(answer):
    values, count = canonical(answer)
    return tuple(
        v + v.dtype.type(0) if v.dtype.kind == "f" else v for v in values
    ), count


@pytest.mark.parametrize("lanes", [(4, 2, 8), (64, 16, 128), (1024, 64, 1 << 16)])
@settings(max_examples=150, deadline=None)
@given(questions(), st.sampled_from(OPERATIONS))
def test_compiled_loops_give_the_bits_that_numpy_gives(lanes, question, operation):
    elements, missing, axis, shuffle = question
    block = block_of(elements, shuffle=shuffle and elements.dtype.itemsize > 1)
    axis = () if operation == "select" else axis
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("LANES", "NARROW", "SEGMENT"), lanes, strict=True):
            patch.setattr(folding, name, value)
        by_numpy = reduce_block(NUMPY, block, missing, axis, operation)
        compiled = reduce_block(FUSED, block, missing, axis, operation)
    same = (
        without_signs_of_zero if operation in {"min", "max", "extrema"} else canonical
    )
    assert bits(same(by_numpy)) == bits(same(compiled))


@pytest.mark.parametrize("operation", ["sum", "moments"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
@pytest.mark.parametrize("shape", [(3,), (2, 1023), (3, 4096), (70_001,), (300, 64)])
def test_a_sum_of_negative_zeros_is_one_in_every_engine(shape, dtype, operation):
    block = block_of(np.full((2, *shape), -0.0, dtype), shuffle=False)
    for engine in (NUMPY, FUSED):
        values, _ = reduce_block(engine, block, Missing(), (0,), operation)
        assert np.signbit(values[0]).all()
        assert (values[0] == 0).all()


@pytest.mark.parametrize("engine", [NUMPY, FUSED], ids=["numpy", "fused"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((3, 700, 11), (0, 1, 2)),
        ((3, 700, 11), (1,)),
        ((5, 70_001), (0,)),
        ((200_000,), (0,)),
        ((2, 3, 40_000), (0, 2)),
        ((40, 5, 900), (1, 2)),
        ((70_000, 2), (0,)),
        ((3, 2500), (1,)),
        ((655, 100), (0,)),  # fits in a tile, but not in a segment
    ],
)
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_a_sum_is_added_in_the_order_that_is_written_down(engine, shape, axis, dtype):
    rng = np.random.default_rng(0)
    elements = (rng.normal(0, 1, shape) * 10.0 ** rng.integers(-8, 8, shape)).astype(
        dtype
    )
    block = block_of(elements[np.newaxis], shuffle=True)
    (total,), _ = reduce_block(engine, block, Missing(), axis, "sum")
    expected = elements.astype("f8")
    for group in groups_of(shape, axis):
        expected = added_one_by_one(expected, group)
    assert total[0].tobytes() == expected.tobytes()


def groups_of(shape, axis):
    """Neighbouring axes, innermost first."""
    groups = []
    for number in reversed(axis):
        if groups and groups[-1][0] == number + 1:
            groups[-1].insert(0, number)
        else:
            groups.append([number])
    return groups


def added_one_by_one(values, group):
    """The documentation of ``folding`` put into the plainest loops there are."""
    shape = values.shape
    many = math.prod(shape[: group[0]])
    rows = math.prod(shape[number] for number in group)
    kept = math.prod(shape[group[-1] + 1 :])
    cube = values.reshape(many, rows, kept)
    lanes = max(1, min(rows, 1024 // kept))
    segment = lanes * max(1, 65536 // (lanes * kept))
    narrow = max(1, min(lanes, 64 // kept))
    out = np.empty((many, kept))
    for number in range(many):
        total = None
        for start in range(0, rows, segment):
            held = side_by_side(cube[number, start : start + segment], lanes)
            total = held if total is None else plus(total, held)
        held = side_by_side(np.array(total), narrow)
        while len(held) > 1:
            half = 2 ** (math.ceil(math.log2(len(held))) - 1)
            held = plus(held[:half], held[half:])
        out[number] = held[0]
    return out.reshape([1 if a in group else n for a, n in enumerate(shape)])


def side_by_side(rows, lanes):
    held = [rows[n].copy() for n in range(min(lanes, len(rows)))]
    for number in range(lanes, len(rows)):
        held[number % lanes] += rows[number]
    return held


def plus(left, right):
    """Row by row; the left has as many or more."""
    return [one + right[n] if n < len(right) else one for n, one in enumerate(left)]


def test_pieces_and_neighbours_change_no_bit():
    # Chunks are reduced together where they are small, alone where they are large.
    rng = np.random.default_rng(3)
    elements = rng.normal(0, 1e3, (6, 40, 50)).astype("f4")
    together = block_of(elements, shuffle=False)
    for engine in (NUMPY, FUSED):
        (sums,), _ = reduce_block(engine, together, Missing(), (0, 1), "sum")
        alone = [
            reduce_block(
                engine,
                block_of(elements[n : n + 1], shuffle=True),
                Missing(),
                (0, 1),
                "sum",
            )[0][0]
            for n in range(6)
        ]
        assert sums.tobytes() == np.concatenate(alone).tobytes()


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.sets(st.integers(0, 4)),
)
def test_adding_up_along_any_axes_is_numpys_sum(shape, axes):
    axes = tuple(sorted(a for a in axes if a < len(shape)))
    values = np.arange(math.prod(shape), dtype="f8").reshape(shape)
    np.testing.assert_array_equal(
        add_up(values, axes), values.sum(axis=axes, keepdims=True)
    )


def test_axes_of_length_one_hide_no_neighbours():
    rows, group = innermost((4, 6, 1, 7, 1), (1, 2, 3))
    assert rows == Rows(4, 42, 1)
    assert group == (1, 2, 3)
    rows, group = innermost((4, 6, 7), ())
    assert rows.rows == 1
    assert group == ()


def test_a_rule_that_the_loops_cannot_hold_is_left_to_numpy():
    elements = np.array([[1, 44, 3]], "i1")
    missing = Missing((300, 44))
    block = block_of(elements, shuffle=False)
    values, count = reduce_block(FUSED, block, missing, (0,), "sum")
    assert values[0].item() == 4
    assert count.item() == 2


def test_chunks_at_odd_addresses_of_read_only_memory_are_reduced():
    memory = bytes(3) + np.arange(5.0, dtype="f8").tobytes()
    raw = np.frombuffer(memory, np.uint8)[3:].reshape(1, -1)
    block = Block(raw, np.dtype("f8"), (5,))
    assert not raw.flags.writeable
    for engine in (NUMPY, FUSED):
        (total,), _ = reduce_block(engine, block, Missing(), (0,), "sum")
        assert total.item() == 10


def dtype_and_bytes(nbytes):
    return np.dtype("f4"), "sum", nbytes


def test_numpy_begins_and_loops_take_over_when_they_are_worth_it():
    chosen = choice.Choice(worth=1000)
    kinds = [type(chosen.engine(*dtype_and_bytes(400))) for _ in range(5)]
    assert kinds == [BlockedEngine] * 3 + [FusedEngine] * 2
    # What was not reduced yet has to earn its loops anew.
    assert type(chosen.engine(np.dtype("f4"), "moments", 400)) is BlockedEngine


def test_while_one_thread_prepares_loops_the_others_go_on(monkeypatch):
    chosen = choice.Choice(worth=1)
    entered, leave = threading.Event(), threading.Event()

    def slow(*_):
        entered.set()
        assert leave.wait(10)
        return (), np.zeros(1)

    monkeypatch.setattr(choice, "reduce_block", slow)
    chosen.engine(*dtype_and_bytes(1))
    first = threading.Thread(target=lambda: chosen.engine(*dtype_and_bytes(1)))
    first.start()
    assert entered.wait(10)
    assert type(chosen.engine(*dtype_and_bytes(1))) is BlockedEngine
    leave.set()
    first.join()
    assert type(chosen.engine(*dtype_and_bytes(1))) is FusedEngine


def test_loops_that_fail_leave_everything_to_numpy(monkeypatch, caplog):
    def refuse(self):
        raise ImportError("Numba needs NumPy 1.0 or less")

    monkeypatch.setattr(fused.FusedEngine, "__init__", refuse)
    chosen = choice.Choice(worth=0)
    with caplog.at_level(logging.WARNING):
        assert type(chosen.engine(*dtype_and_bytes(1))) is BlockedEngine
        assert type(chosen.engine(*dtype_and_bytes(1))) is BlockedEngine
    assert len(caplog.records) == 1


PROBE = """
import sys
{before}
import numpy as np
from activecore.engines.choice import engine_for
from activecore.engines.base import Block
from activecore.elements import reduce_block
from activecore.model import Missing
engine = engine_for(np.dtype("f4"), "sum", 1 << 20)
block = Block(np.arange(8, dtype="f4").view("u1").reshape(1, 32), np.dtype("f4"), (8,))
print(reduce_block(engine, block, Missing(), (0,), "sum")[0][0].item(),
      type(engine).__name__, "numba" in sys.modules)
"""


def probe(setting=None, before="", **environment):
    environment = {**os.environ, **environment}
    environment.pop(choice.VARIABLE, None)
    if setting is not None:
        environment[choice.VARIABLE] = setting
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(before=before)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.split() or run.stderr


def test_a_small_reduction_imports_no_compiler():
    assert probe() == ["28.0", "BlockedEngine", "False"]


def test_the_environment_settles_it():
    assert probe("numpy") == ["28.0", "BlockedEngine", "False"]
    assert probe("fused") == ["28.0", "FusedEngine", "True"]
    assert "ACTIVECORE_ENGINE is auto, numpy or fused, not 'fast'" in probe("fast")


def test_the_variable_is_no_unknown_setting(monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, "numpy")
    assert load_settings() is not None


def test_without_numba_there_is_numpy():
    assert probe("fused", "sys.modules['numba'] = None")[1] == "BlockedEngine"


def test_loops_need_no_place_for_their_cache(tmp_path):
    # As in a read-only installation whose user has no home.
    nowhere = (
        "from numba.core import caching; "
        "caching.CacheImpl._locator_classes = []; "
        "caching.CompileResultCacheImpl._locator_classes = []"
    )
    assert probe("fused", nowhere)[:2] == ["28.0", "FusedEngine"]
    # And where the place that was named cannot be written to.
    file = tmp_path / "file"
    file.touch()
    answer = probe("fused", NUMBA_CACHE_DIR=str(file / "below"))
    assert answer[:2] == ["28.0", "FusedEngine"]


def test_the_variable_is_checked_by_name(monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, "Fused")
    with pytest.raises(ConfigError, match="'Fused'"):
        choice._choice_of_environment()
