"""The groups and arrays of a Zarr store, in either format, consolidated or not.

Groups are walked level by level: one listing for each group, then the documents of all
that lies on the next level in one go. Arrays are never listed, so a million chunks
cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activecore.errors import UnsupportedFormat
from activecore.readers.zarr.documents import Documents, checked_path
from activecore.readers.zarr.metadata import ArrayDocument
from activecore.readers.zarr.nodes import (
    Group,
    NodeFormat,
    V2Nodes,
    V3Nodes,
    parse_document,
)

__all__ = ["Hierarchy", "NoMetadata", "Version"]

logger = logging.getLogger(__name__)

_MAX_DEPTH = 32

Version = tuple[str | None, str]
"""Version of a document, and the path to ask again for it."""


class NoMetadata(UnsupportedFormat):
    """There is no metadata at the root, so it is no store."""


class Hierarchy:
    """The nodes of a store. What is read is what is asked for.

    Parameters
    ----------
    documents
        Where the store's metadata documents come from.

    Raises
    ------
    NoMetadata
        It is no store.
    UnsupportedFormat
        The root's metadata is broken.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        v2, v3 = V2Nodes(), V3Nodes()
        raws = self._read_raw([*v3.keys(""), *v2.keys(""), v2.consolidated_key])
        self._format: NodeFormat
        # Where both are there, v3 is meant, as zarr-python has it.
        self._format = v3 if v3.consolidated_key in raws else v2
        self._version: Version | None = None
        self._consolidated: dict[str, ArrayDocument | Group] | None = None
        key = self._format.consolidated_key
        keys = [key for key in (*self._format.keys(""), key) if key in raws]
        found = {key: parse_document(raws[key], key) for key in keys}
        root = self._format.node("", found)
        if key in found and self._format.consolidated(found[key]) is not None:
            self._consolidated = self._read_consolidated(key)
        elif root is None:
            msg = "it is no Zarr store: its root has no metadata"
            raise NoMetadata(msg)
        self.is_array = isinstance(root, ArrayDocument)

    def arrays(self, group: str) -> dict[str, ArrayDocument]:
        """Find every array at or below a group, by path, sorted.

        One whose metadata is broken is left out, with a log line.
        """
        if self._consolidated is not None:
            inside = f"{group}/" if group else ""
            nodes = [
                (path, node)
                for path, node in self._consolidated.items()
                if path == group or path.startswith(inside)
            ]
        else:
            nodes = list(self._walk(group))
        return {
            path: node
            for path, node in sorted(nodes, key=lambda item: item[0])
            if isinstance(node, ArrayDocument)
        }

    def node(self, path: str) -> ArrayDocument | Group | None:
        """Give one node, read anew where it is not consolidated; None: there is none.

        Raises
        ------
        UnsupportedFormat
            Its metadata is broken.
        """
        if self._consolidated is not None and path in self._consolidated:
            return self._consolidated[path]
        if self._consolidated is not None:
            return None
        return self._format.node(path, self._read(self._format.keys(path)))

    def version(self, path: str) -> Version:
        """Give the version of the document that describes an array.

        Ask before ``node``: then a change between the two is noticed at the end.
        """
        if self._version is not None:
            return self._version
        return self._documents.version(self._format.keys(path)[0])

    def _walk(self, group: str) -> Iterator[tuple[str, ArrayDocument | Group]]:
        level = [group]
        for _ in range(_MAX_DEPTH):
            keys = [key for path in level for key in self._format.keys(path)]
            raws = self._read_raw(keys)
            groups = []
            for path in level:
                node = self._lenient(path, raws)
                if node is not None:
                    yield path, node
                if isinstance(node, Group):
                    groups.append(path)
            level = [
                f"{path}/{name}" if path else name
                for path in groups
                for name in self._documents.children(path)
            ]
            if not level:
                return
        msg = f"its groups are more than {_MAX_DEPTH} deep"
        raise UnsupportedFormat(msg)

    def _lenient(
        self, path: str, raws: Mapping[str, bytes]
    ) -> ArrayDocument | Group | None:
        """Make a node; None where it is broken: one must not hide all others."""
        try:
            documents = {
                key: parse_document(raws[key], key)
                for key in self._format.keys(path)
                if key in raws
            }
            return self._format.node(path, documents)
        except UnsupportedFormat as error:
            logger.warning("%s is left out: %s", path, error)
            return None

    def _read_consolidated(self, key: str) -> dict[str, ArrayDocument | Group]:
        # Read again, after its version: then a change between the two is noticed.
        self._version = self._documents.version(key)
        root = self._read([key]).get(key, {})
        documents = self._format.consolidated(root) or {}
        nodes: dict[str, ArrayDocument | Group] = {}
        for path in {name.rpartition("/")[0] for name in documents}:
            if checked_path(path) != path:
                msg = f"{key} names the path {path!r}"
                raise UnsupportedFormat(msg)
            try:
                node = self._format.node(path, documents)
            except UnsupportedFormat as error:
                logger.warning("%s is left out: %s", path, error)
                continue
            if node is not None:
                nodes[path] = node
        return nodes

    def _read_raw(self, keys: Sequence[str]) -> dict[str, bytes]:
        raws = zip(keys, self._documents.read(keys), strict=True)
        return {key: raw for key, raw in raws if raw is not None}

    def _read(self, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return {
            key: parse_document(raw, key) for key, raw in self._read_raw(keys).items()
        }
