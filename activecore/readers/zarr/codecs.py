"""How Zarr's codecs are called here, and the pipeline of a Zarr v2 array.

Zarr v2 names numcodecs codecs, in the order in which a writer applies them: filters,
then the compressor. Zarr v3 has its own names; ``zarr_pipeline`` reads its lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from activecore.errors import UnsupportedFormat
from activecore.model import Codec

__all__ = ["NUMCODECS", "ChunkEncoding", "codec_of", "v2_encoding", "v3_codec"]

NUMCODECS = "numcodecs."
"""Prefix of the names that numcodecs' codecs have in Zarr v3."""

_BLOSC_SHUFFLE = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


@dataclass(frozen=True, slots=True)
class ChunkEncoding:
    """How elements of a chunk become its bytes."""

    dtype: np.dtype[Any]
    """Dtype of decoded elements, byte order included."""
    order: tuple[int, ...]
    """Axes in the sequence in which they are stored, slowest first."""
    codecs: tuple[Codec, ...]
    """The pipeline, in encode order."""


def codec_of(name: str, config: Mapping[str, Any]) -> Codec:
    """Make a codec of an id and a configuration as JSON has it."""
    frozen = {str(key): _hashable(value) for key, value in config.items()}
    return Codec(name, tuple(sorted(frozen.items())))


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _hashable(item)) for key, item in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_hashable(item) for item in value)
    return value


def v3_codec(name: str, config: Mapping[str, Any], itemsize: int) -> Codec:
    """Give the codec that a Zarr v3 name means.

    Parameters
    ----------
    name, config
        As the metadata has them.
    itemsize
        Of the array's dtype: what ``numcodecs.shuffle`` shuffles by default.

    Returns
    -------
    Codec
        With numcodecs' id. A name that is neither of the specification nor of
        numcodecs becomes ``zarr:<name>``, which nothing decodes: the bare name could
        be that of a codec of numcodecs that does something else.
    """
    items = dict(config)
    if name == "crc32c":
        return Codec.of("crc32c", location="end")
    if name == "blosc":
        shuffle = items.get("shuffle", "noshuffle")
        items["shuffle"] = _BLOSC_SHUFFLE.get(shuffle, shuffle)
        # Compressed data says it too, and older numcodecs do not know it.
        items.pop("typesize", None)
    elif name.startswith(NUMCODECS):
        name = name.removeprefix(NUMCODECS)
        if name == "shuffle" and items.get("elementsize") is None:
            items["elementsize"] = itemsize
    elif name not in ("gzip", "zstd"):
        name = f"zarr:{name}"
    return codec_of(name, items)


def v2_encoding(
    metadata: Mapping[str, Any], dtype: np.dtype[Any], ndim: int, label: str
) -> ChunkEncoding:
    """Read the codecs of a Zarr v2 array.

    Parameters
    ----------
    metadata
        The document ``.zarray``.
    dtype
        The array's dtype, byte order included.
    ndim
        How many dimensions it has.
    label
        What messages call the array.

    Raises
    ------
    UnsupportedFormat
        The metadata is not what the format says.
    """
    order = metadata.get("order", "C")
    if order not in ("C", "F"):
        msg = f"{label}: its order is {order!r}"
        raise UnsupportedFormat(msg)
    filters = metadata.get("filters")
    configs = [metadata.get("compressor")]
    if filters is not None:
        if not isinstance(filters, Sequence) or isinstance(filters, str):
            msg = f"{label}: its filters are {filters!r}"
            raise UnsupportedFormat(msg)
        configs = [*filters, *configs]
    codecs = []
    for config in configs:
        if config is None:
            continue
        if not isinstance(config, Mapping) or not isinstance(config.get("id"), str):
            msg = f"{label}: {config!r} is no codec"
            raise UnsupportedFormat(msg)
        items = {key: value for key, value in config.items() if key != "id"}
        codecs.append(codec_of(config["id"], items))
    axes = tuple(range(ndim))
    return ChunkEncoding(dtype, axes if order == "C" else axes[::-1], tuple(codecs))
