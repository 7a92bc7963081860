"""What is compared: contenders, their cases, and the ratios that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

__all__ = ["Case", "Contender", "Ran", "Ratio", "Target"]

FEWEST = 5
"""Rounds that a case has at least."""


@dataclass(frozen=True)
class Contender:
    """Somebody who answers the question."""

    name: str
    """As the table shows it."""
    prepare: Callable[..., Callable[[], object]]
    """A function at the top of a module of this folder. It is called once in the
    contender's process (imports and configuration are not timed) and gives what is
    timed: a function of no arguments. What that returns is the answer, or a pair of
    the answer and a mapping of figures of its own (``{"requests": 12}``)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its keyword arguments; they must survive JSON."""
    is_fresh: bool = False
    """Whether each call has a new process. It is the call alone that is timed."""
    is_floor: bool = False
    """Whether it does less than was asked, to show what cannot be beaten."""
    meter: Callable[[], Mapping[str, float]] | None = None
    """Called here after each call: figures about it, of what it has called on. Begins
    to count anew each time."""


@dataclass(frozen=True)
class Case:
    """One question."""

    name: str
    contenders: Sequence[Contender]
    threads: int = 2
    """Cores that each contender's process may run on."""
    nbytes: int | None = None
    """Decoded bytes that the question is about; the table then shows GB/s."""
    note: str = ""
    """What the reader of the table should know."""
    rtol: float | None = 1e-5
    """By how much answers may differ; None: they answer different questions."""
    expected: Any = None
    """The right answer; the first contender's if omitted."""
    fewest: int = FEWEST
    """Rounds at least; less where peers take minutes."""
    limit: float = 600.0
    """Seconds that one call may take before it is given up."""


@dataclass(frozen=True)
class Target:
    """A ratio of two contenders' times in one case, and what it should be."""

    says: str
    case: str
    fast: str
    slow: str
    at_least: float | None = None
    """For time(slow) / time(fast)."""
    at_most: float | None = None
    of: Literal["wall", "cpu"] = "wall"
    """Which time."""

    def ratio(self, ran: Mapping[str, Ran]) -> Ratio | None:
        """Divide the two times; None where either failed."""
        slow, fast = ran[self.slow], ran[self.fast]
        if slow.error is not None or fast.error is not None:
            return None
        return Ratio.of(getattr(slow, self.of), getattr(fast, self.of))

    def is_met(self, ratio: Ratio) -> bool:
        """Say whether the median ratio is as it should be."""
        low = self.at_least is None or ratio.median >= self.at_least
        return low and (self.at_most is None or ratio.median <= self.at_most)


@dataclass(frozen=True)
class Ran:
    """What one contender took in each round of a case."""

    wall: tuple[float, ...]
    """Seconds."""
    cpu: tuple[float, ...]
    """Seconds of processor time, all threads and children that ended."""
    read: int
    """Bytes that its system calls read in one call; mapped memory is not seen."""
    peak: int
    """Largest resident size of its process so far, bytes."""
    figures: Mapping[str, float]
    """Its own figures, of the last round."""
    error: str | None = None
    """What went wrong; the figures are then of the rounds before, if any."""


@dataclass(frozen=True)
class Ratio:
    """Of two contenders' times, within rounds."""

    median: float
    low: float
    """Lower quartile."""
    high: float
    """Upper quartile."""

    @classmethod
    def of(cls, slow: Sequence[float], fast: Sequence[float]) -> Self:
        """Divide round by round."""
        ratios = np.asarray(slow) / np.asarray(fast)
        low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
        return cls(median, low, high)
