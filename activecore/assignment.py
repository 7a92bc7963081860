"""All that an engine, in this process or on many machines, is told about one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from activecore.answer import BoxAnswer, Task
from activecore.job import Job
from activecore.tree import WIDTH, Bundle, blocks, bundles

__all__ = ["Assignment"]

_EACH = 4
"""Bundles for each worker, at least: one that is slow then keeps nobody waiting."""
_MOST_BOXES = WIDTH**2
"""Boxes of a bundle at most: some seconds of work, which a lost worker costs."""
_MOST_CHUNKS = 1 << 16
"""Chunks of a bundle at most: where they lie travels to the worker."""


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """What is to be done, and whom to tell."""

    job: Job
    """What every bundle shares."""
    operation: str
    """What answers are merged as."""
    axes: tuple[int, ...]
    """Stored dimensions that end at length one."""
    tasks: Iterator[Task]
    """The boxes, located, in plan order."""
    boxes: int
    """About how many there are."""
    box_chunks: int
    """Chunks of a box at most."""
    note: Callable[[BoxAnswer], None]
    """Called in the asking thread with every answer once, as soon as it is known."""
    until: float | None
    """Time of ``time.monotonic`` after which to give up; None: never."""

    def single(self) -> Iterator[Bundle]:
        """Give the boxes one by one, for threads of this process."""
        return bundles(blocks(self.tasks, self.axes, 1), 1)

    def shared_out(self, workers: int) -> Iterator[Bundle]:
        """Cut the boxes into bundles for so many workers.

        Many boxes each, because handing a bundle out costs about a millisecond.
        """
        size = 1
        while (
            size * WIDTH <= _MOST_BOXES
            and size * WIDTH * self.box_chunks <= _MOST_CHUNKS
            and size * WIDTH * workers * _EACH <= self.boxes
        ):
            size *= WIDTH
        return bundles(blocks(self.tasks, self.axes, size), size)
