"""GRIB messages as a codec: the message is the encoded chunk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import eccodes
import numpy as np
from numcodecs.abc import Codec

__all__ = ["MISSING", "GribMessage", "opened"]

MISSING = np.float64(1e34)
"""What stands for elements that a message's bitmap leaves out."""

_one_at_a_time = threading.Lock()
# ecCodes loads its definitions when they are first needed, and wheels do not promise
# that it does so safely in several threads.


@contextmanager
def opened(message: bytes) -> Iterator[int]:
    """Hand a message to ecCodes."""
    with _one_at_a_time:
        handle = eccodes.codes_new_from_message(message)
        try:
            yield handle
        finally:
            eccodes.codes_release(handle)


class GribMessage(Codec):  # type: ignore[misc] # numcodecs is untyped
    """Decodes a GRIB message to the float64 values of its field, in its own order."""

    codec_id: ClassVar[str] = "eccodes_grib"

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Unpack a message; any number of threads may ask."""
        with opened(bytes(buf)) as handle:
            eccodes.codes_set(handle, "missingValue", float(MISSING))
            values = eccodes.codes_get_values(handle)
        if out is None:
            return values
        np.copyto(np.asarray(out).reshape(-1).view("f8"), values)
        return out

    def encode(self, buf: Any) -> Any:
        """Messages are not written here."""
        raise NotImplementedError("GRIB messages are read only")
