"""From a batch to the question that is sent for each of its chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from activecore import BackendRefused, ChunkBatch, ChunkLayout
from activecore_reductionist.accuracy import axes_to_sum
from activecore_reductionist.question import Question, decoding_of, require_dtype
from activecore_reductionist.rules import rule_of
from activecore_reductionist.selecting import Span, span_of

__all__ = ["Asked", "asked_for_elements", "asked_of"]

_REDUCED_THERE = frozenset({"count", "sum", "min", "max"})
"""Operations that the server has; of all others it gives the elements."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server is asked, and how its reply relates to what the core asked."""

    question: Question
    """What is sent."""
    spans: tuple[Span, ...]
    """The selection, by the variable's dimensions."""
    merged: tuple[int, ...]
    """Axes of the variable that are reduced here, on arrival, ascending."""

    @property
    def of_elements(self) -> Question:
        """The question that gives the elements themselves."""
        question = self.question
        return Question(
            "select",
            question.dtype,
            question.shape,
            question.selection,
            (),
            None,
            question.compression,
            question.filters,
        )


def asked_of(batch: ChunkBatch, float32_sum_bound: float) -> Asked:
    """Translate a batch.

    Parameters
    ----------
    batch
        What the core asks.
    float32_sum_bound
        Greatest relative error allowed of a sum of float32 that the server makes.

    Raises
    ------
    BackendRefused
        The server would not give the right answer; one sentence says why.
    """
    spans = tuple(span_of(item) for item in batch.selection)
    asked = _asked(batch.layout, spans, batch.axis, batch.operation, float32_sum_bound)
    if isinstance(asked, str):
        raise BackendRefused(asked)
    return asked


def asked_for_elements(batch: ChunkBatch) -> Asked:
    """Translate a batch so that the server selects, and all else is done here.

    Raises
    ------
    BackendRefused
        The server cannot decode the chunks.
    """
    asked = asked_of(batch.asking("select"), 1.0)
    return replace(asked, merged=batch.axis)


@lru_cache(maxsize=256)
def _asked(
    layout: ChunkLayout,
    spans: tuple[Span, ...],
    axis: tuple[int, ...],
    operation: str,
    float32_sum_bound: float,
) -> Asked | str:
    """Translate, or say why not; batches of one run have few different questions."""
    try:
        return _translated(layout, spans, axis, operation, float32_sum_bound)
    except BackendRefused as error:
        return str(error)


def _translated(
    layout: ChunkLayout,
    spans: tuple[Span, ...],
    axis: tuple[int, ...],
    operation: str,
    float32_sum_bound: float,
) -> Asked:
    require_dtype(layout.dtype)
    compression, filters = decoding_of(layout)
    lengths = [span.length for span in spans]
    # What is picked out of the reply must not have been added up with the rest.
    reducible = tuple(a for a in axis if spans[a].picks is None)
    sent: tuple[int, ...] = ()
    rule = None
    if operation not in _REDUCED_THERE or not reducible:
        operation = "select"
    else:
        sent = reducible
        if operation == "sum":
            sent = axes_to_sum(
                layout.dtype, layout.missing, lengths, reducible, float32_sum_bound
            )
        rule = rule_of(layout.missing, layout.dtype)
    stored = [(spans[a].start, spans[a].stop, spans[a].step) for a in layout.order]
    question = Question(
        operation=operation,
        dtype=layout.dtype,
        # The server wants a dimension at least; a scalar is a row of one element.
        shape=layout.stored_shape or (1,),
        selection=tuple(stored) or ((0, 1, 1),),
        axis=tuple(sorted(layout.order.index(a) for a in sent)),
        rule=rule,
        compression=compression,
        filters=filters,
    )
    return Asked(question, spans, tuple(a for a in axis if a not in sent))
