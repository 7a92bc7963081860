"""The words of which a netCDF classic header is made, read as far as it goes.

A header does not say how long it is, and its counts and lengths may be anything in a
damaged or hostile file: none is believed before the file is known to hold that much.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from activecore.errors import UnsupportedFormat
from activecore.readers.filesystem import filesystem_errors

if TYPE_CHECKING:
    import fsspec

__all__ = ["MAGICS", "HeaderWords"]

MAGICS = {b"CDF\x01": 1, b"CDF\x02": 2, b"CDF\x05": 5}
"""What files begin with, and the version of the format that this names."""

_FIRST_BYTES = 64 << 10
"""How much is read at first: nearly every header, in one round trip."""
_MOST_BYTES = 64 << 20
"""A header that is longer than this is refused."""
_MOST_ENTRIES = 1 << 20
"""A header whose lists have more entries, all together, is refused."""
_ALIGNED = 4
"""Names and values are padded to a multiple of this many bytes."""


class HeaderWords:
    """The header of one file, taken word by word from its beginning.

    Parameters
    ----------
    fs, path
        The file.
    size
        Its length in bytes.

    Raises
    ------
    UnsupportedFormat
        Here and by every method: the header is broken, cut short or too large.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str, size: int) -> None:
        self._fs = fs
        self._path = path
        self._size = size
        self._data = b""
        self._entries = 0
        self.position = 0
        """How many bytes were taken."""
        magic = self.take(_ALIGNED)
        if magic not in MAGICS:
            raise UnsupportedFormat(
                f"{path} is not a netCDF classic file: it begins with {magic!r}"
            )
        self.version = MAGICS[magic]
        """1, 2 (64-bit offsets) or 5 (64-bit data)."""
        self._counts = struct.Struct(">q" if self.version == 5 else ">I")  # noqa: PLR2004 - the format's number
        self._places = struct.Struct(">i" if self.version == 1 else ">q")

    def take(self, count: int) -> bytes:
        """Take the next bytes."""
        stop = self.position + count
        if stop > len(self._data):
            self._read(stop)
        taken = self._data[self.position : stop]
        self.position = stop
        return taken

    def take_padded(self, count: int) -> bytes:
        """Take the next bytes and leave out the padding behind them."""
        return self.take(count + -count % _ALIGNED)[:count]

    def tag(self) -> int:
        """Take the number of a type or a kind of list."""
        number: int = struct.unpack(">I", self.take(4))[0]
        return number

    def count(self) -> int:
        """Take a count or a length."""
        return self._not_negative(self._counts)

    def place(self) -> int:
        """Take the place of data in the file."""
        return self._not_negative(self._places)

    def skip_count(self) -> None:
        """Leave a count out, whatever it says."""
        self.take(self._counts.size)

    def records(self) -> int | None:
        """Take the number of records; None: whoever wrote the file did not know."""
        start = self.position
        if set(self.take(self._counts.size)) == {0xFF}:
            return None
        self.position = start
        return self.count()

    def name(self) -> str:
        """Take a name; it ends with the first NUL byte, if there is one."""
        text, _, _ = self.take_padded(self.count()).partition(b"\0")
        return text.decode("utf-8", "replace")

    def entries(self, smallest: int) -> int:
        """Take the number of entries of a list.

        Parameters
        ----------
        smallest
            Bytes that the shortest possible entry takes.
        """
        count = self.count()
        if count * smallest > self._size - self.position:
            raise self.broken(f"a list of {count} entries, more than fit the file,")
        self._entries += count
        if self._entries > _MOST_ENTRIES:
            raise UnsupportedFormat(
                f"{self._path} has a netCDF header with more than {_MOST_ENTRIES} "
                "entries, which is refused"
            )
        return count

    def list_of(self, tag: int, smallest: int) -> range:
        """Take the beginning of a list, which may be absent.

        Parameters
        ----------
        tag
            Number of its kind.
        smallest
            Bytes that the shortest possible entry takes.

        Returns
        -------
        range
            As long as the list.
        """
        found = self.tag()
        count = self.entries(smallest)
        # What is absent has a tag of zero; the netCDF library accepts any.
        if found != tag and count > 0:
            raise self.broken(f"tag {found} in place of {tag}")
        return range(count)

    def broken(self, what: str) -> UnsupportedFormat:
        """Make an error that says what was found just before here."""
        return UnsupportedFormat(
            f"{self._path} has a broken netCDF header: {what} before byte "
            f"{self.position}"
        )

    def _not_negative(self, form: struct.Struct) -> int:
        number: int = form.unpack(self.take(form.size))[0]
        if number < 0:
            raise self.broken(f"the negative number {number}")
        return number

    def _read(self, stop: int) -> None:
        """Read on, at least up to ``stop``: twice as far as before."""
        if stop > self._size:
            raise UnsupportedFormat(
                f"{self._path} is cut short: its netCDF header does not end within "
                f"its {self._size} bytes"
            )
        if stop > _MOST_BYTES:
            raise UnsupportedFormat(
                f"{self._path} has a netCDF header of more than {_MOST_BYTES} bytes, "
                "which is refused"
            )
        start = len(self._data)
        end = min(self._size, _MOST_BYTES, max(_FIRST_BYTES, 2 * start, stop))
        with filesystem_errors(self._path):
            piece = bytes(self._fs.cat_file(self._path, start=start, end=end))
        if len(piece) != end - start:
            raise UnsupportedFormat(
                f"{self._path} gave {len(piece)} of the {end - start} bytes asked for"
            )
        self._data += piece
