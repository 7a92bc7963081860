"""How the chunks of a Zarr v3 array are encoded: its list of codecs, taken apart.

Codecs turn arrays into arrays, then into bytes, then bytes into bytes. Here

- ``transpose`` becomes the layout's ``order``;
- ``bytes`` becomes the byte order of the layout's dtype;
- filters of numcodecs and all that turns bytes into bytes become the pipeline;
- ``sharding_indexed`` becomes a ``Sharding``: its inner chunks are what is located.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from activecore.errors import UnsupportedCodec, UnsupportedFormat
from activecore.model import Codec
from activecore.readers.zarr.codecs import (
    NUMCODECS,
    ChunkEncoding,
    codec_of,
    v3_codec,
)
from activecore.readers.zarr.metadata import named

__all__ = ["Sharding", "v3_encoding"]

_CONFIGURED_DTYPE = {
    "delta": "dtype",
    "fixedscaleoffset": "dtype",
    "quantize": "dtype",
    "astype": "decode_dtype",
}
"""Filters that are told the dtype they decode to, and what the setting is called."""

_ELEMENTWISE = frozenset({"fixedscaleoffset", "quantize", "astype", "bitround"})
"""Filters that do the same in whatever order elements are stored."""

_FILTERS = {
    f"{NUMCODECS}{name}": name for name in (*_CONFIGURED_DTYPE, "bitround", "packbits")
}

_Named: TypeAlias = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a shard, which is an object, holds inner chunks."""

    chunk_shape: tuple[int, ...]
    """Shape of an inner chunk, in the array's dimension order."""
    order: tuple[int, ...]
    """Axes of the array in the sequence in which inner chunks are numbered."""
    index_dtype: np.dtype[Any]
    """Dtype of the numbers in the index: unsigned, 64 bit."""
    index_codecs: tuple[Codec, ...]
    """What is done to the index's bytes: checksums alone, so its size is known."""
    at_end: bool
    """Whether the index lies at the end of the shard, or at its start."""


def v3_encoding(
    codecs: Any, dtype: np.dtype[Any], ndim: int, label: str
) -> tuple[ChunkEncoding, Sharding | None]:
    """Read the codecs of a Zarr v3 array.

    Parameters
    ----------
    codecs
        The metadata's list.
    dtype
        The array's dtype.
    ndim
        How many dimensions it has.
    label
        What messages call the array.

    Returns
    -------
    encoding
        Of the array's chunks; of inner chunks where there are shards.
    sharding
        None: chunks are objects.

    Raises
    ------
    UnsupportedCodec
        Codecs in a combination that cannot be expressed; the message names them.
    UnsupportedFormat
        The metadata is not what the format says.
    """
    return _Pipeline(dtype, ndim, label).read(codecs)


class _Pipeline:
    """What the codecs read so far have done to an array."""

    def __init__(self, dtype: np.dtype[Any], ndim: int, label: str) -> None:
        self.dtype = dtype
        self.label = label
        self.order = tuple(range(ndim))
        self.filters: list[Codec] = []
        self.decoded: np.dtype[Any] | None = None

    def read(self, given: Any) -> tuple[ChunkEncoding, Sharding | None]:
        items = _list(given, self.label)
        for number, (name, config) in enumerate(items):
            rest = items[number + 1 :]
            if name == "transpose":
                self._transpose(config.get("order"))
            elif name in _FILTERS:
                self._filter(_FILTERS[name], dict(config))
            elif name == "bytes":
                return self._end(self._stored(config.get("endian")), rest), None
            elif name == "sharding_indexed":
                return self._sharding(config, rest)
            else:
                # To bytes in a way of its own: pcodec, zfpy, and what nobody knows.
                return self._end(self.decoded or self.dtype, items[number:]), None
        raise self._broken("no codec turns its arrays into bytes")

    def _end(self, dtype: np.dtype[Any], rest: Sequence[_Named]) -> ChunkEncoding:
        codecs = [v3_codec(*item, self.dtype.itemsize) for item in rest]
        return ChunkEncoding(dtype, self.order, (*self.filters, *codecs))

    def _transpose(self, given: Any) -> None:
        for codec in self.filters:
            if codec.id not in _ELEMENTWISE:
                raise self._unsupported(f"transpose after {codec}")
        axes = range(len(self.order))
        if given in ("C", "F"):
            given = list(axes if given == "C" else axes[::-1])
        if not _are_integers(given) or sorted(given) != list(axes):
            raise self._broken(f"its codec transpose has the order {given!r}")
        self.order = tuple(self.order[axis] for axis in given)

    def _filter(self, name: str, config: dict[str, Any]) -> None:
        decoded = np.dtype(np.bool_) if name == "packbits" else None
        if name in _CONFIGURED_DTYPE:
            key = _CONFIGURED_DTYPE[name]
            if config.get(key) is None:
                config[key] = self.dtype.str
            try:
                decoded = np.dtype(config[key])
            except TypeError as error:
                why = f"its codec {name} has the dtype {config[key]!r}"
                raise self._broken(why) from error
        if not self.filters and decoded is not None:
            if decoded.newbyteorder("=") != self.dtype.newbyteorder("="):
                raise self._broken(
                    f"its codec {name} gives {decoded}, not {self.dtype}"
                )
            self.decoded = decoded
        self.filters.append(codec_of(name, config))

    def _stored(self, endian: Any) -> np.dtype[Any]:
        """Give the dtype of decoded elements, by what ``bytes`` says."""
        if endian not in (None, "little", "big"):
            raise self._broken(f"its codec bytes has the byte order {endian!r}")
        for codec in self.filters:
            # Each has its own idea of the byte order of what is stored.
            if endian == "big" and codec.id != "bitround":
                raise self._unsupported(f"big-endian bytes after {codec}")
        if self.decoded is not None:
            return self.decoded
        return self.dtype.newbyteorder(">" if endian == "big" else "<")

    def _sharding(
        self, config: Mapping[str, Any], rest: Sequence[_Named]
    ) -> tuple[ChunkEncoding, Sharding]:
        if self.filters:
            raise self._unsupported(f"sharding_indexed after {self.filters[-1]}")
        if rest:
            raise self._unsupported(f"{rest[0][0]} around sharding_indexed")
        outer = self.order
        lengths: Any = config.get("chunk_shape")
        if (
            not _are_integers(lengths)
            or len(lengths) != len(outer)
            or any(length < 1 for length in lengths)
        ):
            raise self._broken(f"its inner chunks have the shape {lengths!r}")
        location = config.get("index_location", "end")
        if location not in ("start", "end"):
            raise self._broken(f"the index of its shards lies at {location!r}")
        inner = _Pipeline(self.dtype, len(outer), self.label)
        encoding, nested = inner.read(config.get("codecs"))
        if nested is not None:
            raise self._unsupported("sharding_indexed within sharding_indexed")
        index = self._index(config.get("index_codecs"))
        along = dict(zip(outer, lengths, strict=True))
        sharding = Sharding(
            chunk_shape=tuple(along[axis] for axis in range(len(outer))),
            order=outer,
            index_dtype=index.dtype,
            index_codecs=index.codecs,
            at_end=location == "end",
        )
        order = tuple(outer[axis] for axis in encoding.order)
        return ChunkEncoding(encoding.dtype, order, encoding.codecs), sharding

    def _index(self, given: Any) -> ChunkEncoding:
        codecs = ["bytes", "crc32c"] if given is None else given
        for name, _ in _list(codecs, self.label):
            if name not in ("bytes", "crc32c"):
                raise self._unsupported(f"{name} in the index of its shards")
        encoding, _ = _Pipeline(np.dtype(np.uint64), 0, self.label).read(codecs)
        return encoding

    def _broken(self, why: str) -> UnsupportedFormat:
        return UnsupportedFormat(f"{self.label}: {why}")

    def _unsupported(self, what: str) -> UnsupportedCodec:
        return UnsupportedCodec(
            f"{self.label} is encoded with {what}, which is not supported"
        )


def _list(given: Any, label: str) -> list[_Named]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        msg = f"{label}: its codecs are {given!r}"
        raise UnsupportedFormat(msg)
    return [named(item, f"{label}: a codec") for item in given]


def _are_integers(given: Any) -> bool:
    return isinstance(given, Sequence) and all(type(item) is int for item in given)
