"""Longitudes as one stretch of the circle."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CIRCLE", "Floats", "continuous"]

Floats: TypeAlias = NDArray[np.float64]

CIRCLE = 360.0
_CLEARLY = 1.5
"""How much wider a gap must be than where the numbers begin again."""


def continuous(points: Floats) -> Floats:
    """Count on where numbers begin again: 358, 0, 2 become 358, 360, 362.

    The stretch begins after the widest gap, whatever the order of the points. What
    goes round the whole circle stays as it is.
    """
    sorted_points = np.unique(points)
    if len(sorted_points) < 2 or sorted_points[-1] - sorted_points[0] >= CIRCLE:  # noqa: PLR2004 - a gap has two ends
        return points
    gaps = np.diff(sorted_points)
    widest = int(gaps.argmax())
    if gaps[widest] <= _CLEARLY * (sorted_points[0] + CIRCLE - sorted_points[-1]):
        return points
    return np.where(points <= sorted_points[widest], points + CIRCLE, points)
