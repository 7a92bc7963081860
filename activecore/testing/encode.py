"""From elements to a chunk's bytes, as a writer of files would make them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.model import ChunkLayout

__all__ = ["encode_chunk"]


def encode_chunk(elements: NDArray[Any], layout: ChunkLayout) -> bytes:
    """Encode one chunk as ``layout`` describes it.

    Independent of activecore's decoder: NumPy lays the elements out, zlib and NumPy
    apply the codecs that they have, numcodecs applies the others.

    Parameters
    ----------
    elements
        The chunk, of the layout's shape; cast to the layout's dtype.
    layout
        Dtype, order and codecs; its missing rules and fill value do not matter.
    """
    if elements.shape != layout.shape:
        raise ValueError(f"elements of shape {elements.shape}, not {layout.shape}")
    stored = elements.astype(layout.dtype).transpose(layout.order)
    data = stored.tobytes(order="C")
    for codec in layout.codecs:
        encode = _ENCODERS.get(codec.id)
        if encode is None:
            data = _by_numcodecs(data, codec.id, codec.config)
        else:
            data = encode(data, codec.config)
    return data


def _zlib(data: bytes, config: Mapping[str, Any]) -> bytes:
    return zlib.compress(data, config.get("level", 1))


def _gzip(data: bytes, config: Mapping[str, Any]) -> bytes:
    return gzip.compress(data, config.get("level", 1), mtime=0)


def _shuffle(data: bytes, config: Mapping[str, Any]) -> bytes:
    width = config["elementsize"]
    whole = len(data) // width * width
    columns = np.frombuffer(data[:whole], dtype=np.uint8).reshape(-1, width)
    return columns.T.tobytes(order="C") + data[whole:]


_ENCODERS: Mapping[str, Callable[[bytes, Mapping[str, Any]], bytes]] = MappingProxyType(
    {"zlib": _zlib, "gzip": _gzip, "shuffle": _shuffle}
)


def _by_numcodecs(data: bytes, name: str, config: Mapping[str, Any]) -> bytes:
    from numcodecs.registry import get_codec

    encoded = get_codec({"id": name, **config}).encode(data)
    return np.ascontiguousarray(encoded).tobytes()
