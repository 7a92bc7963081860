"""Grouped reductions against NumPy, group by group, and what they read."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import agree, oracle
from strategies import keys, orthogonal

import activecore as ac
from activecore.errors import SelectionError
from activecore.reductions import REDUCTION
from activecore.session import Session
from activecore.testing.fake import FakeBackend, FakeServer

SHAPE = (23, 5, 7)
FILL = -99


def write(path, chunks, *, packed=False, values=None):
    rng = np.random.default_rng(3)
    if values is None:
        values = rng.integers(-90, 90, SHAPE).astype("i2")
        values[rng.random(SHAPE) < 0.2] = FILL
        values[4] = FILL
    with netCDF4.Dataset(path, "w") as ds:
        for name, size in zip("tyx", values.shape, strict=True):
            ds.createDimension(name, size)
        how = {"contiguous": True} if chunks is None else {"chunksizes": chunks}
        v = ds.createVariable(
            "v", values.dtype, ("t", "y", "x"), fill_value=FILL, **how
        )
        v.set_auto_maskandscale(False)
        v[:] = values
        if packed:
            v.scale_factor, v.add_offset = -0.5, 10.0
    return path


def expected_of(reduction, data, axes, grouped, labels, groups, ddof=0):
    """NumPy's answer for each group, side by side along the grouped axis."""
    values, valid = [], []
    for group in groups:
        where = (slice(None),) * grouped + (np.flatnonzero(labels == group),)
        part = data[where]
        answer = oracle(
            reduction,
            np.asarray(part.data),
            np.ma.getmaskarray(part),
            tuple(sorted({*axes, grouped})),
            ddof,
        )
        values.append(answer[0])
        valid.append(np.broadcast_to(answer[1], answer[0].shape))
    values, valid = np.concatenate(values, grouped), np.concatenate(valid, grouped)
    gone = tuple(axis for axis in axes if axis != grouped)
    return np.squeeze(values, gone), np.squeeze(valid, gone)


@pytest.mark.parametrize("reduction", sorted(REDUCTION))
@pytest.mark.parametrize("chunks", [None, (1, 5, 7), (4, 2, 7), (23, 5, 3), (6, 5, 1)])
@pytest.mark.parametrize("axes", [(), (1,), (1, 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_reduction_of_every_chunking_by_interleaved_groups(
    tmp_path, reduction, chunks, axes, packed
):
    path = write(tmp_path / "v.nc", chunks, packed=packed)
    labels = np.arange(23) % 4
    with netCDF4.Dataset(path) as ds:
        data = ds["v"][:]
    grouped = ac.open(path, "v").groupby("t", labels)
    answer = grouped.reduce(reduction, axes)
    agree(answer, *expected_of(reduction, data, axes, 0, labels, range(4)))


@pytest.mark.parametrize("chunks", [(1, 5, 7), (4, 2, 7), (23, 5, 3), None])
@pytest.mark.parametrize("by", ["runs", "interleaved", "one each", "one group"])
@pytest.mark.parametrize("axes", [None, ("y", "x")])
def test_each_chunk_is_read_once_however_the_groups_lie(tmp_path, chunks, by, axes):
    path = write(tmp_path / "v.nc", chunks)
    labels = {
        "runs": np.arange(23) // 6,
        "interleaved": np.arange(23) % 6,
        "one each": np.arange(23),
        "one group": np.zeros(23),
    }[by]
    backend = FakeBackend(objects={str(path): path.read_bytes()})
    info = ac.open(path, "v").info
    array = ac.ActiveArray(info, Session([backend], LocalFileSystem()))
    array.sum()
    whole = sorted((read.offset, read.size) for read in backend.reads)
    backend.reads.clear()
    array.groupby("t", labels).sum(axes)
    assert len(set(whole)) == len(whole) > 0
    assert sorted((read.offset, read.size) for read in backend.reads) == whole


def test_chunks_of_one_group_are_reduced_where_they_lie(tmp_path):
    path = write(tmp_path / "v.nc", (4, 5, 7))
    asked = ac.open(path, "v").groupby("t", np.arange(23) // 4).explain("sum")
    # Six chunks, each of which sends a sum and a count for each of 35 places back.
    assert asked.bytes_returned == 6 * 35 * 16
    assert asked.operation == "sum"


def test_chunks_of_several_groups_send_their_elements_where_that_is_less(tmp_path):
    path = write(tmp_path / "v.nc", (23, 5, 7))
    array = ac.open(path, "v").groupby("t", np.arange(23) % 3)
    assert array.explain("sum").bytes_returned == 23 * 35 * 3
    assert array.explain("sum", ("y", "x")).bytes_returned == 23 * 16


@pytest.mark.parametrize("chunks", [(4, 2, 7), (1, 5, 7), (2, 3, 3), None])
def test_weights_along_the_grouped_dimension_and_others(tmp_path, chunks):
    path = write(tmp_path / "v.nc", chunks)
    with netCDF4.Dataset(path) as ds:
        data = ds["v"][:]
    labels, days, lat = (
        np.arange(23) // 2 % 3,
        np.linspace(1, 2, 23),
        np.linspace(0, 1, 5),
    )
    array = ac.open(path, "v").groupby("t", labels)
    for weights in ({"t": days}, {"y": lat}, {"t": days, "y": lat}):
        answer = array.mean("y", weights=weights)
        every = np.ones((23, 5, 1))
        if "t" in weights:
            every = every * days[:, None, None]
        if "y" in weights:
            every = every * lat[:, None]
        for group in range(3):
            part = labels == group
            expected = np.ma.average(
                data[part].reshape(-1, 7),
                axis=0,
                weights=np.broadcast_to(every[part], data[part].shape).reshape(-1, 7),
            )
            np.testing.assert_allclose(answer[group], expected, rtol=1e-12)


def test_positions_without_a_label_belong_nowhere_and_are_not_read(tmp_path):
    path = write(tmp_path / "v.nc", (1, 5, 7))
    labels = np.where(np.arange(23) < 20, np.nan, 1.0)
    array = ac.open(path, "v").groupby("t", labels)
    assert array.groups.tolist() == [1.0]
    with ac.record() as run:
        answer = array.max()
    assert run.chunks == 3
    with netCDF4.Dataset(path) as ds:
        np.testing.assert_array_equal(answer[0], ds["v"][20:].max(axis=0))
        weights = np.arange(23.0)
        np.testing.assert_allclose(
            array.mean(("y", "x"), weights={"t": weights})[0],
            np.ma.average(
                ds["v"][20:],
                weights=np.broadcast_to(weights[20:, None, None], (3, 5, 7)),
            ),
        )


def test_groups_that_never_occur_are_masked_and_counted_as_nothing(tmp_path):
    array = ac.open(write(tmp_path / "v.nc", (4, 5, 7)), "v")
    grouped = array.groupby("t", ["a"] * 11 + ["b"] * 12, groups=["z", "b"])
    assert grouped.groups.tolist() == ["z", "b"]
    assert grouped.count(("y", "x")).tolist() == [0, array[11:].count()]
    assert grouped.mean(("y", "x")).mask.tolist() == [True, False]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], "labels of groups have shape"),
        ([[1] * 23], "labels of groups have shape"),
        ([1, "a", None] + [2] * 20, "one kind"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, message):
    array = ac.open(write(tmp_path / "v.nc", (4, 5, 7)), "v")
    with pytest.raises(SelectionError, match=message):
        array.groupby("t", np.array(labels, dtype=object))


def test_a_dimension_that_is_not_there_is_named(tmp_path):
    array = ac.open(write(tmp_path / "v.nc", (4, 5, 7)), "v")
    with pytest.raises(SelectionError, match="no dimension 'tt'"):
        array.groupby("tt", np.arange(23))


def test_a_group_named_twice_is_refused(tmp_path):
    array = ac.open(write(tmp_path / "v.nc", (4, 5, 7)), "v")
    with pytest.raises(SelectionError, match="without repeats"):
        array.groupby("t", np.arange(23), groups=[1, 1])


def test_a_server_without_sums_answers_by_elements(tmp_path):
    path = write(tmp_path / "v.nc", (4, 2, 7))
    labels = np.arange(23) % 5
    whole = ac.open(path, "v")
    server = FakeServer(
        objects={str(path): path.read_bytes()}, operations={"count", "select"}
    )
    array = ac.ActiveArray(whole.info, Session([server], LocalFileSystem()))
    for axes in ((), ("y",)):
        mine = array.groupby("t", labels).reduce("var", axes)
        np.testing.assert_allclose(mine, whole.groupby("t", labels).reduce("var", axes))


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_selection_in_any_groups_along_any_dimension(tmp_path_factory, data):
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype("i2")
    values[values % 11 == 3] = FILL
    chunks = tuple(data.draw(st.integers(1, n)) for n in SHAPE)
    path = write(tmp_path_factory.mktemp("g") / "v.nc", chunks, values=values)
    key = data.draw(keys(SHAPE))
    array = ac.open(path, "v")[key]
    picked = np.ma.masked_equal(orthogonal(values, key), FILL)
    if array.ndim == 0:
        return
    axis = data.draw(st.integers(0, array.ndim - 1))
    labels = np.array(
        data.draw(
            st.lists(
                st.integers(0, 3),
                min_size=array.shape[axis],
                max_size=array.shape[axis],
            )
        ),
        dtype=int,
    )
    others = [a for a in range(array.ndim) if a != axis]
    axes = tuple(data.draw(st.sets(st.sampled_from(others)))) if others else ()
    reduction = data.draw(st.sampled_from(sorted(REDUCTION)))
    answer = array.groupby(axis, labels, groups=range(4)).reduce(reduction, axes)
    agree(answer, *expected_of(reduction, picked, axes, axis, labels, range(4)))
