"""One file and one question, asked of activecore and of the format's oracle.

The file is read through the backend of a ``home``: where it lies, or from a bucket.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from homes import Local
from oracle import agree, oracle
from random_files import PLAIN, FileCase, Question, decoded, write
from strategies import orthogonal

from activecore.errors import UnsupportedCodec

__all__ = ["FileCase", "Question", "check", "check_variable", "np"]


DECODED = {
    *PLAIN,
    "zlib",
    "gzip",
    "zstd",
    "blosc",
    "lz4",
    "shuffle+gzip",
    "delta+zlib",
    "zstd+crc32c",
    "crc32c",
    "lzf",
    "szip",
    "blosc2",
    "bitshuffle",
}
"""Codecs that must not be refused."""


LOCAL = Local()


def tolerance(variable, values, mask, question, size, home):
    """How far an answer may be from the oracle's: rounding, and no further."""
    if question.reduction in ("min", "max", "count", "any", "all"):
        return 0, 0
    finite = np.where(mask | ~np.isfinite(values), 0, values.astype("f8"))
    largest = np.abs(finite).max(initial=1.0)
    # Elements unpacked in float32 are rounded one by one; our partials are not.
    packed_to_f4 = variable.info.packing is not None and np.dtype("f4") in (
        variable.dtype,
        np.asarray(variable.attrs.get("scale_factor")).dtype,
        np.asarray(variable.attrs.get("add_offset")).dtype,
    )
    eps = 4e-7 if packed_to_f4 else 1e-13
    if question.reduction == "ptp":  # one subtraction, in the unpacked dtype
        kind = variable.dtype.kind
        return 0, 2 * np.finfo(variable.dtype).eps * largest if kind == "f" else 0
    if question.reduction in ("sum", "mean") and variable.info.dtype == np.dtype("f4"):
        # A server may add the elements of a chunk one after another, axis by axis.
        eps = max(eps, home.sum_rounding * sum(values.shape))
    scale = {"sum": size * largest, "var": 4 * largest**2, "std": largest * eps**-0.5}
    return 1e-12, eps * scale.get(question.reduction, largest)


def check_variable(variable, values, mask, question, home=LOCAL):
    """Ask one question of an open variable whose decoded values are known."""
    if variable.info.packing is None and variable.info.dtype.kind in "iu":
        # xarray makes integers floats to hold a NaN; they are whole numbers still.
        values = np.where(mask, 0, values).astype(variable.info.dtype)
    picked = orthogonal(values, question.key)
    missing = orthogonal(mask, question.key)
    if question.skipna and picked.dtype.kind == "f" and variable.info.dtype.kind == "f":
        missing = missing | np.isnan(picked)
    expected, valid = oracle(
        question.reduction, picked, missing, question.axes, question.ddof
    )
    shape = expected.shape
    if not question.keepdims:
        shape = tuple(n for axis, n in enumerate(shape) if axis not in question.axes)
    part = variable[question.key]
    answer = part.reduce(
        question.reduction,
        question.axes,
        keepdims=question.keepdims,
        skipna=question.skipna,
        ddof=question.ddof,
    )
    rtol, atol = tolerance(variable, values, mask, question, picked.size, home)
    agree(answer, expected.reshape(shape), valid.reshape(shape), rtol=rtol, atol=atol)
    read = part.read()
    if not (values.ndim == 0 and mask):  # numpy.ma.masked has lost its dtype
        assert read.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(
        np.ma.getmaskarray(read), orthogonal(mask, question.key)
    )
    kept = ~orthogonal(mask, question.key)
    np.testing.assert_array_equal(np.asarray(read.data)[kept], np.asarray(picked)[kept])


def check(case, question, home=LOCAL):
    """Write the file, and compare one answer and the elements themselves."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(case, Path(folder))
        values, mask = decoded(case, path)
        variable = home.open(home.place(path), "x")
        try:
            check_variable(variable, values, mask, question, home)
        except UnsupportedCodec as error:
            # Refused by name is right too, for codecs that no kept library decodes.
            if case.codec in DECODED:
                raise AssertionError(case.codec) from error
