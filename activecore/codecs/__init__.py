"""The only place where bytes are decompressed and checksums verified."""

from __future__ import annotations

from activecore.codecs.memory import Buffer
from activecore.codecs.pipeline import (
    decode,
    decode_all,
    decode_into,
    decode_somewhere,
    unsupported,
)
from activecore.codecs.shuffle import unshuffle_all

__all__ = [
    "Buffer",
    "decode",
    "decode_all",
    "decode_into",
    "decode_somewhere",
    "unshuffle_all",
    "unsupported",
]
