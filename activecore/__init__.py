"""activecore: reduce climate and earth-science arrays where they lie.

::

    import activecore as ac

    tas = ac.open("tas.nc", "tas")
    tas[0:120].mean(axis=("lat", "lon"))

Every name of ``__all__`` is imported on first use, so that ``import activecore`` takes
no time and a plugin pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from activecore.api import (
        Dataset,
        open,  # noqa: A004 - the contract says activecore.open
    )
    from activecore.array import ActiveArray
    from activecore.backend import ByteRangeBackend, StorageBackend
    from activecore.cancel import check_cancelled
    from activecore.compat import Active
    from activecore.contract import CONTRACT
    from activecore.encoded import EncodedChunks
    from activecore.errors import (
        ActiveCoreError,
        AuthenticationError,
        BackendError,
        BackendNotInstalled,
        BackendRefused,
        BackendUnavailable,
        Cancelled,
        ChunkDecodeError,
        ChunkError,
        ChunkNotFound,
        ChunkReadError,
        ConfigError,
        SelectionError,
        SourceChanged,
        SourceError,
        SourceNotFound,
        UnsupportedCodec,
        UnsupportedDtype,
        UnsupportedFormat,
        UnsupportedReduction,
        VariableNotFound,
    )
    from activecore.functional import ChunkCall
    from activecore.hookspecs import hookimpl
    from activecore.kernel import reduce_buffers
    from activecore.model import (
        ABSENT,
        INLINE,
        OPERATIONS,
        ArrayInfo,
        ChunkBatch,
        ChunkIndex,
        ChunkLayout,
        ChunkRequest,
        Codec,
        Cost,
        GroupInfo,
        Located,
        Missing,
        Packing,
        Partial,
        VariableInfo,
        source_version,
    )
    from activecore.options import BackendOptions
    from activecore.ranges import RangeRun, group_by_source, join_ranges
    from activecore.readers.base import Reader
    from activecore.readers.remote.conditional import ConditionalFileSystem
    from activecore.recording import record

__all__ = [
    "ABSENT",
    "CONTRACT",
    "INLINE",
    "OPERATIONS",
    "Active",
    "ActiveArray",
    "ActiveCoreError",
    "ArrayInfo",
    "AuthenticationError",
    "BackendError",
    "BackendNotInstalled",
    "BackendOptions",
    "BackendRefused",
    "BackendUnavailable",
    "ByteRangeBackend",
    "Cancelled",
    "ChunkBatch",
    "ChunkCall",
    "ChunkDecodeError",
    "ChunkError",
    "ChunkIndex",
    "ChunkLayout",
    "ChunkNotFound",
    "ChunkReadError",
    "ChunkRequest",
    "Codec",
    "ConditionalFileSystem",
    "ConfigError",
    "Cost",
    "Dataset",
    "EncodedChunks",
    "GroupInfo",
    "Located",
    "Missing",
    "Packing",
    "Partial",
    "RangeRun",
    "Reader",
    "SelectionError",
    "SourceChanged",
    "SourceError",
    "SourceNotFound",
    "StorageBackend",
    "UnsupportedCodec",
    "UnsupportedDtype",
    "UnsupportedFormat",
    "UnsupportedReduction",
    "VariableInfo",
    "VariableNotFound",
    "check_cancelled",
    "group_by_source",
    "hookimpl",
    "join_ranges",
    "open",
    "record",
    "reduce_buffers",
    "source_version",
]

_NAMES_OF_MODULE = {
    "api": ("Dataset", "open"),
    "array": ("ActiveArray",),
    "backend": ("ByteRangeBackend", "StorageBackend"),
    "cancel": ("check_cancelled",),
    "compat": ("Active",),
    "contract": ("CONTRACT",),
    "encoded": ("EncodedChunks",),
    "errors": (
        "ActiveCoreError",
        "AuthenticationError",
        "BackendError",
        "BackendNotInstalled",
        "BackendRefused",
        "BackendUnavailable",
        "Cancelled",
        "ChunkDecodeError",
        "ChunkError",
        "ChunkNotFound",
        "ChunkReadError",
        "ConfigError",
        "SelectionError",
        "SourceChanged",
        "SourceError",
        "SourceNotFound",
        "UnsupportedCodec",
        "UnsupportedDtype",
        "UnsupportedFormat",
        "UnsupportedReduction",
        "VariableNotFound",
    ),
    "functional": ("ChunkCall",),
    "hookspecs": ("hookimpl",),
    "kernel": ("reduce_buffers",),
    "model": (
        "ABSENT",
        "INLINE",
        "OPERATIONS",
        "ArrayInfo",
        "ChunkBatch",
        "ChunkIndex",
        "ChunkLayout",
        "ChunkRequest",
        "Codec",
        "Cost",
        "GroupInfo",
        "Located",
        "Missing",
        "Packing",
        "Partial",
        "VariableInfo",
        "source_version",
    ),
    "options": ("BackendOptions",),
    "ranges": ("RangeRun", "group_by_source", "join_ranges"),
    "readers.base": ("Reader",),
    "readers.remote.conditional": ("ConditionalFileSystem",),
    "recording": ("record",),
}
_HOME = {name: home for home, names in _NAMES_OF_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
