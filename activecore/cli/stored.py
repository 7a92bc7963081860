"""What the metadata of a variable say about it, as plain data and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from activecore.errors import ActiveCoreError
from activecore.model import ABSENT, ArrayInfo, Codec, Missing, is_reducible
from activecore.output.document import plain
from activecore.sizes import bytes_words

if TYPE_CHECKING:
    from activecore.array import ActiveArray

__all__ = [
    "codec_words",
    "missing_words",
    "packing_words",
    "storage",
    "variable_document",
]

_MOST_LOCATED = 1_000_000
"""Of more chunks than these nobody is asked where they lie."""
_AT_ONCE = 1 << 16

_CODECS: Mapping[str, str] = {
    "zlib": "zlib",
    "gzip": "gzip",
    "zstd": "Zstandard",
    "shuffle": "byte shuffle",
    "fletcher32": "Fletcher-32 checksum",
    "crc32c": "CRC-32C checksum",
    "lzf": "LZF",
    "lz4": "LZ4",
    "hdf5_lz4": "LZ4",
    "hdf5_szip": "szip",
    "hdf5_nbit": "n-bit packing",
    "hdf5_scaleoffset": "scale-offset packing",
    "hdf5_bitshuffle": "bit shuffle",
    "blosc": "Blosc",
    "blosc2": "Blosc2",
    "bz2": "bzip2",
    "lzma": "LZMA",
    "delta": "differences",
    "fixedscaleoffset": "fixed scale and offset",
    "quantize": "rounding to digits",
    "bitround": "rounding to bits",
}


def codec_words(codec: Codec) -> str:
    """Name one step of a chunk's encoding: ``"zlib (level 4)"``."""
    config = codec.config
    if codec.id.startswith("hdf5:"):
        name = config.get("name") or "unknown"
        return f"HDF5 filter {codec.id.removeprefix('hdf5:')} ({name})"
    name = _CODECS.get(codec.id, codec.id)
    if codec.id == "blosc" and "cname" in config:
        name = f"Blosc {config['cname']}"
    level = config.get("level", config.get("clevel"))
    return name if level is None else f"{name} (level {level})"


def missing_words(missing: Missing) -> str:
    """Say which stored values are no data."""
    parts = []
    if len(missing.values) > 0:
        parts.append("equal to " + " or ".join(str(value) for value in missing.values))
    if missing.valid_min is not None:
        parts.append(f"below {missing.valid_min}")
    if missing.valid_max is not None:
        parts.append(f"above {missing.valid_max}")
    return ", ".join(parts) or "none"


def packing_words(info: ArrayInfo) -> str | None:
    """Say how stored numbers become values: ``"stored × 0.01 + 273.15"``; or None."""  # noqa: RUF002 - as it is printed
    packing = info.packing
    if packing is None:
        return None
    words = "stored"
    if packing.scale_factor is not None:
        words += f" × {packing.scale_factor}"  # noqa: RUF001 - it multiplies
    if packing.add_offset is not None:
        words += f" + {packing.add_offset}"
    return words


def _grid(info: ArrayInfo) -> tuple[int, ...]:
    return tuple(
        -(-length // chunk) if chunk > 0 else 0
        for length, chunk in zip(info.shape, info.index.chunk_shape, strict=True)
    )


def _located(info: ArrayInfo, grid: tuple[int, ...]) -> Iterator[Any]:
    number = math.prod(grid)
    for start in range(0, number, _AT_ONCE):
        flat = np.arange(start, min(start + _AT_ONCE, number))
        coords = np.empty((len(flat), len(grid)), dtype=np.int64)
        if len(grid) > 0:
            coords[:] = np.stack(np.unravel_index(flat, grid), axis=1)
        yield info.index.locate(coords)


def storage(info: ArrayInfo) -> dict[str, Any]:
    """Count a variable's chunks and their bytes.

    Returns
    -------
    dict
        ``chunks``; ``chunk_shape``; and ``stored_bytes``, ``absent_chunks``,
        ``whole_objects`` as far as the index tells: an object's size is known when it
        is read, and so is whether it is there.
    """
    grid = _grid(info)
    found: dict[str, Any] = {
        "chunks": math.prod(grid),
        "chunk_shape": list(info.index.chunk_shape),
        "contiguous": info.chunks is None,
        "stored_bytes": None,
        "absent_chunks": None,
        "whole_objects": None,
    }
    if found["chunks"] > _MOST_LOCATED:
        return found
    stored = absent = objects = 0
    for located in _located(info, grid):
        there = located.layouts >= 0
        sizes = located.sizes[there]
        objects += int((sizes == -1).sum())
        stored += int(sizes[sizes >= 0].sum())
        stored += sum(int(array.nbytes) for array in located.inline.values())
        absent += int((located.layouts == ABSENT).sum())
    found["whole_objects"] = objects
    if objects == 0:
        found |= {"stored_bytes": stored, "absent_chunks": absent}
    return found


def variable_document(array: ActiveArray) -> dict[str, Any]:
    """Describe a variable as plain data, ready for ``json.dumps``."""
    info = array.info
    document: dict[str, Any] = {
        "name": info.name,
        "source": info.source,
        "dims": list(info.dims),
        "shape": list(info.shape),
        "dtype": str(array.dtype),
        "stored_dtype": str(info.dtype),
        "nbytes": array.nbytes,
        "chunks": None if info.chunks is None else list(info.chunks),
    }
    if len(info.layouts) > 0 and is_reducible(info.dtype):
        layout = info.layouts[0]
        document |= {
            "stored_byte_order": _byte_order(layout.dtype),
            "codecs": [{"id": c.id, **plain(c.config)} for c in layout.codecs],
            "missing": {
                "values": plain(layout.missing.values),
                "valid_min": plain(layout.missing.valid_min),
                "valid_max": plain(layout.missing.valid_max),
            },
            "fill_value": plain(layout.fill_value),
            "packing": _packing(info),
        }
        try:
            document["storage"] = storage(info)
        except ActiveCoreError as error:
            document["storage"] = {"problem": str(error)}
    document["attributes"] = plain(info.attrs)
    return document


def _packing(info: ArrayInfo) -> dict[str, Any] | None:
    packing = info.packing
    if packing is None:
        return None
    return {
        "scale_factor": plain(packing.scale_factor),
        "add_offset": plain(packing.add_offset),
    }


def _byte_order(dtype: np.dtype[Any]) -> str:
    if dtype.itemsize == 1:
        return "none"
    swapped = {"little": "big", "big": "little"}
    import sys

    return sys.byteorder if dtype.isnative else swapped[sys.byteorder]


def stored_words(array: ActiveArray) -> Iterator[tuple[str, str]]:
    """Describe a variable in words, as rows of a name and what is to be said."""
    info = array.info
    lengths = zip(info.dims, info.shape, strict=True)
    yield (
        "dimensions",
        ", ".join(f"{dim}: {n}" for dim, n in lengths) or "none (a scalar)",
    )
    if len(info.layouts) == 0 or not is_reducible(info.dtype):
        yield "type", f"{info.dtype} (cannot be reduced)"
        return
    layout = info.layouts[0]
    order = _byte_order(layout.dtype)
    stored = f"{info.dtype}, {order}-endian" if order != "none" else str(info.dtype)
    yield "type", str(array.dtype) if info.packing is not None else stored
    unpacked = packing_words(info)
    if unpacked is not None:
        yield "packing", f"{unpacked}; stored as {stored}"
    yield (
        "missing",
        f"stored values {missing_words(layout.missing)}"
        if (layout.missing)
        else "no value is",
    )
    yield from _chunk_words(array)
    codecs = " → ".join(codec_words(codec) for codec in layout.codecs)
    more = len(info.layouts) - 1
    other = (
        f"; {more} other way{'s' if more > 1 else ''} for some chunks" if more else ""
    )
    yield "encoding", (codecs or "none") + other


def _chunk_words(array: ActiveArray) -> Iterator[tuple[str, str]]:
    info = array.info
    try:
        found = storage(info)
    except ActiveCoreError as error:
        yield "chunks", f"cannot be located: {error}"
        return
    shape = " × ".join(map(str, found["chunk_shape"]))  # noqa: RUF001 - as shapes are written
    shape = shape or "one value"
    if found["contiguous"]:
        yield "chunks", f"contiguous, reduced in {found['chunks']} pieces of {shape}"
    else:
        yield "chunks", f"{found['chunks']} of {shape}"
    size = f"{bytes_words(array.nbytes)} in memory"
    stored, absent, objects = (
        found[key] for key in ("stored_bytes", "absent_chunks", "whole_objects")
    )
    if stored is not None:
        size += f", {bytes_words(stored)} stored"
        if stored > 0:
            size += f" (ratio {info_bytes(info) / stored:.2f})"
    elif objects:
        size += f"; {objects} objects, whose sizes are known when they are read"
    yield "size", size
    if absent:
        yield "unwritten", f"{absent} chunks, which hold {_fill(info)}"


def info_bytes(info: ArrayInfo) -> int:
    """Give the size of a variable's stored elements before they are encoded."""
    return math.prod(info.shape) * info.dtype.itemsize


def _fill(info: ArrayInfo) -> str:
    fill = info.layouts[0].fill_value
    return "nothing" if fill is None else str(fill)
