"""What a reduction should give, by plain NumPy on the decoded array."""

from __future__ import annotations

import numpy as np


def masked(values, missing):
    """Which elements the rules declare missing."""
    mask = np.zeros(values.shape, bool)
    for value in missing.values:
        mask |= np.isnan(values) if value != value else values == value
    if missing.valid_min is not None:
        mask |= values < missing.valid_min
    if missing.valid_max is not None:
        mask |= values > missing.valid_max
    return mask


def oracle(reduction, values, mask, axes, ddof=0):
    """NumPy's answer in wide types, axes kept: the value, and where there is one.

    numpy.ma is not asked: it does not agree with itself about NaN, nor about nothing.
    """
    wide = values.astype(
        {"b": "i8", "i": "i8", "u": "u8", "f": "f8"}[values.dtype.kind]
    )
    kept = ~mask
    n = kept.sum(axis=axes, keepdims=True)
    some = n > 0
    zero = wide.dtype.type(0)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.where(kept, wide, zero).sum(axis=axes, keepdims=True)
        if reduction == "count":
            return n, np.ones_like(some)
        if reduction == "sum":
            return total, some
        if reduction == "mean":
            floats = np.where(kept, wide, zero).astype("f8")
            return floats.sum(axis=axes, keepdims=True) / np.maximum(n, 1), some
        if reduction in ("var", "std"):
            floats = np.where(kept, wide, zero).astype("f8")
            mean = floats.sum(axis=axes, keepdims=True) / np.maximum(n, 1)
            squares = np.where(kept, (floats - mean) ** 2, 0)
            var = squares.sum(axis=axes, keepdims=True) / np.where(
                n > ddof, n - ddof, 1
            )
            return (np.sqrt(var) if reduction == "std" else var), some & (n > ddof)
        if reduction in ("any", "all"):
            true = ((wide != 0) & kept).sum(axis=axes, keepdims=True)
            return (true > 0 if reduction == "any" else true == n), some
        if wide.dtype.kind == "f":
            top, bottom = np.inf, -np.inf
        else:
            top, bottom = np.iinfo(wide.dtype).max, np.iinfo(wide.dtype).min
        low = np.where(kept, wide, wide.dtype.type(top)).min(
            axis=axes, keepdims=True, initial=top
        )
        high = np.where(kept, wide, wide.dtype.type(bottom)).max(
            axis=axes, keepdims=True, initial=bottom
        )
        low, high = np.where(some, low, zero), np.where(some, high, zero)
        return {"min": low, "max": high, "ptp": high - low}[reduction], some


def agree(answer, expected, valid, *, rtol=1e-12, atol=1e-12):
    """The same shape, the same mask, and the same values to rounding."""
    assert np.shape(answer) == np.shape(expected)
    np.testing.assert_array_equal(~np.ma.getmaskarray(np.ma.asarray(answer)), valid)
    got = np.ma.asarray(answer).astype(float).filled(0)
    wanted = np.where(valid, np.asarray(expected, float), 0)
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol)
