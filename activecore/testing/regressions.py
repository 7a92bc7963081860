"""Cases with a story: faults that were seen in clients and servers before this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.model import Missing, Scalar
from activecore.testing.golden import GoldenCase, golden_case

__all__ = ["regression_cases"]

Array = NDArray[Any]

_FILLS: Mapping[str, Scalar] = {
    # What the netCDF library writes where nobody wrote.
    "int8": np.int8(-127),
    "int16": np.int16(-32767),
    "int32": np.int32(-2147483647),
    "float32": np.float32(9.969209968386869e36),
    "float64": np.float64(9.969209968386869e36),
}


def regression_cases() -> Iterator[GoldenCase]:
    """Give every case, one fault after another."""
    yield from _sums()
    yield from _missing()
    yield from _not_numbers()
    yield from _extremes()
    yield from _moments()


def _ramp(dtype: str, *, start: int = 0) -> Array:
    return np.arange(start, start + 60).reshape(3, 4, 5).astype(dtype)


def _sums() -> Iterator[GoldenCase]:
    hundred = np.full((10, 10, 10), 100, np.int8)
    yield golden_case("int8-wraps", [hundred, -hundred], "sum", hint="wide")
    for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32"):
        most = np.full((2, 3, 4), np.iinfo(name).max, name)
        yield golden_case(f"{name}-of-greatest", [most], "sum", hint="wide")
    # 2**24 + 1 is the first integer that float32 cannot hold.
    big = np.ones((2, 8, 8), np.float32)
    big[0, 0, 0] = 2**24
    yield golden_case("float32-sticks-at-16777216", [big], "sum", hint="wide")
    halves = np.full((2, 4, 8), 60000, np.float16)
    yield golden_case("float16-overflows", [halves], "sum", hint="wide")
    for name in ("int64", "uint64"):
        most = np.full((2, 3, 4), np.iinfo(name).max, name)
        yield golden_case(f"{name}-would-wrap", [most], "sum_f8", hint="sum_f8")
    high = np.full((1, 2, 4), 2**60, np.uint64)
    yield golden_case("uint64-beyond-int64", [high], "sum", hint="wide")
    odd = np.array([[2**53 + 1, 2, -5]], np.int64)
    yield golden_case("int64-beyond-float64", [odd], "sum", hint="wide")
    flags = np.indices((3, 4)).sum(axis=0) % 2 == 0
    for operation in ("sum", "min", "max", "nonzero", "count"):
        yield golden_case(
            "bool-checkerboard", [flags, ~flags], operation, axis=(0,), hint="dtype"
        )


def _missing() -> Iterator[GoldenCase]:
    for name, fill in _FILLS.items():
        chunk = _ramp(name)
        chunk[0, 0] = chunk[2, 1, 3] = fill
        for operation in ("select", "max", "min", "sum"):
            yield golden_case(
                f"{name}-default-fill", [chunk], operation, axis=(0, 1),
                missing=Missing(values=(fill,)), hint="missing",
            )  # fmt: skip
    for operation in ("count", "sum", "min", "max", "moments", "select"):
        gone = np.full((3, 4, 5), -7, np.float64)
        row = _ramp("f8")
        row[1] = -7
        yield golden_case(
            "all-missing-and-one-row", [gone, row], operation, axis=(1, 2),
            missing=Missing(values=(np.float64(-7),)), hint="missing",
        )  # fmt: skip
    # 0.1 in float32 is not 0.1 in float64: rules compare in the stored dtype.
    tenth = _ramp("f4") / np.float32(10)
    yield golden_case(
        "float32-rule-in-float32", [tenth], "count", axis=(2,), hint="missing",
        missing=Missing(values=(np.float32(0.1),), valid_max=np.float32(2.3)),
    )  # fmt: skip
    # Distinct as integers, equal as float64.
    near = np.array([2**53, 2**53 + 1, 2**53 + 2, 5], np.int64)
    yield golden_case(
        "int64-rule-beyond-float64", [near], "count", hint="missing",
        missing=Missing(values=(np.int64(2**53 + 1),)),
    )  # fmt: skip
    yield golden_case(
        "uint8-valid-range", [_ramp("u1", start=190)], "count", axis=(1,),
        missing=Missing(valid_min=np.uint8(200), valid_max=np.uint8(240)),
        hint="missing",
    )  # fmt: skip


def _not_numbers() -> Iterator[GoldenCase]:
    demand = ("NaN that is not missing",)
    chunk = _ramp("f8", start=-20)
    chunk[0, 1, 2] = chunk[2, 3, 4] = np.nan
    for operation in (
        "count", "sum", "sum_f8", "min", "max", "extrema", "moments", "nonzero",
    ):  # fmt: skip
        for axis in ((0, 1, 2), (0,)):
            yield golden_case(
                f"nan-propagates-axis-{len(axis)}", [chunk], operation,
                axis=axis, hint="nan", demands=demand,
            )  # fmt: skip
    within = Missing(valid_min=np.float64(-10), valid_max=np.float64(10))
    for operation in ("count", "max", "sum", "select"):
        yield golden_case(
            "nan-within-valid-range", [chunk], operation, axis=(0,),
            missing=within, hint="nan", demands=demand,
        )  # fmt: skip
    filled = Missing(values=(np.float64(np.nan),))
    for operation in ("count", "max", "min", "sum", "moments", "select"):
        yield golden_case(
            "nan-fill", [chunk], operation, axis=(0,), missing=filled, hint="missing"
        )


def _extremes() -> Iterator[GoldenCase]:
    for name in ("float16", "float32", "float64"):
        least = np.full((2, 3, 4), -np.inf, name)
        yield golden_case("minus-infinity-" + name, [least], "max", hint="infinite")
        yield golden_case("infinity-" + name, [-least], "min", hint="infinite")
        yield golden_case("infinities-" + name, [-least], "extrema", hint="infinite")
    for name in ("int64", "uint64"):
        limits = np.iinfo(name)
        ends = np.array(
            [limits.min, limits.min + 1, limits.max - 1, limits.max], name
        ).reshape(2, 2)
        for operation in ("min", "max", "extrema", "select"):
            yield golden_case(f"{name}-ends", [ends], operation, hint="exact")
            yield golden_case(
                f"{name}-ends-axis", [ends], operation, axis=(1,), hint="exact"
            )
    for name in ("int8", "int16", "int32"):
        limits = np.iinfo(name)
        ends = np.array([limits.min, limits.max], name)
        yield golden_case(f"{name}-ends", [ends], "extrema", hint="dtype")
        yield golden_case(f"{name}-least", [ends[:1]], "max", hint="dtype")


def _moments() -> Iterator[GoldenCase]:
    offset = 1e6 + np.sin(np.arange(60.0)).reshape(3, 4, 5)
    for name in ("float32", "float64"):
        for axis in ((0, 1, 2), (1,)):
            yield golden_case(
                f"far-from-zero-{name}-axis-{len(axis)}", [offset.astype(name)],
                "moments", axis=axis, hint="moments",
            )  # fmt: skip
    constant = np.full((3, 4, 5), 273.15, np.float32)
    yield golden_case("constant", [constant], "moments", hint="moments")
    large = _ramp("i8", start=2**40)
    yield golden_case("int64-far-from-zero", [large], "moments", hint="moments")
