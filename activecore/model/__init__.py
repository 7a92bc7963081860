"""The data that flows between readers, the plan, backends and the kernel.

Everything here is frozen, checked once at construction and picklable. Scalars and
arrays are native-endian unless a dtype says otherwise.
"""

from activecore.model.layout import ChunkLayout, Codec, Missing, Scalar
from activecore.model.request import (
    OPERATIONS,
    AxisSelection,
    ChunkBatch,
    ChunkRequest,
    Cost,
    Partial,
)
from activecore.model.variable import (
    ABSENT,
    INLINE,
    ArrayInfo,
    ChunkIndex,
    GroupInfo,
    Located,
    Packing,
    ReadingIndex,
    RunIndex,
    VariableInfo,
    VirtualIndex,
    is_reducible,
    source_version,
)

__all__ = [
    "ABSENT",
    "INLINE",
    "OPERATIONS",
    "ArrayInfo",
    "AxisSelection",
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
    "ReadingIndex",
    "RunIndex",
    "Scalar",
    "VariableInfo",
    "VirtualIndex",
    "is_reducible",
    "source_version",
]
