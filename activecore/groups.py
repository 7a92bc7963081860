"""Groups along a dimension: which position belongs to which, by whatever labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from activecore.errors import SelectionError

__all__ = ["NOWHERE", "Groups", "group_numbers", "runs"]

NOWHERE = -1
"""Number of the group of a position that belongs to none."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The group that each selected position of a dimension belongs to."""

    numbers: NDArray[np.int64]
    """One for each position, in the user's order, from 0 up to ``count``."""
    count: int
    """How many groups there are; some may have no position."""


def group_numbers(
    labels: ArrayLike, groups: ArrayLike | None, length: int, where: str
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Make groups of labels and number them.

    Parameters
    ----------
    labels
        One for each position: numbers, text, dates. What is masked, NaN, NaT or None
        belongs nowhere.
    groups
        The labels wanted, in their order; others belong nowhere. None: all, sorted.
    length
        How many labels there must be.
    where
        What messages call the dimension.

    Returns
    -------
    numbers, groups
        The group of each position (``NOWHERE``: none), and each group's label.

    Raises
    ------
    SelectionError
        There is not one label for each position, a group is named twice, or labels
        cannot be compared with each other.
    """
    given: np.ma.MaskedArray[Any, Any] = np.ma.asarray(labels)
    if given.shape != (length,):
        raise SelectionError(
            f"{where}: the labels of groups have shape {given.shape}, "
            f"but {length} elements are selected"
        )
    values = np.asarray(given.data)
    present = ~np.ma.getmaskarray(given) & ~_is_nothing(values)
    numbers = np.full(length, NOWHERE, dtype=np.int64)
    try:
        found, which = np.unique(values[present], return_inverse=True)
        if groups is None:
            numbers[present] = which.reshape(-1)
            return numbers, found
        wanted = np.asarray(groups)
        ordered, order = np.unique(wanted, return_index=True)
        if wanted.ndim != 1 or len(ordered) != len(wanted):
            raise SelectionError(f"{where}: groups must be a list without repeats")
        if len(wanted) == 0:
            return numbers, wanted
        at = np.searchsorted(ordered, values[present]).clip(max=len(ordered) - 1)
        is_wanted = ordered[at] == values[present]
    except TypeError as error:
        raise SelectionError(f"{where}: labels of one kind are needed") from error
    numbers[present] = np.where(is_wanted, order[at], NOWHERE)
    return numbers, wanted


def _is_nothing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which labels are none: NaN, NaT and None."""
    if values.dtype.kind == "O":
        nothing = [value is None or value != value for value in values.tolist()]  # noqa: PLR0124 - true for NaN
        return np.array(nothing, dtype=np.bool_)
    return np.asarray(values != values)  # noqa: PLR0124 - true for NaN and NaT


def runs(numbers: NDArray[np.int64]) -> list[tuple[int, slice | NDArray[np.intp]]]:
    """List each group that occurs, ascending, and where: a slice where that will do."""
    found: list[tuple[int, slice | NDArray[np.intp]]] = []
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    for number, where in zip(
        present.tolist(), np.split(order, starts[1:]), strict=True
    ):
        first, last = int(where[0]), int(where[-1])
        is_run = last - first + 1 == len(where)
        found.append((number, slice(first, last + 1) if is_run else where))
    return found
