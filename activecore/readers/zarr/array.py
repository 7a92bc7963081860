"""From a Zarr array's metadata to its ``ArrayInfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from activecore.errors import UnsupportedCodec, UnsupportedFormat
from activecore.model import (
    ArrayInfo,
    ChunkIndex,
    ChunkLayout,
    Scalar,
    is_reducible,
)
from activecore.readers.zarr import cf as zarr_cf
from activecore.readers.zarr.codecs import ChunkEncoding, v2_encoding
from activecore.readers.zarr.documents import Documents
from activecore.readers.zarr.index import ZarrIndex
from activecore.readers.zarr.metadata import ArrayDocument
from activecore.readers.zarr.pipeline import Sharding, v3_encoding
from activecore.readers.zarr.shards import ShardIndex

if TYPE_CHECKING:
    import fsspec

__all__ = ["array_info", "encoding_of"]


def array_info(
    document: ArrayDocument,
    documents: Documents,
    fs: fsspec.AbstractFileSystem,
    *,
    name: str,
    source: str,
    version: str | None,
    version_source: str,
) -> ArrayInfo:
    """Describe an array.

    Parameters
    ----------
    document
        Its metadata.
    documents
        The store, which knows where objects lie.
    fs
        The filesystem from which the indexes of shards are read.
    name, source, version, version_source
        As in ``ArrayInfo``.

    Raises
    ------
    UnsupportedFormat, UnsupportedCodec
        The metadata is broken, or means something that is not supported.
    """
    document.check()
    objects = documents.index(document.path, document.key_template, document.grid)
    if not document.is_reducible:
        return ArrayInfo(
            name=name,
            shape=document.shape,
            dims=document.dims,
            dtype=document.dtype.newbyteorder("="),
            chunks=document.grid,
            attrs=document.attrs,
            layouts=(),
            index=objects,
            version=version,
            version_source=version_source,
            source=source,
        )
    encoding, sharding = _encoding(document)
    index: ChunkIndex = objects
    if sharding is not None:
        _check_shards(document, sharding)
        index = ShardIndex(fs, objects, sharding, name)
    attrs, stored = document.raw_attributes, document.dtype
    rules = (document.fill_value, document.zarr_format, document.label)
    dtype = zarr_cf.stored_dtype(attrs, encoding.dtype)
    layout = ChunkLayout(
        dtype=dtype,
        shape=index.chunk_shape,
        order=encoding.order,
        codecs=encoding.codecs,
        missing=zarr_cf.missing_rules(attrs, stored, *rules),
        fill_value=_fill_value(document.fill_value, stored, dtype),
        # A shard whose index was read and that is gone now is no absent chunk.
        # A shard or zip that is gone is an error: what it had not is known already.
        absent_is_fill=isinstance(index, ZarrIndex),
    )
    return ArrayInfo(
        name=name,
        shape=document.shape,
        dims=document.dims,
        dtype=dtype.newbyteorder("="),
        chunks=index.chunk_shape,
        attrs=document.attrs,
        layouts=(layout,),
        index=index,
        packing=zarr_cf.packing(attrs, dtype, *rules),
        version=version,
        version_source=version_source,
        source=source,
    )


def encoding_of(document: ArrayDocument) -> dict[str, Any]:
    """Say how an array is stored, in the words of xarray's Zarr backend.

    ``_FillValue`` is there where xarray finds it among the attributes.
    """
    chunks, shards = document.grid, None
    if is_reducible(document.dtype):
        try:
            _, sharding = _encoding(document)
        except (UnsupportedCodec, UnsupportedFormat):
            sharding = None  # who wants the numbers is told why there are none
        if sharding is not None:
            chunks, shards = sharding.chunk_shape, document.grid
    found: dict[str, Any] = {
        "dtype": document.dtype,
        "chunks": chunks,
        "shards": shards,
    }
    if is_reducible(document.dtype):
        fill = zarr_cf.fill_attribute(
            document.raw_attributes,
            document.dtype,
            document.fill_value,
            document.zarr_format,
            document.label,
        )
        if fill is not None:
            found["_FillValue"] = fill
    return found


def _encoding(document: ArrayDocument) -> tuple[ChunkEncoding, Sharding | None]:
    metadata, ndim = document.metadata, len(document.shape)
    if document.zarr_format == 2:  # noqa: PLR2004 - the format's number
        encoding = v2_encoding(metadata, document.dtype, ndim, document.label)
        return encoding, None
    codecs = metadata.get("codecs")
    return v3_encoding(codecs, document.dtype, ndim, document.label)


def _check_shards(document: ArrayDocument, sharding: Sharding) -> None:
    for shard, chunk in zip(document.grid, sharding.chunk_shape, strict=True):
        if shard % chunk != 0:
            msg = (
                f"{document.label}: its shards of shape {document.grid} "
                f"do not divide into chunks of shape {sharding.chunk_shape}"
            )
            raise UnsupportedFormat(msg)


def _fill_value(
    declared: Scalar | None, stored: np.dtype[Any], read: np.dtype[Any]
) -> Scalar:
    """Give what unwritten chunks hold: zero where it is null, as in zarr-python."""
    native = stored.newbyteorder("=")
    value = np.asarray(0 if declared is None else declared, dtype=native)
    return cast("np.generic", value.view(read.newbyteorder("="))[()])
