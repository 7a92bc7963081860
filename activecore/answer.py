"""The answer of one box, wherever it is worked out: a thread, a process, far away."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.choose import Chain
from activecore.combine import merge_box, reduce_box
from activecore.elements import reduce_chunk_elements, reduce_elements
from activecore.errors import (
    BackendRefused,
    BackendUnavailable,
    ChunkError,
    ChunkNotFound,
)
from activecore.model import ABSENT, INLINE, ChunkBatch, Cost, Located
from activecore.operations import OPERATION, Values
from activecore.plan import Box
from activecore.question import Question

__all__ = ["BoxAnswer", "Task", "answer_box"]

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A box, and where its chunks lie: all that a worker needs besides the question."""

    box: Box
    located: Located


@dataclass(frozen=True, slots=True, eq=False)
class BoxAnswer:
    """Merged partials of a box, or of several that have one place, and their cost."""

    box: Box
    """The first of them; it has the others' place in the result."""
    values: Values
    count: Array
    cost: Cost
    backends: Mapping[str, int]
    """Chunks answered by each backend; ``""``: from the fill value or the index."""
    fallbacks: int
    is_confirmed: bool
    """Whether the store made sure of the version of all that was read."""

    def account(self) -> BoxAnswer:
        """Give the same without the values: what is noted of it, small to send."""
        return replace(self, values=(), count=np.zeros((), dtype=np.int64))


def answer_box(question: Question, chain: Chain, task: Task) -> BoxAnswer:
    """Answer one box. Runs in a worker: a thread, a process, another machine."""
    box, located = task.box, task.located
    answers = _Rows(question, box)
    for number, rows in _rows_of_layouts(located.layouts):
        if number == ABSENT:
            answers.fill(rows)
        elif number == INLINE:
            for row in rows.tolist():
                answers.put(np.array([row]), located.inline[row][np.newaxis])
        else:
            batch = question.batch(number, box, located, rows)
            with _naming(question.variable, box, batch, rows):
                answers.ask(chain, batch, rows)
    values, count = answers.merged()
    return BoxAnswer(
        box,
        values,
        count,
        answers.cost,
        answers.backends,
        answers.fallbacks,
        answers.is_confirmed,
    )


def _rows_of_layouts(layouts: Array) -> Iterator[tuple[int, Array]]:
    """Give each layout's number and its chunks; mostly there is one for all."""
    first = int(layouts[0])
    if (layouts == first).all():
        yield first, np.arange(len(layouts))
        return
    for number in np.unique(layouts).tolist():
        yield number, np.flatnonzero(layouts == number)


class _Rows:
    """Collects the partials of a box's chunks, from wherever each is answered."""

    def __init__(self, question: Question, box: Box) -> None:
        self._question = question
        self._box = box
        self._is_read = question.is_read(box)
        """Whether the partials are the elements."""
        self._operation = "select" if self._is_read else question.operation
        axes = self._axes = () if self._is_read else question.axes_within(box)
        shape = tuple(1 if a in axes else w for a, w in enumerate(box.widths))
        self._shape = (len(box), *shape)
        self._values: Values | None = None
        self._behind: Array | None = None
        self.cost = Cost()
        self.backends: dict[str, int] = {}
        self.fallbacks = 0
        self.is_confirmed = True

    def ask(self, chain: Chain, batch: ChunkBatch, rows: Array) -> None:
        """Let a backend answer for these chunks."""
        question = self._question
        answer = chain.answer(question.variable, batch, question.asks_of(self._box))
        partial = answer.partial
        values, count = partial.values, partial.count
        if answer.operation != self._operation:
            # The last resort: the backend sent the elements, we reduce them.
            values, count = self._reduced(values[0], ~count)
        if len(batch) == self._shape[0] and len(partial.absent) == 0:
            # The ordinary case: one answer for the whole box is taken as it is.
            self._values, self._behind = values, count
        else:
            self._store(rows, values, count)
        self.cost += partial.cost
        self.fallbacks += int(answer.fell_back)
        self.is_confirmed &= partial.is_confirmed
        self._count(answer.backend, len(batch) - len(partial.absent))
        if len(partial.absent) > 0:
            if not batch.layout.absent_is_fill:
                position = int(partial.absent[0])
                raise ChunkNotFound("there is no such object", position=position)
            self.fill(rows[partial.absent])

    def put(self, rows: Array, block: Array) -> None:
        """Answer these chunks from their elements, shape (len(rows), *chunk)."""
        question, box = self._question, self._box
        missing = question.layouts[0].missing
        native = block.astype(block.dtype.newbyteorder("="), copy=False)
        if question.unpack is None or self._is_read:
            values, count = reduce_chunk_elements(
                native, missing, box.selection, self._axes, self._operation
            )
        else:
            (elements,), valid = reduce_chunk_elements(
                native, missing, box.selection, (), "select"
            )
            values, count = self._reduced(elements, ~valid)
        self._store(rows, values, count)
        self._count("", len(rows))

    def fill(self, rows: Array) -> None:
        """Answer these chunks from the fill value: they were never written."""
        layout = self._question.layouts[0]
        if layout.fill_value is None:
            self._count("", len(rows))
            return
        dtype = layout.dtype.newbyteorder("=")
        one = np.asarray(layout.fill_value, dtype=dtype)
        self.put(rows, np.broadcast_to(one, (1, *layout.shape)))

    def _reduced(self, elements: Array, invalid: Array) -> tuple[Values, Array]:
        question = self._question
        if question.unpack is not None:
            elements = question.unpack.unpack(elements)
        masked = invalid if invalid.any() else None
        return reduce_elements(elements, masked, self._axes, self._operation)

    def merged(self) -> tuple[Values, Array]:
        """Merge the partials of the box's chunks."""
        question, box = self._question, self._box
        values, behind = self.partials
        if not self._is_read:
            return merge_box(
                box, self._operation, values, behind, question.axes, question.weights
            )
        (elements,) = values
        if question.unpack is not None:
            elements = question.unpack.unpack(elements)
        return reduce_box(box, question.operation, elements, behind, question.axes)

    def _store(self, rows: Array, values: Values, count: Array) -> None:
        held, behind = self.partials
        for column, value in zip(held, values, strict=True):
            column[rows] = value
        behind[rows] = count

    @property
    def partials(self) -> tuple[Values, Array]:
        """Values and count of every chunk, identities where none was answered."""
        if self._values is None or self._behind is None:
            kind = np.bool_ if self._operation == "select" else np.int64
            identity = self._question.chunk_identity
            if self._is_read:
                dtype = self._question.layouts[0].dtype.newbyteorder("=")
                identity = OPERATION["select"].identity(dtype)
            self._values = tuple(np.full(self._shape, v) for v in identity)
            self._behind = np.zeros(self._shape, dtype=kind)
        return self._values, self._behind

    def _count(self, backend: str, chunks: int) -> None:
        if chunks > 0:
            self.backends[backend] = self.backends.get(backend, 0) + chunks


@contextmanager
def _naming(variable: str, box: Box, batch: ChunkBatch, rows: Array) -> Iterator[None]:
    """Say in an error which chunk of which variable it was, as far as that is known.

    A backend that does not say which chunk of several failed gets none made up.
    """
    try:
        yield
    except ChunkError as error:
        position = error.position
        if position is None and len(batch) == 1:
            position = 0
        error.variable = variable
        if position is not None and 0 <= position < len(batch):
            error.coords = tuple(int(c) for c in box.coords()[rows[position]])
            error.source = str(batch.sources[position])
            error.offset = int(batch.offsets[position])
            error.size = int(batch.sizes[position])
        raise
    except (BackendUnavailable, BackendRefused) as error:
        first = tuple(int(c) for c in box.coords()[rows[0]])
        # A copy of its own class: plugins' errors carry what a server said.
        named = copy.copy(error)
        named.args = (f"{variable} chunk {first} in {batch.sources[0]}: {error}",)
        raise named from error
