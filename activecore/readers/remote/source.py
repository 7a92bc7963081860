"""One object that is far away, read in few requests and held as far as it was read."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from activecore.readers.remote.intervals import Intervals, Range, merged

if TYPE_CHECKING:
    import fsspec

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "RemoteBytes"]

logger = logging.getLogger(__name__)

HEAD_BYTES = 1 << 20
"""How much of the beginning is read at first: in most files, all metadata."""
TAIL_BYTES = 128 << 10
"""How much of the end is read along with it: what was written last, and the table of
a zip file."""
_AHEAD_BYTES = 64 << 10
"""How much is read where something else is asked for; each time twice as much …"""
_MOST_AHEAD_BYTES = 4 << 20
"""… up to this much."""
_GAP_BYTES = 16 << 10
"""Ranges that lie no farther apart are read as one: a request costs more."""


class RemoteBytes:
    """The bytes of one object. Used by one thread at a time.

    What was read is held as long as this is, so that nothing is read twice.

    Parameters
    ----------
    fs, path
        The object.
    size
        Its length in bytes.
    held
        Parts of it that are known already.
    if_match
        The ETag that it must still have, which each read tells the store; None: the
        filesystem cannot do that.
    """

    is_far = True

    def __init__(
        self,
        fs: fsspec.AbstractFileSystem,
        path: str,
        size: int,
        held: Intervals | None = None,
        if_match: str | None = None,
    ) -> None:
        self._fs = fs
        self._path = path
        self.size = size
        """Length in bytes."""
        self.held = Intervals() if held is None else held
        """What is known of it."""
        self._ahead = _AHEAD_BYTES
        self._how = {} if if_match is None else {"if_match": if_match}

    def read(self, start: int, stop: int) -> bytes:
        """Read a range; fewer bytes where the object ends within it."""
        stop = min(stop, self.size)
        if stop <= start:
            return b""
        if self.held.missing(start, stop):
            self._read_on(start, stop)
        return self.held.get(start, stop)

    def fetch(self, ranges: Sequence[Range]) -> None:
        """Read ranges that will be asked for, all together: one round trip."""
        wanted = [
            gap
            for start, stop in ranges
            for gap in self.held.missing(start, min(stop, self.size))
        ]
        self._get(merged(wanted, _GAP_BYTES))

    def as_file(self) -> io.RawIOBase:
        """Give the bytes as a file, open for reading."""
        return _File(self)

    def close(self) -> None:
        """Do nothing: what is held may be kept for the next time."""

    def _read_on(self, start: int, stop: int) -> None:
        """Read a range that nobody announced, and what lies behind it."""
        ranges = [(start, stop)]
        if len(self.held) == 0:
            ranges += [(0, HEAD_BYTES), (self.size - TAIL_BYTES, self.size)]
        else:
            ranges.append((start, start + self._ahead))
            self._ahead = min(2 * self._ahead, _MOST_AHEAD_BYTES)
        self.fetch([(max(0, begin), end) for begin, end in ranges])

    def _get(self, ranges: Sequence[Range]) -> None:
        if not ranges:
            return
        logger.debug("%s: reading %d ranges: %s", self._path, len(ranges), ranges[:4])
        answers = self._fs.cat_ranges(
            [self._path] * len(ranges),
            [start for start, _ in ranges],
            [stop for _, stop in ranges],
            on_error="return",
            **self._how,
        )
        for (start, stop), answer in zip(ranges, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if len(answer) != stop - start:
                # Also what a server sends that does not know ranges.
                raise OSError(
                    f"{len(answer)} bytes came where {stop - start} were asked for"
                )
            self.held.put(start, bytes(answer))


class _File(io.RawIOBase):
    """The bytes of an object, as a file."""

    def __init__(self, inner: RemoteBytes) -> None:
        super().__init__()
        self._inner = inner
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origins = (0, self._place, self._inner.size)
        self._place = max(0, origins[whence] + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        data = self._inner.read(self._place, self._place + len(room))
        room[: len(data)] = data
        self._place += len(data)
        return len(data)
