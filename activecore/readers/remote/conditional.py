"""What a filesystem may offer whose store answers conditional requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["ConditionalFileSystem", "Document", "Info", "Pieces", "strong_etag"]

Info: TypeAlias = dict[str, Any]
"""What fsspec's ``info`` says of an object."""
Pieces: TypeAlias = list[tuple[int, bytes]]
"""Where some bytes begin in an object, and those bytes."""
Document: TypeAlias = tuple[Info, bytes] | FileNotFoundError
"""What an object is and holds, of one version; or that it is not there."""


@runtime_checkable
class ConditionalFileSystem(Protocol):
    """An fsspec filesystem that can hold its store to one version of an object.

    Versions are strong ETags (RFC 9110, 8.8.3), ``info``'s ``ETag``. What is read of an
    object comes with its version in the same reply, so less has to be asked for.
    """

    def info(self, path: str, **kwargs: Any) -> Info:
        """Say what is at a path: fsspec's own."""
        ...

    def full_name(self, path: str) -> str:
        """Give the name that ``info`` gives a path; no I/O."""
        ...

    def info_and_ends(
        self, path: str, head_bytes: int, tail_bytes: int
    ) -> tuple[Info, Pieces]:
        """Say what is at a path, and read both its ends: one round trip.

        Returns
        -------
        info
            What ``info`` says.
        pieces
            Its first and its last bytes, as far as they are of the version that
            ``info`` names. Nothing where it names none, and of a directory.
        """
        ...

    def read_with_info(self, paths: Sequence[str]) -> list[Document]:
        """Read whole objects, all together, each with what ``info`` says of it."""
        ...

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        if_match: str | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Read ranges: fsspec's own, and one argument more.

        Parameters
        ----------
        if_match
            ETag of the one object that all ranges are of. Of another version there
            is ``SourceChanged``, and never a byte.
        """
        ...


def strong_etag(info: Mapping[str, Any]) -> str | None:
    """Give the ETag of an object if another content cannot have the same; else None."""
    etag = info.get("ETag")
    if not isinstance(etag, str) or etag.startswith("W/") or etag.strip('"') == "":
        return None
    return etag
