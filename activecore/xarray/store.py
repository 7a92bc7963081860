"""The variables of a source as xarray's decoders take them: raw, lazy, encoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import Variable
from xarray.backends import AbstractDataStore, BackendArray
from xarray.core.indexing import (
    IndexingSupport,
    LazilyIndexedArray,
    explicit_indexing_adapter,
)

from activecore.array import ActiveArray
from activecore.model import Missing, VariableInfo, is_reducible
from activecore.xarray.source import Source

__all__ = ["ActiveStore", "NumberArray", "TextArray"]

Array: TypeAlias = NDArray[Any]

_TEXT = np.dtype("O", metadata={"element_type": str})
"""How xarray marks text of any length (``xarray.coding.strings`` says so too)."""


class _LazyArray(BackendArray):
    """What ``NumberArray`` and ``TextArray`` share: a name, a shape, outer indexing."""

    def __init__(
        self, source: Source, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self._source: Source | None = source
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> Any:
        return explicit_indexing_adapter(
            key, self.shape, IndexingSupport.OUTER, self._getitem
        )

    def _getitem(self, key: tuple[Any, ...]) -> Array:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        # A source is open here, and may hold secrets that were given here.
        return {**self.__dict__, "_source": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _opened(self) -> Source:
        if self._source is None:
            raise ValueError(f"{self.name!r} came here without its source")
        return self._source


class NumberArray(_LazyArray):
    """A variable of numbers as it is stored: neither masked nor unpacked."""

    _active: ActiveArray | None = None

    def active(self) -> ActiveArray:
        """Give the variable; its chunk index is read on first use."""
        with self._lock:
            if self._active is None:
                self._active = self._opened().array(self.name)
            return self._active

    def _getitem(self, key: tuple[Any, ...]) -> Array:
        active = self.active()
        stored = active.info
        layouts = tuple(replace(one, missing=Missing()) for one in stored.layouts)
        raw = replace(stored, packing=None, layouts=layouts)
        values = active.with_info(raw)[key].read().data
        return values.view(self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        self.active()
        return super().__getstate__()


class TextArray(_LazyArray):
    """A variable of text, which the reader reads as a whole."""

    _values: Array | None = None

    def _getitem(self, key: tuple[Any, ...]) -> Array:
        with self._lock:
            if self._values is None:
                self._values = self._opened().text(self.name)
        values = self._values
        for axis, item in reversed(list(enumerate(key))):
            values = values[(slice(None),) * axis + (item,)]
        return values

    def __getstate__(self) -> dict[str, Any]:
        self._getitem((slice(None),) * len(self.shape))
        return super().__getstate__()


class ActiveStore(AbstractDataStore):
    """The variables of one group, for xarray to decode."""

    def __init__(self, source: Source, group: str) -> None:
        self._source = source
        self._group = group.strip("/")
        self._info = source.dataset.group_info(self._group or "/")
        prefix = f"{self._group}/" if self._group else ""
        self._variables = {
            name.removeprefix(prefix): variable
            for name, variable in source.dataset.variables.items()
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        }
        self.arrays: dict[str, NumberArray] = {}
        """The variables of numbers, once ``get_variables`` was asked."""

    def get_variables(self) -> dict[str, Variable]:
        """Give every variable, raw."""
        return {name: self._variable(name) for name in self._variables}

    def get_attrs(self) -> dict[str, Any]:
        """Give the group's attributes."""
        return dict(self._info.attrs)

    def get_dimensions(self) -> dict[str, int]:
        """Give the length of every dimension that a variable has."""
        return {
            dim: length
            for variable in self._variables.values()
            for dim, length in zip(variable.dims, variable.shape, strict=True)
        }

    def get_encoding(self) -> dict[str, Any]:
        """Say which dimensions are unlimited, as netCDF's backends do."""
        encoding: dict[str, Any] = {"source": self._source.url}
        if self._source.dataset.format != "zarr":
            encoding["unlimited_dims"] = set(self._info.unlimited)
        return encoding

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _variable(self, name: str) -> Variable:
        info = self._variables[name]
        encoding = dict(_encoding(info))
        attrs = dict(info.attrs)
        fill = encoding.pop("_FillValue", None)
        if fill is not None:
            attrs["_FillValue"] = fill
        array: NumberArray | TextArray
        if is_reducible(info.dtype):
            raw = np.dtype(encoding.get("dtype", _as_stored(info)))
            array = NumberArray(
                self._source, info.name, info.shape, raw.newbyteorder("=")
            )
            self.arrays[name] = array
        else:
            is_text = info.dtype.kind == "O"
            dtype = _TEXT if is_text else info.dtype
            encoding["dtype"] = str if is_text else info.dtype
            array = TextArray(self._source, info.name, info.shape, dtype)
        encoding["source"] = self._source.url
        encoding["original_shape"] = info.shape
        return Variable(info.dims, LazilyIndexedArray(array), attrs, encoding)


def _encoding(info: VariableInfo) -> Iterator[tuple[str, Any]]:
    """Give what the reader knows, and the chunks in the words of ``chunks={}``."""
    found: Mapping[str, Any] = info.encoding
    yield from found.items()
    chunks = found.get("chunksizes", found.get("chunks"))
    if chunks is not None:
        yield "preferred_chunks", dict(zip(info.dims, chunks, strict=True))


def _as_stored(info: VariableInfo) -> np.dtype[Any]:
    """Undo what ``_Unsigned`` did to a dtype: xarray has its own way with it."""
    kind = {"u": ("true", "i"), "i": ("false", "u")}.get(info.dtype.kind)
    if kind is not None and str(info.attrs.get("_Unsigned")).lower() == kind[0]:
        return np.dtype(f"{kind[1]}{info.dtype.itemsize}")
    return info.dtype
