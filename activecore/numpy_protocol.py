"""What NumPy's own functions do with an array that is not in memory.

Reductions are answered by the backend: ``np.mean(tas, axis=0)``. Everything else would
read the whole array without a word, so it is refused with one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["NumPyProtocol"]

_REDUCTIONS: Mapping[Callable[..., Any], tuple[str, bool]] = {
    np.all: ("all", False),
    np.any: ("any", False),
    np.max: ("max", False),
    np.amax: ("max", False),
    np.mean: ("mean", False),
    np.min: ("min", False),
    np.amin: ("min", False),
    np.ptp: ("ptp", False),
    np.std: ("std", False),
    np.sum: ("sum", False),
    np.var: ("var", False),
    np.nanmax: ("max", True),
    np.nanmean: ("mean", True),
    np.nanmin: ("min", True),
    np.nanstd: ("std", True),
    np.nansum: ("sum", True),
    np.nanvar: ("var", True),
}
"""The reduction that answers for a function, and whether NaN is left out."""

_SHAPES: Mapping[Callable[..., Any], str] = {
    np.ndim: "ndim",
    np.shape: "shape",
    np.size: "size",
}


class NumPyProtocol(NDArrayOperatorsMixin):
    """NumPy's functions on an array that is reduced where it lies.

    Operators are NumPy's too, so that ``array == 0`` is refused as ``array + 1`` is,
    and not answered by one False.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    reduce: Callable[..., Any]
    """What answers reductions; see ``ActiveArray.reduce``."""

    def __array_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        name = getattr(func, "__name__", str(func))
        if func in _SHAPES and len(args) == 1 and args[0] is self and not kwargs:
            return getattr(self, _SHAPES[func])
        if func not in _REDUCTIONS:
            _refuse(f"numpy.{name}")
        options = dict(inspect.signature(func).bind(*args, **kwargs).arguments)
        if options.pop("a", None) is not self:
            _refuse(f"numpy.{name} of several arrays")
        if "correction" in options:  # the array API's name
            options["ddof"] = options.pop("correction")
        unknown = options.keys() - {"axis", "ddof", "dtype", "keepdims", "out"}
        if unknown:
            _refuse(f"numpy.{name} with {min(unknown)!r}")
        reduction, skipna = _REDUCTIONS[func]
        return self.reduce(reduction, skipna=skipna, **options)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> NoReturn:
        how = "" if method == "__call__" else f".{method}"
        _refuse(f"numpy.{ufunc.__name__}{how}")


def _refuse(what: str) -> NoReturn:
    raise TypeError(
        f"{what} would read the whole array: reduce it, select a part, "
        "or read it with .read()"
    )
