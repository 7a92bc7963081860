"""How each Zarr format names and writes the metadata of its groups and arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from activecore.errors import UnsupportedFormat
from activecore.readers.zarr.metadata import ArrayDocument

__all__ = ["Group", "NodeFormat", "V2Nodes", "V3Nodes", "parse_document"]

Parsed = Mapping[str, Mapping[str, Any]]
"""Metadata documents by key."""


@dataclass(frozen=True)
class Group:
    """A node that holds others."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Its attributes."""


def parse_document(raw: bytes, key: str) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises
    ------
    UnsupportedFormat
        It is none. The message names the key.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        msg = f"{key} is not valid JSON: {error}"
        raise UnsupportedFormat(msg) from error
    if not isinstance(document, Mapping):
        msg = f"{key} holds no JSON object"
        raise UnsupportedFormat(msg)
    return document


class NodeFormat(Protocol):
    """One of the two formats."""

    consolidated_key: ClassVar[str]
    """The root's document that may hold those of all nodes."""

    def keys(self, path: str) -> tuple[str, ...]:
        """Name the documents that may describe a node, an array's own one first."""
        ...

    def node(self, path: str, documents: Parsed) -> ArrayDocument | Group | None:
        """Make a node of those documents that are there; None: it is no node.

        Raises
        ------
        UnsupportedFormat
            They are not what the format says.
        """
        ...

    def consolidated(self, document: Mapping[str, Any]) -> Parsed | None:
        """Take all nodes' documents, by key, from the root's; None: it has none."""
        ...


class V2Nodes:
    """Zarr v2: ``.zarray`` or ``.zgroup``, and ``.zattrs`` for both."""

    consolidated_key: ClassVar[str] = ".zmetadata"

    def keys(self, path: str) -> tuple[str, ...]:
        """Name the documents that may describe a node, an array's own one first."""
        prefix = f"{path}/" if path else ""
        return f"{prefix}.zarray", f"{prefix}.zgroup", f"{prefix}.zattrs"

    def node(self, path: str, documents: Parsed) -> ArrayDocument | Group | None:
        """Make a node of those documents that are there; None: it is no node."""
        array, group, attributes = self.keys(path)
        if array not in documents:
            attrs = documents.get(attributes, {})
            return Group(attrs) if group in documents else None
        _check_format(documents[array], 2, array)
        return ArrayDocument(
            path, 2, documents[array], documents.get(attributes, {}), array
        )

    def consolidated(self, document: Mapping[str, Any]) -> Parsed | None:
        """Take all nodes' documents, by key, from the root's."""
        return _documents(document, self.consolidated_key)


class V3Nodes:
    """Zarr v3: one ``zarr.json`` for each node."""

    consolidated_key: ClassVar[str] = "zarr.json"

    def keys(self, path: str) -> tuple[str, ...]:
        """Name the document that describes a node."""
        return (f"{path}/zarr.json" if path else "zarr.json",)

    def node(self, path: str, documents: Parsed) -> ArrayDocument | Group | None:
        """Make a node of its document; None: it is no node."""
        (key,) = self.keys(path)
        if key not in documents:
            return None
        document = documents[key]
        _check_format(document, 3, key)
        kind = document.get("node_type")
        attributes = document.get("attributes", {})
        if kind == "group":
            return Group(attributes if isinstance(attributes, Mapping) else {})
        if kind != "array" or not isinstance(attributes, Mapping):
            msg = f"{key} describes neither a group nor an array"
            raise UnsupportedFormat(msg)
        return ArrayDocument(path, 3, document, attributes, key)

    def consolidated(self, document: Mapping[str, Any]) -> Parsed | None:
        """Take all nodes' documents, by key, from the root's; None: it has none."""
        inner = document.get("consolidated_metadata")
        if inner is None:
            return None
        entries = _documents(inner, "consolidated_metadata")
        nodes = {f"{path}/zarr.json": entry for path, entry in entries.items()}
        return {**nodes, "zarr.json": document}


def _documents(document: Any, key: str) -> Parsed:
    entries = document.get("metadata") if isinstance(document, Mapping) else None
    if isinstance(entries, Mapping) and all(
        isinstance(entry, Mapping) for entry in entries.values()
    ):
        return entries
    msg = f"{key} holds no consolidated metadata"
    raise UnsupportedFormat(msg)


def _check_format(document: Mapping[str, Any], expected: int, key: str) -> None:
    given = document.get("zarr_format")
    if given != expected:
        msg = f"{key} has zarr_format {given!r}, not {expected}"
        raise UnsupportedFormat(msg)
