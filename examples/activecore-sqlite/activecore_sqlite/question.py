"""A question about chunks, as text that travels into the database.

Nothing but JSON goes in, so that any database could be asked the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore import ChunkBatch

__all__ = ["Question", "question_of"]


@dataclass(frozen=True)
class Question:
    """What the function in the database is told."""

    dtype: str
    shape: list[int]
    deflated: bool
    missing: list[Any]
    valid_min: Any
    valid_max: Any
    selection: list[list[int]]
    axis: list[int]
    operation: str

    @classmethod
    def read(cls, text: str) -> Question:
        """Read it inside the database."""
        return cls(**json.loads(text))

    def write(self) -> str:
        """Write it outside."""
        return json.dumps(vars(self))


def question_of(batch: ChunkBatch) -> Question:
    """Write down what a batch asks of each of its chunks."""
    selection = [
        list(range(item.start, item.stop, item.step))
        if isinstance(item, slice)
        else list(item)
        for item in batch.selection
    ]
    missing = batch.missing
    return Question(
        dtype=batch.dtype.str,
        shape=list(batch.shape),
        deflated=len(batch.codecs) > 0,
        missing=[_plain(value) for value in missing.values],
        valid_min=_plain(missing.valid_min),
        valid_max=_plain(missing.valid_max),
        selection=selection,
        axis=list(batch.axis),
        operation=batch.operation,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
