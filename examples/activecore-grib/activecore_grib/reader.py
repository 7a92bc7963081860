"""The reader ``grib``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import eccodes
import numpy as np
from numpy.typing import NDArray

from activecore import (
    ABSENT,
    INLINE,
    ArrayInfo,
    ChunkLayout,
    Codec,
    Located,
    Missing,
    Reader,
    SourceNotFound,
    UnsupportedFormat,
    VariableInfo,
    VariableNotFound,
    source_version,
)
from activecore_grib.codec import MISSING, GribMessage
from activecore_grib.messages import MAGIC, Field, fields_of

if TYPE_CHECKING:
    import fsspec

__all__ = ["GribReader"]

_TIME = {"units": "hours since 1970-01-01 00:00:00", "standard_name": "time"}
_AXES = (
    ("latitude", {"units": "degrees_north", "standard_name": "latitude"}),
    ("longitude", {"units": "degrees_east", "standard_name": "longitude"}),
)


@dataclass(frozen=True)
class Messages:
    """Where the message of each time and level lies, if there is one."""

    source: str
    chunk_shape: tuple[int, ...]
    places: Mapping[tuple[int, int], tuple[int, int]]

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Look messages up; nothing is read."""
        nowhere = (0, 0)
        found = [self.places.get((t, z), nowhere) for t, z, *_ in coords.tolist()]
        numbers = np.array(found, dtype=np.int64).reshape(-1, 2)
        return Located(
            sources=np.full(len(coords), self.source, dtype=object),
            offsets=numbers[:, 0],
            sizes=numbers[:, 1],
            layouts=np.where(numbers[:, 1] > 0, 0, ABSENT),
        )


@dataclass(frozen=True)
class Held:
    """A coordinate: all of it in the index."""

    values: NDArray[np.float64]

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """One chunk."""
        return self.values.shape

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Give the values themselves."""
        nothing = np.zeros(len(coords), dtype=np.int64)
        return Located(
            sources=np.full(len(coords), "", dtype=object),
            offsets=nothing,
            sizes=nothing,
            layouts=nothing + INLINE,
            inline=dict.fromkeys(range(len(coords)), self.values),
        )


@dataclass(frozen=True, eq=False)
class Variable:
    """What one name stands for."""

    info: VariableInfo
    index: Messages | Held
    chunk: tuple[int, ...]
    codecs: tuple[Codec, ...] = ()


class GribReader(Reader):
    """Reads the headers of all messages, and leaves their data to backends."""

    name = "grib"
    contract: ClassVar[tuple[int, int]] = (1, 0)

    @classmethod
    def recognises(cls, fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> bool:  # noqa: ARG003
        """Tell by the first bytes."""
        return head.startswith(MAGIC)

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        if group != "/":
            raise VariableNotFound(f"{path} has no group {group!r}")
        try:
            with fs.open(path, "rb") as file:
                fields = list(fields_of(file, path))
            self._version = source_version(fs.info(path))
        except FileNotFoundError as error:
            raise SourceNotFound(f"there is nothing at {path}") from error
        except eccodes.CodesInternalError as error:
            raise UnsupportedFormat(f"{path}: {error}") from error
        self._path = path
        self._variables = _variables(path, fields)

    def variables(self) -> Mapping[str, VariableInfo]:
        """List fields and coordinates."""
        return {name: found.info for name, found in self._variables.items()}

    def array(self, name: str) -> ArrayInfo:
        """Describe a field, each message a chunk; or a coordinate."""
        found = self._variables.get(name)
        if found is None:
            known = ", ".join(sorted(self._variables))
            raise VariableNotFound(f"{self._path} has no {name!r}, but {known}")
        is_field = isinstance(found.index, Messages)
        layout = ChunkLayout(
            "f8",
            found.chunk,
            codecs=found.codecs,
            missing=Missing((MISSING,)) if is_field else None,
            fill_value=MISSING if is_field else None,
        )
        return ArrayInfo(
            name=name,
            shape=found.info.shape,
            dims=found.info.dims,
            dtype=np.dtype("f8"),
            chunks=found.chunk if is_field else None,
            attrs=found.info.attrs,
            layouts=(layout,),
            index=found.index,
            version=self._version,
            version_source=self._path,
            source=self._path,
        )

    def close(self) -> None:
        """Close nothing: all headers were read at once."""


def _variables(path: str, fields: Sequence[Field]) -> dict[str, Variable]:
    by_kind: dict[tuple[str, str, str], list[Field]] = {}
    for field in fields:
        by_kind.setdefault(field.kind, []).append(field)
    found: dict[str, Variable] = {}
    for kind, members in by_kind.items():
        label = _free(found, kind)
        suffix = label.removeprefix(kind[0])
        times = sorted({field.time for field in members})
        levels = sorted({field.level for field in members})
        places = {
            (times.index(field.time), levels.index(field.level)): (
                field.offset, field.size,
            )
            for field in members
        }  # fmt: skip
        if len(places) < len(members):
            raise UnsupportedFormat(f"{path} holds {kind[0]} twice for one time")
        first = members[0]
        axes = [
            ("time", np.array(times), _TIME),
            ("level", np.array(levels), {"long_name": kind[1]}),
        ]
        axes += [
            (name, values, attrs)
            for (name, attrs), values in zip(_AXES, first.axes, strict=False)
        ]
        dims = tuple(_coordinate(found, *axis, suffix) for axis in axes)
        if not first.axes:
            dims += (f"values{suffix}",)
        shape = (len(times), len(levels), *first.shape)
        chunk = (1, 1, *first.shape)
        found[label] = Variable(
            VariableInfo(label, shape, dims, np.dtype("f8"), first.attrs),
            Messages(path, chunk, places),
            chunk,
            (Codec.of(GribMessage.codec_id),),
        )
    return found


def _free(found: Mapping[str, Variable], kind: tuple[str, str, str]) -> str:
    """Name a variable by its parameter, and by its level where that is taken."""
    label = kind[0]
    for more in (kind[1], "2", "3", "4", "5", "6", "7", "8", "9"):
        if label not in found:
            return label
        label = f"{kind[0]}_{more}"
    raise UnsupportedFormat(f"{kind[0]} lies on too many grids")


def _coordinate(
    found: dict[str, Variable],
    name: str,
    values: NDArray[np.float64],
    attrs: Mapping[str, Any],
    suffix: str,
) -> str:
    """Give the name of a coordinate; variables share those that are the same."""
    known = found.get(name)
    if known is not None:
        if isinstance(known.index, Held) and np.array_equal(known.index.values, values):
            return name
        name = f"{name}{suffix}"
    info = VariableInfo(name, values.shape, (name,), np.dtype("f8"), attrs)
    found[name] = Variable(info, Held(values), values.shape)
    return name
