"""Where the inner chunks of a sharded Zarr array lie: by the index of each shard.

A shard is an object that holds chunks and, at its start or end, a table of where each
lies. ``locate`` reads the tables of the shards that are asked for, all together, and
keeps the latest ones.

Whoever writes one chunk writes its whole shard anew, where each chunk may lie elsewhere
then. So each run holds the tables that it went by to those that are there at its end:
a chunk is never taken from a place that is another's now.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.codecs import decode_into
from activecore.errors import (
    ChunkDecodeError,
    ChunkError,
    ChunkReadError,
    SourceChanged,
    UnsupportedFormat,
)
from activecore.model import ABSENT, ChunkIndex, Located
from activecore.readers.zarr.documents import read_all
from activecore.readers.zarr.pipeline import Sharding

if TYPE_CHECKING:
    import fsspec

__all__ = ["RunShardIndex", "ShardIndex"]

Table = NDArray[np.int64]
"""Offset and size of each chunk of a shard, shape (chunks, 2); offset -1: absent."""
Seen: TypeAlias = "dict[tuple[int, ...], bytes]"
"""By coordinates of a shard: the digest of the table that was gone by."""

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
        self._tables: OrderedDict[tuple[int, ...], tuple[Table, bytes]] = OrderedDict()
        self._lock = threading.Lock()  # runs in several threads share the tables

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def for_run(self) -> RunShardIndex:
        """Give the index for one run, which can tell whether it still holds."""
        return RunShardIndex(self)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of an inner chunk."""
        return self._sharding.chunk_shape

    def locate(self, coords: NDArray[np.int64], seen: Seen | None = None) -> Located:
        """Say where these inner chunks lie; reads the tables of their shards.

        Parameters
        ----------
        coords
            Grid coordinates of inner chunks, shape (n, d).
        seen
            Where the tables that were gone by are noted; None: nowhere.

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
            tables = self._read(some, shards, {} if seen is None else seen)
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

    def check_unchanged(self, seen: Seen) -> None:
        """Make sure that shards still have the tables that were gone by.

        Raises
        ------
        SourceChanged
            One has another, or is gone.
        ChunkReadError
            That could not be found out.
        """
        keys = list(seen)
        together = max(1, _READ_BYTES // self._table_bytes)
        for first in range(0, len(keys), together):
            some = keys[first : first + together]
            shards = self._shards.locate(np.array(some, dtype=np.int64))
            answers = self._answers(shards, list(range(len(some))))
            for place, (key, answer) in enumerate(zip(some, answers, strict=True)):
                source = str(shards.sources[place])
                is_gone = isinstance(answer, FileNotFoundError)
                if isinstance(answer, BaseException) and not is_gone:
                    msg = f"the index of the shard cannot be read again: {answer}"
                    error = ChunkReadError(msg)
                    error.variable, error.source = self._variable, source
                    raise error from answer
                if is_gone or _digest(bytes(answer)) != seen[key]:
                    with self._lock:
                        self._tables.pop(key, None)
                    what = "removed" if is_gone else "written anew"
                    raise SourceChanged(
                        f"{source} was {what} after its index was read; open it again"
                    )

    def _read(
        self, coords: NDArray[np.int64], shards: Located, seen: Seen
    ) -> list[Table | None]:
        """Give the table of each shard; None: there is no such shard."""
        keys = [tuple(row) for row in coords.tolist()]
        with self._lock:
            kept = [self._tables.get(key) for key in keys]
            for key, known in zip(keys, kept, strict=True):
                if known is not None:
                    self._tables.move_to_end(key)
        wanted = [
            place
            for place, known in enumerate(kept)
            if known is None and shards.layouts[place] != ABSENT
        ]
        answers = self._answers(shards, wanted)
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
            kept[place] = table, _digest(bytes(answer))
        for place, (key, known) in enumerate(zip(keys, kept, strict=True)):
            # What lies in one object with all else has the version of that object.
            if known is not None and shards.sizes[place] == -1:
                seen.setdefault(key, known[1])
        for place in wanted:
            known = kept[place]
            if known is not None:
                self._keep(keys[place], known)
        return [None if known is None else known[0] for known in kept]

    def _answers(self, shards: Located, places: list[int]) -> list[Any]:
        """Read the tables of some of these shards, as bytes or exceptions."""
        starts, ends = self._extents(shards, places)
        sources = [str(shards.sources[place]) for place in places]
        return read_all(self._fs, sources, starts, ends)

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

    def _keep(self, key: tuple[int, ...], known: tuple[Table, bytes]) -> None:
        with self._lock:
            self._tables[key] = known
            while len(self._tables) * known[0].nbytes > _KEPT_BYTES:
                self._tables.popitem(last=False)


class RunShardIndex:
    """A shard index as one run asks it.

    Parameters
    ----------
    index
        The index, which keeps tables from one run to the next.
    """

    def __init__(self, index: ShardIndex) -> None:
        self._index = index
        self._seen: Seen = {}

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of an inner chunk."""
        return self._index.chunk_shape

    def locate(self, coords: NDArray[np.int64]) -> Located:
        """Say where these inner chunks lie. See ``ShardIndex``."""
        return self._index.locate(coords, self._seen)

    def check_unchanged(self) -> None:
        """Make sure that what was said holds still. See ``ShardIndex``."""
        self._index.check_unchanged(self._seen)


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


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
