"""Reading what holds no numbers, by zarr-python: its codecs know every kind of text."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.errors import UnsupportedDtype
from activecore.readers.zarr.documents import Documents
from activecore.readers.zarr.metadata import ArrayDocument

if TYPE_CHECKING:
    from zarr.storage import MemoryStore

__all__ = ["read_array"]

_MOST_OBJECTS = 1 << 20
"""Objects of one array of text; more would not be read by anybody at once."""


def read_array(document: ArrayDocument, documents: Documents) -> NDArray[Any]:
    """Read a whole array of text: its objects, all together, and then zarr-python.

    Raises
    ------
    UnsupportedDtype
        zarr-python cannot decode it, or it has too many objects.
    """
    import zarr

    try:
        array = zarr.open_array(store=_store(document, documents), mode="r")
        values = np.asarray(array[...])
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        msg = f"{document.label} cannot be read by zarr-python: {error}"
        raise UnsupportedDtype(msg) from error
    return values.astype(object) if values.dtype.kind == "T" else values


def _store(document: ArrayDocument, documents: Documents) -> MemoryStore:
    """Put what there is of an array's objects into memory, and its metadata."""
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    pairs = zip(document.shape, document.grid, strict=True)
    counts = [-(-length // chunk) for length, chunk in pairs]
    if np.prod(counts, dtype=object) > _MOST_OBJECTS:
        msg = f"{document.label} is text in more than {_MOST_OBJECTS} objects"
        raise UnsupportedDtype(msg)
    names = [
        document.key_template % place if place else document.key_template
        for place in np.ndindex(*counts)
    ]
    prefix = f"{document.path}/" if document.path else ""
    found = documents.read([prefix + name for name in names])
    objects = {
        name: raw for name, raw in zip(names, found, strict=True) if raw is not None
    }
    objects[posixpath.basename(document.key)] = json.dumps(
        dict(document.metadata)
    ).encode()
    return MemoryStore({name: Buffer.from_bytes(raw) for name, raw in objects.items()})
