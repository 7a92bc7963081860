"""The only place where bytes are decompressed and checksums verified."""

from __future__ import annotations

from activecore.codecs.memory import Buffer
from activecore.codecs.pipeline import decode, decode_into, unsupported

__all__ = ["Buffer", "decode", "decode_into", "unsupported"]
