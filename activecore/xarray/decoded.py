"""Variables as xarray decoded them, and what that decoding means for stored numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.core.indexing import (
    IndexingSupport,
    LazilyIndexedArray,
    explicit_indexing_adapter,
)

from activecore.array import ActiveArray
from activecore.model import Missing, Packing, Scalar
from activecore.xarray.probe import current_probe
from activecore.xarray.store import NumberArray

__all__ = ["DecodedArray", "linked"]

Array: TypeAlias = NDArray[Any]


class DecodedArray(BackendArray):
    """A variable of numbers, decoded by xarray; knows the stored one behind it.

    All that users do to a variable happens to this array: its decoding lies within.
    """

    def __init__(self, variable: Variable, numbers: NumberArray) -> None:
        self.variable = variable
        self.shape = variable.shape
        self.dtype = variable.dtype
        self.numbers = numbers
        self._encoding = dict(variable.encoding)
        self._attrs = dict(variable.attrs)

    def __getitem__(self, key: Any) -> Any:
        return explicit_indexing_adapter(
            key, self.shape, IndexingSupport.OUTER, self._getitem
        )

    def _getitem(self, key: tuple[Any, ...]) -> Array:
        probe = current_probe()
        if probe is not None:
            return probe.answer(self, key)
        return np.asarray(self.variable[key].values)

    @property
    def name(self) -> str:
        """The variable's name in its source."""
        return self.numbers.name

    @property
    def is_time(self) -> bool:
        """Whether stored numbers became dates or durations."""
        return self.dtype.kind not in "biuf"

    def active(self) -> ActiveArray:
        """Give the array that answers for this one: masked and unpacked as xarray has.

        xarray masks ``_FillValue`` and ``missing_value`` only, where it decodes at all.
        """
        active = self.numbers.active()
        info = active.info
        stored = info.dtype
        missing = Missing()
        for value in self._fills(stored):
            missing = missing.with_value(value)
        layouts = tuple(replace(layout, missing=missing) for layout in info.layouts)
        packing = None if self.is_time else self._packing(stored)
        return active.with_info(replace(info, layouts=layouts, packing=packing))

    def _decoded(self, name: str) -> Any:
        """Give an attribute that xarray has decoded with; None: it has not."""
        return None if name in self._attrs else self._encoding.get(name)

    def _fills(self, stored: np.dtype[Any]) -> Iterator[Scalar]:
        for name in ("_FillValue", "missing_value"):
            given = self._decoded(name)
            for value in [] if given is None else np.ravel(given):
                number = _as_stored(value, stored, self.numbers.dtype)
                if number is not None:
                    yield number
        if self.is_time and stored == np.dtype("i8"):
            # xarray writes no _FillValue for a missing date: it is NumPy's own NaT.
            yield np.int64(np.iinfo("i8").min)

    def _packing(self, stored: np.dtype[Any]) -> Packing | None:
        scale, offset = self._decoded("scale_factor"), self._decoded("add_offset")
        if scale is None and offset is None:
            return None
        return Packing(_number(scale), _number(offset), stored, np.dtype(self.dtype))


def _number(value: Any) -> Scalar | None:
    if value is None or isinstance(value, (int, float)):
        return value
    number: Scalar = np.ravel(value)[0]
    return number


def _as_stored(
    value: Any, stored: np.dtype[Any], raw: np.dtype[Any]
) -> np.generic | None:
    """Give the stored number that a fill value equals, or None: nothing equals it.

    Where ``_Unsigned`` made the dtype another one, the value may be given as either.
    """
    for dtype in dict.fromkeys((raw, stored)):
        try:
            with np.errstate(all="ignore"):
                number = np.asarray(value).astype(dtype)
        except (TypeError, ValueError, OverflowError):
            continue
        is_nan = dtype.kind == "f" and np.isnan(number)
        # As xarray compares: a float64 that no float32 equals matches none of them.
        if is_nan or number == value:
            found: np.generic = np.ravel(number).view(stored)[0]
            return found
    return None


def linked(dataset: Dataset, arrays: Mapping[str, NumberArray]) -> Dataset:
    """Let the variables of a decoded dataset know the stored ones behind them.

    Coordinates that xarray has read already, for its indexes, are left as they are.
    """
    found = {}
    for name, variable in dataset.variables.items():
        numbers = arrays.get(str(name))
        if numbers is None or name in dataset.indexes:
            continue
        if variable.shape != numbers.shape:
            continue
        array = DecodedArray(variable, numbers)
        found[name] = Variable(
            variable.dims, LazilyIndexedArray(array), variable.attrs, variable.encoding
        )
    encoding = dataset.encoding
    opened = dataset.assign(
        {name: new for name, new in found.items() if name in dataset.data_vars}
    ).assign_coords(
        {name: new for name, new in found.items() if name in dataset.coords}
    )
    opened.encoding = encoding
    return opened
