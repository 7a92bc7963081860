"""Groups and datasets of an HDF5 file by name, without leaving the file.

Links are followed here and not by HDF5: a link to another file would be opened by HDF5
without a word, and one link that leads nowhere would hide all that lies beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py
import numpy as np

from activecore.errors import UnsupportedFormat, VariableNotFound
from activecore.readers.hdf5.ahead import (
    ATTRIBUTES,
    CHUNKS,
    HEADERS,
    MEMBERS,
    read_ahead,
)

if TYPE_CHECKING:
    from activecore.readers.hdf5.file import HDF5File

__all__ = [
    "Object",
    "Tree",
    "address_of",
    "dimension_number",
    "is_scale",
    "is_variable",
]

logger = logging.getLogger(__name__)

Object: TypeAlias = h5py.Group | h5py.Dataset | h5py.Datatype

_PREFIX = "_nc4_non_coord_"
"""Stands before a variable named like a dimension that it does not describe."""
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
_MANY = 1000
"""Of a group with more members not all are looked at for one of them."""
_MOST_LINKS = 16
"""A path with more soft links than this runs in circles (HDF5's own limit)."""


def is_scale(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset stands for a dimension."""
    return _bytes_attribute(dataset, "CLASS") == b"DIMENSION_SCALE"


def is_variable(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset is a variable to netCDF, or a dimension alone."""
    name = _bytes_attribute(dataset, "NAME")
    return name is None or not name.startswith(_NO_VARIABLE)


def dimension_number(scale: h5py.Dataset) -> int | None:
    """Give the number by which netCDF knows a scale, if it wrote one down."""
    number = scale.attrs.get("_Netcdf4Dimid")
    return None if number is None else int(np.ravel(number)[0])


def address_of(h5: Object) -> int:
    """Give the address of an object's header, which tells it from all others.

    Asked in HDF5's old way, which reads the header alone: the new one also measures
    the object's chunk index, and reads all of it for that.
    """
    low, high = h5py.h5g.get_objinfo(h5.id).objno
    return int(low) + (int(high) << 32)


def _bytes_attribute(dataset: h5py.Dataset, name: str) -> bytes | None:
    value = dataset.attrs.get(name)
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) else None


@dataclass(frozen=True, slots=True)
class Tree:
    """The groups and datasets of one open file."""

    file: HDF5File
    """The file."""

    @property
    def root(self) -> h5py.Group:
        """The group that all others lie in."""
        return self.file.h5["/"]

    def addresses(self, group: h5py.Group) -> dict[str, int]:
        """Give the addresses of a group's members by name, links left out.

        No member's header is read for that.
        """
        found: dict[str, int] = {}

        def visit(name: bytes, link: Any) -> None:
            if link.type == h5py.h5l.TYPE_HARD:
                found[name.decode("utf-8", "surrogateescape")] = link.u

        group.id.links.iterate(visit, info=True)
        return found

    def name_in(self, group: h5py.Group, h5: Object) -> str | None:
        """Give the name of an object in a group or in one around it; None: it has none.

        HDF5 itself would look at every object of the file for it.
        """
        wanted = address_of(h5)
        while True:
            for name, address in self.addresses(group).items():
                if address == wanted:
                    return name
            if group.name == "/":
                return None
            group = group.parent

    def _prepare_all(self, group: h5py.Group) -> None:
        """Read what a group's members are, all together, where the file is far away."""
        if self.file.is_far:
            read_ahead(self.file, {address_of(group): MEMBERS})
            members = self.addresses(group).values()
            read_ahead(self.file, dict.fromkeys(members, ATTRIBUTES))

    def _prepare_one(self, group: h5py.Group, name: str) -> None:
        """Read all about one member of a group, and of which shapes the others are.

        Its dimensions are among these, and they are as long as the longest of these.
        """
        if not self.file.is_far:
            return
        read_ahead(self.file, {address_of(group): MEMBERS})
        members = self.addresses(group)
        what = {}
        if len(members) <= _MANY:
            what = dict.fromkeys(members.values(), HEADERS)
        for known in {name, _PREFIX + name} & members.keys():
            what[members[known]] = CHUNKS
        read_ahead(self.file, what)

    def find(self, start: h5py.Group, path: str) -> Object:
        """Give the object at a path below a group.

        The last part may be a variable's netCDF name where HDF5 knows it by another.

        Raises
        ------
        VariableNotFound
            There is none.
        UnsupportedFormat
            The way leads to another file, or in circles.
        """
        parent, _, leaf = path.rstrip("/").rpartition("/")
        links = _links()
        group = self._follow(start, parent, links)
        if isinstance(group, h5py.Group) and leaf != "":
            self._prepare_one(group, leaf)
            if group.get(_PREFIX + leaf, getlink=True):
                leaf = _PREFIX + leaf
        return self._follow(group, leaf, links)

    def walk(self, start: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
        """Give every group below one, itself first, by path: ``""``, ``a``, ``a/b``.

        A group that has several paths is given once, or links in a circle would not
        end.
        """
        seen = set()
        stack = [("", start)]
        while stack:
            path, group = stack.pop()
            address = address_of(group)
            if address in seen:
                continue
            seen.add(address)
            self._prepare_all(group)
            yield path, group
            below = [
                (f"{path}/{name}".lstrip("/"), member)
                for name, member in self._members(group)
                if isinstance(member, h5py.Group)
            ]
            stack.extend(reversed(below))

    def datasets(self, group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
        """Give a group's datasets by netCDF name, those of dimensions included."""
        for name, member in self._members(group):
            if isinstance(member, h5py.Dataset):
                yield name.removeprefix(_PREFIX), member

    def _members(self, group: h5py.Group) -> Iterator[tuple[str, Object]]:
        """Give a group's members that there are and that lie in the file.

        One that is damaged, or a link to nowhere or elsewhere, hides none beside it.
        """
        for name in group:
            try:
                yield name, self._member(group, name, _links())
            except VariableNotFound as error:
                logger.debug("%s is not listed: %s", name, error)
            except UnsupportedFormat as error:
                logger.warning("%s is not listed: %s", name, error)

    def _follow(self, start: Object, path: str, links: Iterator[int]) -> Object:
        here = start
        for name in path.split("/"):
            if name not in ("", "."):
                here = self._member(here, name, links)
        return here

    def _member(self, group: Object, name: str, links: Iterator[int]) -> Object:
        link = None
        with self.file.guard():
            if isinstance(group, h5py.Group):
                link = group.get(name, getlink=True)
            if isinstance(link, h5py.HardLink):
                member: Object = group[name]
                return member
        where = f"{group.name}/{name}".replace("//", "/")
        if link is None:
            raise VariableNotFound(f"there is no {where!r}")
        if isinstance(link, h5py.ExternalLink):
            raise UnsupportedFormat(
                f"{where!r} is a link to another file, {link.filename!r}"
            )
        if next(links, None) is None:
            raise UnsupportedFormat(f"the links at {where!r} run in circles")
        start = group["/"] if link.path.startswith("/") else group
        return self._follow(start, link.path, links)


def _links() -> Iterator[int]:
    """Give as many numbers as soft links may be followed on the way to one object."""
    return iter(range(_MOST_LINKS))
