"""The contract that every reader signs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from activecore.contract import CONTRACT
from activecore.errors import UnsupportedDtype
from activecore.model import GroupInfo

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import fsspec
    from numpy.typing import NDArray

    from activecore.model import ArrayInfo, VariableInfo

__all__ = ["Reader"]


class Reader(ABC):
    """Turns a source and the name of a variable into an ``ArrayInfo``.

    A reader reads metadata only, through the filesystem that the backend gave it,
    and leaves every chunk to backends. It is made, used and closed by one thread at
    a time.
    """

    name: ClassVar[str]
    """The name by which ``open(..., reader=...)`` knows it."""
    contract: ClassVar[tuple[int, int]] = CONTRACT
    """The (major, minor) contract it was written for; write the numbers out."""

    @classmethod
    @abstractmethod
    def recognises(cls, fs: fsspec.AbstractFileSystem, path: str, head: bytes) -> bool:
        """Tell by its content whether this reader understands the source.

        Called before any instance is made, for each reader in turn. Never decide by
        the suffix: files are misnamed. Read little: most sources are not yours.

        Parameters
        ----------
        fs
            The filesystem that the source lies in.
        path
            The source.
        head
            The file's first bytes (up to 4096); ``b""`` for a directory or prefix.
        """

    @abstractmethod
    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, *, group: str = "/"
    ) -> None:
        """Open the source's metadata.

        Raises
        ------
        SourceNotFound, UnsupportedFormat
            In one line that names the path.
        VariableNotFound
            There is no such group.
        """

    @abstractmethod
    def variables(self) -> Mapping[str, VariableInfo]:
        """List every variable, those in groups under ``group/name``.

        Reads no chunk index. Variables that cannot be reduced are listed too.
        """

    @abstractmethod
    def array(self, name: str) -> ArrayInfo:
        """Describe one variable, its chunk index included.

        The result stays usable after ``close`` and survives pickling.

        Raises
        ------
        VariableNotFound
            With close matches. Also a ``KeyError``.
        UnsupportedFormat
            The variable's storage is refused: external files, virtual datasets.
        """

    def group_info(self, group: str = "/") -> GroupInfo:  # noqa: ARG002 - for others
        """Give the attributes of a group below the one that was opened, ``/`` itself.

        A reader need not have this; by default nothing is known.

        Raises
        ------
        VariableNotFound
            There is no such group.
        """
        return GroupInfo()

    def read(self, name: str) -> NDArray[Any]:
        """Read the whole of a variable that holds no numbers: text, records.

        No backend is asked for these. A reader need not have this.

        Returns
        -------
        numpy.ndarray
            Text of any length as ``str`` in an array of objects, text of a fixed
            length as bytes, as it is stored.

        Raises
        ------
        VariableNotFound
            With close matches.
        UnsupportedDtype
            It holds numbers, or what this reader cannot give.
        """
        raise UnsupportedDtype(f"the reader {self.name!r} does not read {name!r}")

    @abstractmethod
    def close(self) -> None:
        """Close the source. Idempotent. Arrays already made stay usable."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
