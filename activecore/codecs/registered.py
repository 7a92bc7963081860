"""Codecs that other distributions bring, by the entry points that numcodecs defines.

Readers of formats with codecs of their own need this, GRIB's messages for instance. A
file can only name what somebody installed: nothing else is imported, and numcodecs' own
codecs that are not in the table (pickles, for one) stay refused.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import numpy as np

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.step import Config, Step
from activecore.errors import UnsupportedCodec

__all__ = ["registered_step"]

GROUP = "numcodecs.codecs"
"""Entry-point group in which distributions register codecs: id and class."""


def registered_step(codec_id: str, config: Config) -> Step | None:
    """Make a step of an installed codec; None where nobody brings one.

    The decoded size is compared with what is expected, after decoding: how much memory
    a codec takes before that is its author's business.

    Raises
    ------
    UnsupportedCodec
        The codec cannot be imported, or refuses the configuration.
    """
    found = sorted(entry_points(group=GROUP, name=codec_id), key=_origin)
    if not found:
        return None
    try:
        codec = found[0].load()(**config)
    except Exception as error:
        raise UnsupportedCodec(
            f"codec {codec_id!r} of {_origin(found[0])} cannot be used: {error}"
        ) from error

    def decode(encoded: Bytes, room: Room) -> Bytes:  # noqa: ARG001 - its size is not told
        return as_bytes(np.ascontiguousarray(codec.decode(encoded)))

    return Step(decode)


def _origin(entry: EntryPoint) -> str:
    return "" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
