"""The backend ``zip``: byte ranges of members, decoded and reduced by activecore."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, ClassVar

from pydantic import Field

from activecore import (
    BackendOptions,
    ByteRangeBackend,
    ChunkError,
    ChunkNotFound,
    ChunkReadError,
    check_cancelled,
)
from activecore_zip.archive import member_info, open_member, read_stored, reading

if TYPE_CHECKING:
    import fsspec

__all__ = ["ZipBackend", "ZipOptions"]

_PIECE = 1 << 20
"""Bytes that are inflated between two looks whether the run was stopped."""


class ZipOptions(BackendOptions):
    """What can be configured about ``zip``."""

    most_inflated: int = Field(
        default=4 << 30,
        ge=1,
        description="Bytes of a deflated member that may be inflated to reach a chunk.",
    )


class ZipBackend(ByteRangeBackend):
    """Reads members of zip archives.

    A source is ``/path/archive.zip!/member``. No file stays open between calls, so
    threads share nothing, and there is nothing to pickle or to close.
    """

    name = "zip"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[BackendOptions]] = ZipOptions
    options: ZipOptions

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:  # noqa: ARG002
        """Give the archives as folders."""
        from activecore_zip.filesystem import ArchiveFileSystem

        return ArchiveFileSystem()

    def read_ranges(
        self, sources: Sequence[str], offsets: Sequence[int], sizes: Sequence[int]
    ) -> list[bytes | None]:
        """Read ranges, each member opened once for all of its ranges."""
        found: list[bytes | None] = [None] * len(sources)
        by_source: dict[str, list[int]] = {}
        for position, source in enumerate(sources):
            by_source.setdefault(source, []).append(position)
        for source, positions in by_source.items():
            check_cancelled()
            wanted = [(offsets[k], sizes[k]) for k in positions]
            try:
                pieces = self._member(source, wanted, positions)
            except ChunkNotFound:
                continue
            except ChunkError as error:
                if error.position is None:
                    error.position = positions[0]
                raise
            for position, piece in zip(positions, pieces, strict=True):
                found[position] = piece
        return found

    def _member(
        self, source: str, wanted: list[tuple[int, int]], positions: list[int]
    ) -> list[bytes]:
        with reading(source):
            archive, info, state = member_info(source)
            ranges = [
                (offset, info.file_size if size == -1 else size)
                for offset, size in wanted
            ]
            for (offset, size), position in zip(ranges, positions, strict=True):
                if offset + size > info.file_size:
                    raise ChunkReadError(
                        f"{source} ends at byte {info.file_size}", position=position
                    )
            if info.compress_type == zipfile.ZIP_STORED:
                return read_stored(archive, info, state, ranges)
            far = max(offset + size for offset, size in ranges)
            if far > self.options.most_inflated:
                raise ChunkReadError(
                    f"{source}: {far} bytes would be inflated, over the limit of "
                    f"{self.options.most_inflated}; store the member instead"
                )
            with open_member(archive, info, state) as member:
                return _inflated(member, ranges)


def _inflated(member: IO[bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    """Go through a deflated member once, and take each range as it comes by."""
    pieces = {one: bytearray() for one in ranges}
    end = max((offset + size for offset, size in ranges), default=0)
    at = 0
    while at < end:
        check_cancelled()
        data = member.read(min(_PIECE, end - at))
        if not data:
            raise ChunkReadError("the member ends before the chunk")
        for offset, size in pieces:
            first, last = max(offset, at), min(offset + size, at + len(data))
            if first < last:
                pieces[offset, size] += data[first - at : last - at]
        at += len(data)
    return [bytes(pieces[one]) for one in ranges]
