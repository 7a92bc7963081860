"""A batch's partial, from what the server answers about each of its chunks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore import (
    ChunkBatch,
    ChunkError,
    ChunkNotFound,
    Cost,
    Partial,
    check_cancelled,
    reduce_buffers,
)
from activecore_reductionist.arriving import (
    doubtful,
    partial_of_elements,
    partial_of_values,
)
from activecore_reductionist.asking import Asked
from activecore_reductionist.attempts import Dropped
from activecore_reductionist.client import Client
from activecore_reductionist.decimals import exact_text
from activecore_reductionist.question import Question, SourceObject
from activecore_reductionist.rules import Rule
from activecore_reductionist.wire import Reply

__all__ = ["Conversation"]

logger = logging.getLogger(__name__)

Array = NDArray[Any]


@dataclass(slots=True)
class Conversation:
    """What one batch is asked of a server, chunk after chunk.

    A reply that may hide something (the number that the server starts from, a sum that
    left float32's range, a dropped connection where a NaN makes it panic) is not
    believed: that chunk's elements are asked for, and reduced here.
    """

    client: Client
    """Whom to ask."""
    target_of: Callable[[str], SourceObject]
    """Turns a source into an object as the server finds it."""
    batch: ChunkBatch
    """What the core asked."""
    asked: Asked
    """What the server is asked."""
    limit: int
    """Decoded bytes of a chunk above which it is refused."""
    cost: Cost = field(default_factory=Cost)
    """What it has cost up to now."""
    not_found: ChunkNotFound | None = None
    """What was said of the first chunk that is absent."""

    def partial(self) -> Partial:
        """Ask about every chunk.

        Raises
        ------
        ChunkError, BackendError
            What went wrong with the first chunk that failed.
        """
        batch, question = self.batch, self.asked.question
        if 0 in batch.selected_shape or 0 in batch.shape:
            # No element is asked for, and the server takes no empty chunks.
            nothing = reduce_buffers(batch, [None] * len(batch))
            return Partial(nothing.values, nothing.count)
        if question.operation == "select":
            return self._of_elements(np.arange(len(batch)))
        shape = (len(batch), *question.reply_shape)
        values = np.zeros(shape, question.reply_dtype)
        count = np.zeros(shape, np.int64)
        absent: list[int] = []
        by_elements: list[int] = []
        for position in range(len(batch)):
            try:
                reply = self._answer(question, position)
            except ChunkNotFound as error:
                self.not_found = self.not_found or error
                absent.append(position)
                continue
            if reply is None:
                by_elements.append(position)
                continue
            values[position], count[position] = reply.values, reply.count
        arranged, behind = partial_of_values(batch, self.asked, values, count)
        if by_elements:
            logger.debug("%d chunks are reduced here: %s", len(by_elements), question)
            rows = np.array(by_elements)
            right = self._of_elements(rows)
            for held, new in zip(arranged, right.values, strict=True):
                held[rows] = new
            behind[rows] = right.count
            absent += rows[right.absent].tolist()
        return Partial(arranged, behind, np.array(sorted(absent), np.int64), self.cost)

    def _answer(self, question: Question, position: int) -> Reply | None:
        """Ask about one chunk; None: what comes back cannot be relied on."""
        try:
            reply = self._ask(question, position)
        except Dropped:
            if question.dtype.kind == "f" and question.operation in ("min", "max"):
                return None
            raise
        doubt = doubtful(question, reply.values, reply.count)
        if doubt == "extreme":
            return None
        if doubt == "overflow" and not self._cannot_overflow(question, position):
            return None
        return reply

    def _cannot_overflow(self, question: Question, position: int) -> bool:
        """Say whether elements are so small that their sums stay in the dtype's range.

        Then a sum that is no number is due to a NaN among them.
        """
        largest = np.finfo(question.reply_dtype).max / (2 * question.behind)
        text = exact_text(largest, question.dtype)
        if text is None:
            return False
        rule = Rule("valid_range", (f"-{text}", text))
        counting = replace(question, operation="count", rule=rule)
        count = self._ask(counting, position).count
        return bool((count == question.behind).all())

    def _of_elements(self, rows: NDArray[np.int64]) -> Partial:
        """Get the elements of some of the chunks, and reduce them here."""
        question = self.asked.of_elements
        buffers: list[memoryview | None] = []
        for position in rows.tolist():
            try:
                values = self._ask(question, position).values
                buffers.append(values.reshape(-1).view(np.uint8).data)
            except ChunkNotFound as error:
                self.not_found = self.not_found or error
                buffers.append(None)
        return partial_of_elements(
            _rows(self.batch, rows),
            self.asked,
            buffers,
            cost=self.cost,
            limit=self.limit,
        )

    def _ask(self, question: Question, position: int) -> Reply:
        batch = self.batch
        check_cancelled()
        offset, size = int(batch.offsets[position]), int(batch.sizes[position])
        try:
            target = self.target_of(str(batch.sources[position]))
            answer = self.client.ask(question, target, offset, size)
        except ChunkError as error:
            error.position = position
            raise
        self.cost += Cost(
            requests=1,
            bytes_read=max(size, 0),
            bytes_received=answer.received,
            retries=answer.retries,
        )
        return answer.reply


def _rows(batch: ChunkBatch, rows: NDArray[np.int64]) -> ChunkBatch:
    return replace(
        batch,
        sources=batch.sources[rows],
        offsets=batch.offsets[rows],
        sizes=batch.sizes[rows],
    )
