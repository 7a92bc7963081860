"""The only place where bytes are decompressed and checksums verified."""

from __future__ import annotations

from activecore.codecs.inflate import prepare_loop
from activecore.codecs.pipeline import (
    decode,
    decode_all,
    decode_into,
    decode_somewhere,
    unsupported,
)
from activecore.codecs.shuffle import unshuffle_all

__all__ = [
    "decode",
    "decode_all",
    "decode_into",
    "decode_somewhere",
    "prepare_loop",
    "unshuffle_all",
    "unsupported",
]
