"""The tree in which answers merge: one shape, whoever works on it in whatever pieces."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest

from activecore.answer import BoxAnswer, Task
from activecore.cluster import _ClusterRun
from activecore.model import Cost
from activecore.plan import make_plan
from activecore.selection import view_of
from activecore.tree import WIDTH, Fold, blocks, bundles, merge_answers

RNG = np.random.default_rng(4)


def leaf(value, box=None):
    return BoxAnswer(
        box,
        (np.array([value]),),
        np.array([1]),
        Cost(1, 2, 3, 4),
        {"a": 1},
        1,
        is_confirmed=True,
    )


def tree_of(values):
    """The answer by recursion, independently of how ``Fold`` goes about it."""
    while len(values) > 1:
        rows = [values[at : at + WIDTH] for at in range(0, len(values), WIDTH)]
        values = [functools.reduce(operator.add, row) for row in rows]
    return values[0]


def folded(answers, operation="sum"):
    fold = Fold(operation)
    for answer in answers:
        fold.add(answer)
    return fold.close()


@pytest.mark.parametrize(
    "n", [1, 2, 7, 8, 9, 30, 63, 64, 65, 72, 73, 511, 512, 513, 861]
)
def test_a_fold_is_the_tree(n):
    values = (RNG.normal(size=n) * 10.0 ** RNG.integers(-8, 8, n)).tolist()
    result = folded([leaf(value) for value in values])
    assert result.values[0][0] == tree_of(values)
    assert result.count == [n]
    assert result.cost == Cost(n, 2 * n, 3 * n, 4 * n)
    assert result.backends == {"a": n}
    assert result.fallbacks == n


@pytest.mark.parametrize("size", [WIDTH, WIDTH**2])
@pytest.mark.parametrize("n", [1, 8, 9, 64, 65, 130, 520])
def test_blocks_of_a_run_are_nodes_of_its_tree(n, size):
    values = (RNG.normal(size=n) * 10.0 ** RNG.integers(-8, 8, n)).tolist()
    nodes = [
        folded([leaf(value) for value in values[at : at + size]])
        for at in range(0, n, size)
    ]
    assert folded(nodes).values[0][0] == tree_of(values)


def test_what_is_merged_is_left_as_it_was():
    answers = [leaf(float(n)) for n in range(5)]
    for answer in answers:
        answer.values[0].flags.writeable = False  # as what came from another process
    assert merge_answers("sum", answers).values[0] == 10.0
    assert [answer.values[0][0] for answer in answers] == [0, 1, 2, 3, 4]
    assert folded(answers).values[0] == 10.0
    assert answers[0].values[0] == 0.0


def test_a_fold_can_be_used_again():
    fold = Fold("sum")
    for value in (1.0, 2.0):
        fold.add(leaf(value))
    assert fold.close().values[0] == 3.0
    fold.add(leaf(7.0))
    assert fold.close().values[0] == 7.0
    with pytest.raises(ValueError, match="nothing was added"):
        fold.close()


def tasks_of(shape, cells, most, axes):
    plan = make_plan(view_of(shape), cells)
    return [Task(box, None) for box in plan.boxes(most, axes)]


@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_blocks_hold_every_box_once_and_in_order(axes, size):
    work = tasks_of((90, 7, 6), (1, 3, 2), 1, axes)
    cut = list(blocks(iter(work), axes, size))
    assert [task for block in cut for task in block.tasks] == work
    assert all(len(block.tasks) == size for block in cut if not block.is_last)
    together = list(bundles(iter(cut), size))
    assert [block for bundle in together for block in bundle] == cut
    for bundle in together:
        assert sum(len(block.tasks) for block in bundle) <= max(size, WIDTH)
        if not (bundle[0].is_first and bundle[0].is_last):
            assert len(bundle) == 1


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 2), (0, 1, 2)])
def test_boxes_that_merge_come_one_after_another(axes):
    work = tasks_of((90, 9, 6), (1, 3, 2), 1, axes)
    runs = [block for block in blocks(iter(work), axes, 10**6) if block.is_last]
    kept = [cells for axis, cells in enumerate((90, 3, 3)) if axis not in axes]
    assert len(runs) == np.prod(kept)


class Recorder:
    """A cluster that merges at once: stands in for the scheduler."""

    def __init__(self):
        self.most = 0

    def submit(self, work, *arguments, key, pure):
        self.most = max(self.most, len(arguments) - 1)
        return work(*arguments)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 30, 64, 65, 73, 349, 513])
def test_the_tree_over_futures_is_the_same_tree(n):
    class Assignment:
        operation = "sum"

        class job:  # noqa: N801 - stands for an instance
            id = "x"

    values = (RNG.normal(size=n) * 10.0 ** RNG.integers(-8, 8, n)).tolist()
    recorder = Recorder()
    run = _ClusterRun(recorder, Assignment)
    for value in values:
        run._grow(0, (leaf(value),))
    (root,) = run._root()
    assert root.values[0][0] == tree_of(values)
    assert recorder.most <= WIDTH
