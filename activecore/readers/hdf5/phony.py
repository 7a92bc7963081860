"""Dimensions that the netCDF library makes up where an HDF5 file names none.

One for each length in a group, ``phony_dim_0`` and so on, unless a dimension of that
length is there; two dimensions of one variable are never the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import h5py

from activecore.readers.hdf5.tree import (
    Tree,
    address_of,
    dimension_number,
    is_scale,
)

__all__ = ["phony_names"]

_Groups: TypeAlias = Iterable[tuple[str, h5py.Group]]


@dataclass(frozen=True, slots=True)
class _Known:
    """A dimension of a group."""

    name: str
    length: int
    unlimited: bool


def phony_names(tree: Tree) -> dict[int, tuple[str, ...]]:
    """Name the dimensions of every variable of a file that has no scales.

    Returns
    -------
    dict
        Names by the address of the dataset. Numbers go on from those of the
        dimensions that exist, innermost groups first.
    """
    groups = list(tree.walk(tree.root))
    following = _following_number(tree, groups)
    names: dict[int, tuple[str, ...]] = {}
    for _, group in _innermost_first(groups):
        known: list[_Known] = []
        nameless = []
        for name, member in tree.datasets(group):
            if not member.shape:
                continue
            if is_scale(member):
                unlimited = member.maxshape[0] is None
                known.append(_Known(name, member.shape[0], unlimited))
            elif not {"DIMENSION_LIST", "_Netcdf4Coordinates"} & set(member.attrs):
                nameless.append(member)
        for member in nameless:
            used: list[_Known] = []
            for length, most in zip(member.shape, member.maxshape, strict=True):
                fitting = (
                    dimension
                    for dimension in known
                    if dimension.length == length
                    and dimension.unlimited == (most is None)
                    and dimension not in used
                )
                dimension = next(fitting, None)
                if dimension is None:
                    dimension = _Known(f"phony_dim_{following}", length, most is None)
                    known.append(dimension)
                    following += 1
                used.append(dimension)
            names[address_of(member)] = tuple(dimension.name for dimension in used)
    return names


def _following_number(tree: Tree, groups: _Groups) -> int:
    """Give the first number that no dimension of the file has."""
    following = 0
    for _, group in groups:
        for _, member in tree.datasets(group):
            if is_scale(member):
                number = dimension_number(member)
                if number is None:
                    following += 1
                else:
                    following = max(following, number + 1)
    return following


def _innermost_first(groups: _Groups) -> Iterator[tuple[str, h5py.Group]]:
    """Put every group behind those that lie within it."""
    waiting: list[tuple[str, h5py.Group]] = []
    for path, group in groups:
        while waiting and not f"{path}/".startswith(f"{waiting[-1][0]}/".lstrip("/")):
            yield waiting.pop()
        waiting.append((path, group))
    yield from reversed(waiting)
