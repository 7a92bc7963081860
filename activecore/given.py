"""Answers as users get them: masked arrays, scalars, or what they gave for them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from activecore.errors import SelectionError, UnsupportedDtype

__all__ = ["masked", "put_into"]

Array: TypeAlias = NDArray[Any]


def masked(values: Array, valid: Array) -> Any:
    """Give an answer as users get it: masked, or a scalar if it has no dimensions."""
    if values.ndim == 0:
        return values[()] if valid else np.ma.masked
    mask = np.ma.nomask if valid.all() else ~valid
    return np.ma.MaskedArray(values, mask=mask)


def put_into(out: Array, values: Array, valid: Array) -> Array:
    """Give an answer in an array of the user's, who must be able to see the mask."""
    shape = out.shape if isinstance(out, np.ndarray) else type(out).__name__
    if shape != values.shape:
        raise SelectionError(
            f"out must be an array of shape {values.shape}, not {shape}"
        )
    is_masked = isinstance(out, np.ma.MaskedArray)
    if not (is_masked or valid.all()):
        if out.dtype.kind != "f":
            raise UnsupportedDtype(
                f"the result is masked in places, which a plain array of {out.dtype} "
                "cannot show; let out be a masked array"
            )
        values = np.where(valid, values, np.nan)
    np.copyto(np.ma.getdata(out), values)
    if is_masked:
        out.mask = ~valid  # type: ignore[attr-defined] # is_masked says so
    return out
