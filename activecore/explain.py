"""What would be done, by whom and at what cost; nothing is read but shard indexes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore.backend import ByteRangeBackend, StorageBackend
from activecore.choose import Chain, Refusal
from activecore.execute import box_chunks, tasks
from activecore.model import ABSENT, INLINE, ArrayInfo, ChunkBatch
from activecore.plan import Plan
from activecore.question import Question
from activecore.sizes import bytes_words

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What ``ActiveArray.explain`` found out. Print it, or take ``as_dict``."""

    variable: str
    """Name of the variable."""
    reduction: str
    """What was asked."""
    operation: str
    """What each chunk is asked for."""
    backends: dict[str, int]
    """Chunks by the backend that would answer for them."""
    refusals: tuple[str, ...]
    """Who would not be asked for what, and why."""
    chunks: int
    """Chunks that the selection touches."""
    without_reading: int
    """Chunks answered from the fill value or the index."""
    batches: int
    """Batches that the chunks are sent in."""
    bytes_stored: int
    """Bytes of those chunks in the store, as far as the index tells."""
    objects: int
    """Chunks that are whole objects, whose size is known only when they are read."""
    bytes_returned: int
    """Bytes of the partials that backends send back."""
    choices: dict[str, int]
    """Who could answer, by what operation, best first: bytes that would come to this
    process if that one answered. Of chunks that are whole objects it is not known."""

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "refusals": list(self.refusals)
        }

    def __str__(self) -> str:
        who = ", ".join(f"{name} ({n} chunks)" for name, n in self.backends.items())
        nobody = (
            "nobody can answer"
            if self.without_reading < self.chunks
            else "nobody needs to be asked"
        )
        stored = bytes_words(self.bytes_stored)
        if self.objects > 0:
            stored = f"{self.objects} whole objects"
            if self.bytes_stored > 0:
                stored += f" and {bytes_words(self.bytes_stored)}"
        idle = f"{self.without_reading} need no reading"
        lines = [
            f"{self.reduction} of {self.variable}",
            f"  asks chunks   for {self.operation!r}",
            f"  answered by   {who or nobody}",
            f"  chunks        {self.chunks}, of which {idle}",
            f"  batches       {self.batches}",
            f"  store reads   {stored}",
            f"  sends back    {bytes_words(self.bytes_returned)}",
        ]
        if len(set(self.choices.values())) > 1:
            lines += [
                f"  would bring   {bytes_words(size)} from {who}"
                for who, size in self.choices.items()
            ]
        lines += [f"  not asked     {refusal}" for refusal in self.refusals]
        return "\n".join(lines)


def explain(
    reduction: str, question: Question, plan: Plan, info: ArrayInfo, chain: Chain
) -> Explanation:
    """Go through the plan as a run would, without asking anybody."""
    backends: Counter[str] = Counter()
    choices: Counter[str] = Counter()
    refusals: dict[str, None] = {}
    without = batches = stored = objects = returned = 0
    most = box_chunks(info, plan, chain)
    for task in tasks(plan, info, most, question.axes):
        layouts = task.located.layouts
        without += int(((layouts == ABSENT) | (layouts == INLINE)).sum())
        for number in np.unique(layouts[layouts >= 0]).tolist():
            rows = np.flatnonzero(layouts == number)
            batch = question.batch(number, task.box, task.located, rows)
            batches += 1
            sizes = batch.sizes
            objects += int((sizes == -1).sum())
            stored += int(sizes[sizes >= 0].sum())
            is_answered = False
            for choice in chain.choices(batch, question.asks_of(task.box)):
                if isinstance(choice, Refusal):
                    if not is_answered:
                        refusals[str(choice)] = None
                    continue
                backend, asked = choice
                choices[f"{backend.name} ({asked.operation})"] += _arriving(*choice)
                if not is_answered:
                    backends[backend.name] += len(batch)
                    returned += len(batch) * asked.partial_bytes
                is_answered = True
    return Explanation(
        variable=info.name,
        reduction=reduction,
        operation=question.operation,
        backends=dict(backends),
        refusals=tuple(refusals),
        chunks=plan.chunks,
        without_reading=without,
        batches=batches,
        bytes_stored=stored,
        objects=objects,
        bytes_returned=returned,
        choices=dict(choices),
    )


def _arriving(backend: StorageBackend, batch: ChunkBatch) -> int:
    """Say how many bytes come to this process if a backend answers a batch.

    One that serves byte ranges brings the chunks as they are stored, whatever is asked.
    """
    if isinstance(backend, ByteRangeBackend):
        return int(batch.sizes[batch.sizes >= 0].sum())
    return len(batch) * batch.partial_bytes
