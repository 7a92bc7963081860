"""Selections as the server takes them: slices; the rest of one is done here."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

from activecore import BackendRefused

__all__ = ["Span", "span_of"]

Item: TypeAlias = slice | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked along one dimension, and what is taken of the reply."""

    start: int
    """First position."""
    stop: int
    """Behind the last position."""
    step: int
    """At least one."""
    picks: tuple[int, ...] | None = None
    """Positions in the reply that are wanted, in order; None: all, once."""

    @property
    def length(self) -> int:
        """How many positions the server takes."""
        return len(range(self.start, self.stop, self.step))


def span_of(item: Item) -> Span:
    """Translate one item of a request's selection.

    Positions become the sparsest slice that holds them all, and what is too much of it
    is left out on arrival: one request, whatever the positions are.
    """
    if isinstance(item, slice):
        if None in (item.start, item.stop, item.step):
            raise BackendRefused(f"the selection {item} is not normal")
        return Span(item.start, item.stop, item.step)
    if len(item) == 0:
        return Span(0, 0, 1)
    gaps = [after - before for before, after in itertools.pairwise(item)]
    step = math.gcd(*gaps) or 1
    start, stop = item[0], item[-1] + 1
    if item == tuple(range(start, stop, step)):
        return Span(start, stop, step)
    return Span(start, stop, step, tuple((p - start) // step for p in item))
