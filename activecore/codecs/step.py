"""What the pipeline knows of one codec: how it decodes, and how sizes change."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

from activecore.codecs.memory import Bytes, Room
from activecore.encoded import EncodedChunks
from activecore.errors import UnsupportedCodec

__all__ = ["Config", "Factory", "Step", "library", "require", "same", "unknown"]

Config: TypeAlias = Mapping[str, Any]
"""A codec's configuration."""


def same(nbytes: int) -> int | None:
    """Give the encoded size of a codec that changes no size."""
    return nbytes


def unknown(nbytes: int) -> int | None:  # noqa: ARG001 - the signature of its siblings
    """Give the encoded size of a compressor: None, it depends on the bytes."""
    return None


@dataclass(frozen=True, slots=True)
class Step:
    """One codec, ready to decode any number of chunks in any number of threads."""

    decode: Callable[[Bytes, Room], Bytes]
    """Decodes. Gives the bytes, in the room's memory or elsewhere; the pipeline
    checks how many they are. Any exception means that the chunk is damaged."""
    encoded_size: Callable[[int], int | None] = unknown
    """How many bytes a writer made of so many, if that does not depend on them."""
    decode_all: Callable[[EncodedChunks, Bytes], list[int]] | None = None
    """Decodes many small chunks into the rows of an array, (chunks, bytes of each), in
    less time than one by one; gives the positions of those that ``decode`` must look
    at, whatever their rows hold. None: there is no such way."""


Factory: TypeAlias = Callable[[Config], Step]
"""Makes a step of a configuration; raises ``UnsupportedCodec`` where it cannot.

It reads nothing, and leaves heavy imports to the step.
"""


@cache
def library(name: str) -> ModuleType:
    """Import a library of decoders, once."""
    return importlib.import_module(name)


def require(name: str, codec: str) -> None:
    """Raise ``UnsupportedCodec``, with the command, where a library is missing."""
    if find_spec(name) is None:
        raise UnsupportedCodec(
            f"codec {codec!r} is decoded by {name}, which is not installed:"
            f" pip install 'activecore[codecs]'"
        )
