"""Where the inner chunks of a sharded Zarr array lie: by the index of each shard.

A shard is an object that holds chunks and, at its start or end, a table of where each
lies. ``locate`` reads the tables of the shards that are asked for, all together, and
keeps the latest ones.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.codecs import decode_into
from activecore.errors import (
    ChunkDecodeError,
    ChunkError,
    ChunkReadError,
    UnsupportedFormat,
)
from activecore.model import ABSENT, ChunkIndex, Located
from activecore.readers.zarr.documents import read_all
from activecore.readers.zarr.pipeline import Sharding

if TYPE_CHECKING:
    import fsspec

__all__ = ["ShardIndex"]

Table = NDArray[np.int64]
"""Offset and size of each chunk of a shard, shape (chunks, 2); offset -1: absent."""

_READ_BYTES = 32 << 20
"""How much of tables is read in one go."""
_KEPT_BYTES = 32 << 20
"""How much of tables is kept for later questions."""
_MAX_TABLE_BYTES = 1 << 30
"""A longer table is refused: nobody writes 64 million chunks into one object."""
_NUMBER = 8
_CHECKSUM = 4
_NONE = np.uint64(2**64 - 1)
_LIMIT = 2**63


class ShardIndex:
    """Inner chunks, as byte ranges of shards.

    Parameters
    ----------
    fs
        The filesystem in which the shards lie.
    shards
        Where the shards lie; its ``chunk_shape`` is a shard's.
    sharding
        How a shard holds its chunks.
    variable
        Name of the variable, for errors.
    """

    def __init__(
        self,
        fs: fsspec.AbstractFileSystem,
        shards: ChunkIndex,
        sharding: Sharding,
        variable: str,
    ) -> None:
        self._fs = fs
        self._shards = shards
        self._sharding = sharding
        self._variable = variable
        per_shard = [
            shard // chunk
            for shard, chunk in zip(
                shards.chunk_shape, sharding.chunk_shape, strict=True
            )
        ]
        self._per_shard = np.array(per_shard, dtype=np.int64)
        # C order strides of the numbers of inner chunks, in the stored axis sequence.
        lengths = [per_shard[axis] for axis in sharding.order]
        strides = [math.prod(lengths[place + 1 :]) for place in range(len(lengths))]
        self._chunks = math.prod(per_shard)
        checksums = _CHECKSUM * len(sharding.index_codecs)
        self._table_bytes = 2 * _NUMBER * self._chunks + checksums
        if self._table_bytes > _MAX_TABLE_BYTES:
            msg = f"{variable}: a shard has {self._chunks} chunks"
            raise UnsupportedFormat(msg)
        self._strides = np.array(strides, dtype=np.int64)
        self._tables: OrderedDict[tuple[int, ...], Table] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": OrderedDict()}

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of an inner chunk."""
        return self._sharding.chunk_shape

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Say where these inner chunks lie; reads the tables of their shards.

        Raises
        ------
        ChunkReadError
            A table could not be read. A shard that is not there has no chunks;
            one that may not be read is an error.
        ChunkDecodeError
            A table is too short, has a wrong checksum or points outside its shard.
        """
        count = len(coords)
        located = Located(
            sources=np.full(count, "", dtype=object),
            offsets=np.zeros(count, dtype=np.int64),
            sizes=np.zeros(count, dtype=np.int64),
            layouts=np.full(count, ABSENT, dtype=np.int64),
        )
        if count == 0:
            return located
        shard_coords, which = _unique_rows(coords // self._per_shard)
        inside = (coords % self._per_shard)[:, list(self._sharding.order)]
        numbers = inside @ self._strides
        rows_of = _rows_by_group(which, len(shard_coords))
        together = max(1, _READ_BYTES // self._table_bytes)
        for first in range(0, len(shard_coords), together):
            some = shard_coords[first : first + together]
            shards = self._shards.locate(some)
            tables = self._read(some, shards)
            for place, table in enumerate(tables):
                if table is None:
                    continue
                rows = rows_of[first + place]
                offsets, sizes = table[numbers[rows]].T
                present = offsets >= 0
                located.sources[rows] = shards.sources[place]
                located.offsets[rows] = np.where(
                    present, shards.offsets[place] + offsets, 0
                )
                located.sizes[rows] = sizes
                located.layouts[rows] = np.where(present, shards.layouts[place], ABSENT)
        return located

    def _read(self, coords: NDArray[np.int64], shards: Located) -> list[Table | None]:
        """Give the table of each shard; None: there is no such shard."""
        keys = [tuple(row) for row in coords.tolist()]
        wanted = [
            place
            for place, key in enumerate(keys)
            if key not in self._tables and shards.layouts[place] != ABSENT
        ]
        tables: list[Table | None] = [self._tables.get(key) for key in keys]
        starts, ends = self._extents(shards, wanted)
        sources = [str(shards.sources[place]) for place in wanted]
        answers = read_all(self._fs, sources, starts, ends)
        for place, answer in zip(wanted, answers, strict=True):
            is_object = shards.sizes[place] == -1
            if isinstance(answer, FileNotFoundError) and is_object:
                continue
            try:
                table = self._parse(answer, int(shards.sizes[place]))
            except ChunkError as error:
                error.variable = self._variable
                error.source = str(shards.sources[place])
                raise
            tables[place] = table
            self._keep(keys[place], table)
        for place, key in enumerate(keys):
            if tables[place] is not None and key in self._tables:
                self._tables.move_to_end(key)
        return tables

    def _extents(
        self, shards: Located, places: list[int]
    ) -> tuple[list[int], list[int | None]]:
        starts: list[int] = []
        ends: list[int | None] = []
        for place in places:
            offset, size = int(shards.offsets[place]), int(shards.sizes[place])
            if not self._sharding.at_end:
                starts.append(offset)
                ends.append(offset + self._table_bytes)
            elif size == -1:
                starts.append(-self._table_bytes)
                ends.append(None)
            else:
                starts.append(max(offset, offset + size - self._table_bytes))
                ends.append(offset + size)
        return starts, ends

    def _parse(self, answer: Any, size: int) -> Table:
        """Decode a table and check it; ``size`` of the shard, -1 if not known."""
        if isinstance(answer, BaseException):
            msg = f"the index of the shard cannot be read: {answer}"
            raise ChunkReadError(msg) from answer
        raw = bytes(answer)
        if len(raw) != self._table_bytes:
            msg = (
                f"the index of the shard is {self._table_bytes} bytes long, "
                f"but there are {len(raw)}"
            )
            raise ChunkDecodeError(msg)
        decoded = np.empty(2 * _NUMBER * self._chunks, dtype=np.uint8)
        try:
            decode_into(self._sharding.index_codecs, raw, decoded, limit=decoded.nbytes)
        except ChunkDecodeError as error:
            msg = f"the index of the shard is damaged: {error}"
            raise ChunkDecodeError(msg) from error
        numbers = decoded.view(self._sharding.index_dtype).astype(np.uint64)
        return self._checked(numbers.reshape(-1, 2), size)

    def _checked(self, numbers: NDArray[np.uint64], size: int) -> Table:
        absent = (numbers == _NONE).all(axis=1)
        present = numbers[~absent]
        limit = _LIMIT if size == -1 else size
        # Two numbers below 2**63 do not overflow when they are added.
        ends = present.sum(axis=1, dtype=np.uint64)
        if (present >= _LIMIT).any() or (ends > limit).any() or (ends >= _LIMIT).any():
            msg = "the index of the shard points outside the shard"
            raise ChunkDecodeError(msg)
        table = np.empty(numbers.shape, dtype=np.int64)
        table[absent] = (-1, 0)
        table[~absent] = present.astype(np.int64)
        return table

    def _keep(self, key: tuple[int, ...], table: Table) -> None:
        self._tables[key] = table
        while len(self._tables) * table.nbytes > _KEPT_BYTES:
            self._tables.popitem(last=False)


def _unique_rows(
    coords: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the different rows, and for each row which one it is."""
    low = coords.min(axis=0)
    lengths = (coords.max(axis=0) - low + 1).tolist()
    if math.prod(lengths) < _LIMIT:
        # One number a row is sorted ten times as fast as rows are.
        strides = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
        numbers = (coords - low) @ np.array(strides, dtype=np.int64)
        _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
        return coords[first], which.reshape(-1).astype(np.int64)
    unique, which = np.unique(coords, axis=0, return_inverse=True)
    return unique, which.reshape(-1).astype(np.int64)


def _rows_by_group(which: NDArray[np.int64], groups: int) -> list[NDArray[np.int64]]:
    rows = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=groups))
    starts = itertools.chain([0], ends[:-1].tolist())
    return [rows[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]
