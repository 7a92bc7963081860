"""The order in which boxes' answers merge: a tree that follows from the plan alone.

Boxes that follow one another in plan order and have one place in the result are a
*run*. The answers of a run merge as a tree of a fixed width: the first eight boxes,
the next eight, and so on; then the first eight of those. What works on a run may take
its boxes one by one or in *blocks*, as long as a block is a whole node of that tree:
a thread here, a process, or a worker far away then all come to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from activecore.answer import BoxAnswer, Task
from activecore.operations import OPERATION
from activecore.plan import Box

__all__ = ["WIDTH", "Block", "Bundle", "Fold", "blocks", "bundles", "merge_answers"]

WIDTH = 8
"""How many answers merge into one, at every level. Results depend on it, to the bit."""

_Place: TypeAlias = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Boxes of one run whose answers come to one node of its tree."""

    tasks: tuple[Task, ...]
    """A power of ``WIDTH`` of them; fewer at the end of the run."""
    is_first: bool
    """Whether the run begins here."""
    is_last: bool
    """Whether it ends here."""


Bundle: TypeAlias = tuple[Block, ...]
"""What a worker is given at a time: part of a run, or several short runs."""


def _place(box: Box, axes: Sequence[int]) -> _Place:
    gathers = box.gathers
    return tuple(
        (0, np.unique(gathers[axis]).tobytes())
        if axis in gathers
        else (box.widths[axis], box.starts[axis].tobytes())
        for axis in range(len(box.widths))
        if axis not in axes
    )


def blocks(work: Iterable[Task], axes: Sequence[int], size: int) -> Iterator[Block]:
    """Cut boxes in plan order into blocks.

    Parameters
    ----------
    axes
        The dimensions that end at length one.
    size
        Boxes of a block: a power of ``WIDTH``.
    """
    held: list[Task] = []
    place: _Place | None = None
    is_first = True
    for task in work:
        here = _place(task.box, axes)
        ends = here != place
        if held and (ends or len(held) == size):
            yield Block(tuple(held), is_first, ends)
            held.clear()
            is_first = ends
        held.append(task)
        place = here
    if held:
        yield Block(tuple(held), is_first, is_last=True)


def bundles(cut: Iterable[Block], size: int) -> Iterator[Bundle]:
    """Put short runs together, to about ``size`` boxes; longer ones stay in blocks."""
    held: list[Block] = []
    room = size
    for block in cut:
        is_part = not (block.is_first and block.is_last)
        if held and (is_part or len(block.tasks) > room):
            yield tuple(held)
            held, room = [], size
        if is_part:
            yield (block,)
            continue
        held.append(block)
        room -= len(block.tasks)
    if held:
        yield tuple(held)


class Fold:
    """Merges the nodes of a run, taken in order, as its tree says.

    Holds one answer for each level of the tree.
    """

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._levels: list[tuple[int, BoxAnswer] | None] = []

    def add(self, answer: BoxAnswer) -> None:
        """Take the next node, which becomes this object's own if it is the first."""
        merged = 1
        for level, held in enumerate(self._levels):
            if held is None:
                self._levels[level] = (merged, answer)
                return
            children, before = held
            after = _merged(self._operation, before, answer, own=children > 1)
            if children + 1 < WIDTH:
                self._levels[level] = (children + 1, after)
                return
            self._levels[level] = None
            answer = after
        self._levels.append((merged, answer))

    def close(self) -> BoxAnswer:
        """Give what the run came to, and begin the next one."""
        result: BoxAnswer | None = None
        for held in self._levels:
            if held is None:
                continue
            children, before = held
            if result is None:
                result = before
            else:
                result = _merged(self._operation, before, result, own=children > 1)
        self._levels.clear()
        if result is None:
            raise ValueError("nothing was added")
        return result


def merge_answers(operation: str, answers: Sequence[BoxAnswer]) -> BoxAnswer:
    """Merge the children of one node, in order. They are left as they are."""
    result = answers[0]
    for number, answer in enumerate(answers[1:]):
        result = _merged(operation, result, answer, own=number > 0)
    return result


def _merged(
    operation: str, before: BoxAnswer, after: BoxAnswer, *, own: bool
) -> BoxAnswer:
    """Merge two neighbours; into the arrays of the first, where those are our own."""
    held = before.values if own else tuple(np.array(value) for value in before.values)
    with np.errstate(over="ignore", invalid="ignore"):
        OPERATION[operation].accumulate(held, before.count, after.values, after.count)
    backends = dict(before.backends)
    for name, chunks in after.backends.items():
        backends[name] = backends.get(name, 0) + chunks
    return replace(
        before,
        values=held,
        count=before.count + after.count,
        cost=before.cost + after.cost,
        backends=backends,
        fallbacks=before.fallbacks + after.fallbacks,
        is_confirmed=before.is_confirmed and after.is_confirmed,
    )
