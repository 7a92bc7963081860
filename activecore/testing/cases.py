"""The golden cases: what a backend is asked, and the elements behind each answer.

The core is what every backend must answer: ``select`` in full, and the plain case of
every operation that the backend lists. All else are capabilities, which ``why_not``
may refuse. Each known fault of earlier clients has a case here, named after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activecore.model import AxisSelection, Codec, Missing
from activecore.testing.golden import GoldenCase, golden_case
from activecore.testing.regressions import regression_cases

__all__ = ["CAPABILITY_CASES", "CORE_CASES", "SELECT_CASES"]

Array = NDArray[Any]

SHAPE = (3, 4, 5)
ALL_AXES = (0, 1, 2)
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "?")
OPERATIONS = (
    "count",
    "sum",
    "sum_f8",
    "min",
    "max",
    "extrema",
    "moments",
    "nonzero",
)
AXES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
_CORE_DTYPES = MappingProxyType(
    # An integer sum may wrap in a server's accumulator, which it then has to refuse.
    dict.fromkeys(("count", "min", "max"), ("i4", "f4", "f8"))
    | dict.fromkeys(("sum", "sum_f8", "moments", "extrema", "nonzero"), ("f8",))
)

_SELECTIONS: Mapping[str, tuple[AxisSelection, ...]] = MappingProxyType(
    {
        "part": (slice(1, 3, 1), slice(0, 2, 1), slice(2, 5, 1)),
        "one-element": (slice(1, 2, 1), slice(3, 4, 1), slice(2, 3, 1)),
        "steps": (slice(0, 3, 2), slice(1, 4, 2), slice(0, 5, 3)),
        "positions": ((0, 2), slice(0, 4, 1), (1, 4)),
        "positions-repeated": (slice(0, 3, 1), (0, 0, 3, 3), (2,)),
        "positions-and-steps": ((1, 2), slice(0, 4, 3), (0, 3, 3, 4)),
        "empty-slice": (slice(0, 3, 1), slice(2, 2, 1), slice(0, 5, 1)),
        "empty-positions": (slice(0, 3, 1), slice(0, 4, 1), ()),
    }
)


def _missing_rules(dtype: str) -> dict[str, Missing]:
    of = np.dtype(dtype).type
    rules = {
        "value": Missing(values=(of(-7),)),
        "second-value": Missing(values=(of(-7), of(9))),
        "fill-0": Missing(values=(of(0),)),
        "valid_min": Missing(valid_min=of(-20)),
        "valid_min-0": Missing(valid_min=of(0)),
        "valid_max": Missing(valid_max=of(25)),
        "valid_max-0": Missing(valid_max=of(0)),
        "all-rules": Missing((of(0), of(-7), of(9)), of(-30), of(30)),
        "everything-missing": Missing(valid_min=of(120)),
    }
    if of(0).dtype.kind == "f":
        nan = of(np.nan)
        rules["nan"] = Missing(values=(nan,))
        rules["nan-and-all-rules"] = Missing(
            (of(0), nan, of(-7), of(9)), of(-30), of(30)
        )
    return rules


def _elements(dtype: str, shape: Sequence[int], seed: int) -> Array:
    """Scatter numbers between -50 and 50, those that rules mention among them."""
    random = np.random.default_rng([seed, *dtype.encode(), *shape])
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return random.integers(0, 2, shape).astype(kind)
    low = 0 if kind.kind == "u" else -50
    numbers = np.asarray(random.integers(low, 50, shape)).astype(kind)
    if kind.kind == "f":
        numbers = (numbers + random.integers(0, 2, shape) / 4).astype(kind)
    if numbers.size >= len(_MENTIONED) and kind.kind != "u":
        spots = random.choice(numbers.size, len(_MENTIONED), replace=False)
        numbers.flat[spots] = _MENTIONED
    return numbers


_MENTIONED = (0, 0, -7, -7, 9, -20, -30, 30, 25)


def _with_nan(chunk: Array) -> Array:
    chunk = chunk.copy()
    chunk[0, 1, 2] = chunk[2, 3, 4] = np.nan
    return chunk


def _three(dtype: str, shape: Sequence[int] = SHAPE) -> list[Array]:
    return [_elements(dtype, shape, seed) for seed in (1, 2, 3)]


def _select_cases() -> Iterator[GoldenCase]:
    for dtype in DTYPES:
        core = dtype in ("i4", "i8", "f4", "f8")
        name = np.dtype(dtype).name
        yield golden_case(name, _three(dtype), "select", core=core, hint="dtype")
    for name, selection in _SELECTIONS.items():
        yield golden_case(
            name, _three("f4"), "select", selection=selection, core=True, hint=name
        )
    for dtype in ("f4", "i4"):
        for name, missing in _missing_rules(dtype).items():
            chunks = _three(dtype)
            if "nan" in name:
                chunks = [_with_nan(chunk) for chunk in chunks]
            label = f"{np.dtype(dtype).name}-missing-{name}"
            yield golden_case(
                label, chunks, "select", missing=missing, core=True, hint="missing"
            )


def _plain_cases(operation: str) -> Iterator[GoldenCase]:
    """Every dtype, axis, selection and missing rule, one thing at a time."""
    core_dtypes = _CORE_DTYPES[operation]
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        core = dtype in core_dtypes
        yield golden_case(name, _three(dtype), operation, core=core, hint="dtype")
        if dtype == "?" or dtype.startswith("u"):
            continue
        rule = Missing(values=(np.dtype(dtype).type(-7),))
        yield golden_case(
            f"{name}-missing", _three(dtype), operation,
            axis=(0, 2), missing=rule, core=core, hint="missing",
        )  # fmt: skip
    for axis in AXES:
        name = "axis-" + ("none" if axis == () else "-".join(map(str, axis)))
        yield golden_case(
            name, _three("f8"), operation, axis=axis, core=True, hint="axis"
        )
    some_axes: tuple[tuple[int, ...], ...] = (ALL_AXES, (1,))
    for (name, selection), axis in itertools.product(_SELECTIONS.items(), some_axes):
        yield golden_case(
            f"{name}-axis-{len(axis)}", _three("f8"), operation,
            axis=axis, selection=selection, core=name == "part", hint=name,
        )  # fmt: skip
    for dtype in ("f8", "i4"):
        for name, missing in _missing_rules(dtype).items():
            chunks = _three(dtype)
            if "nan" in name:
                chunks = [_with_nan(chunk) for chunk in chunks]
            single = name in ("value", "fill-0", "valid_min", "valid_max")
            yield golden_case(
                f"{np.dtype(dtype).name}-missing-{name}", chunks, operation,
                axis=(1, 2), missing=missing, hint="missing",
                core=single and dtype in core_dtypes,
            )  # fmt: skip


def _pipelines() -> Iterator[tuple[str, tuple[Codec, ...]]]:
    shuffle = Codec.of("shuffle", elementsize=4)
    zlib, zstd = Codec.of("zlib", level=4), Codec.of("zstd", level=3)
    fletcher32, crc32c = Codec.of("fletcher32"), Codec.of("crc32c")
    yield "zlib", (zlib,)
    yield "gzip", (Codec.of("gzip", level=4),)
    yield "shuffle", (shuffle,)
    yield "shuffle-zlib", (shuffle, zlib)
    yield "fletcher32", (fletcher32,)
    yield "zlib-fletcher32", (zlib, fletcher32)
    yield "shuffle-zlib-fletcher32", (shuffle, zlib, fletcher32)
    yield "fletcher32-zlib", (fletcher32, zlib)
    yield "zstd", (zstd,)
    yield "shuffle-zstd", (shuffle, zstd)
    yield "lz4", (Codec.of("lz4"),)
    yield "blosc", (Codec.of("blosc", cname="lz4", clevel=5, shuffle=1),)
    yield "crc32c", (crc32c,)
    yield "zstd-crc32c", (zstd, crc32c)


def _storage_cases() -> Iterator[GoldenCase]:
    """Every way in which bytes become elements."""
    for operation, axis in (("select", ()), ("sum", (0,)), ("max", (2,))):
        for name, codecs in _pipelines():
            yield golden_case(
                f"codecs-{name}", _three("f4"), operation,
                axis=axis, codecs=codecs, hint="codecs",
            )  # fmt: skip
        for order in ("F", (1, 2, 0), (0, 2, 1)):
            label = "".join(map(str, order))
            yield golden_case(
                f"order-{label}", _three("f8"), operation,
                axis=axis, order=order, hint="order",
            )  # fmt: skip
        for dtype in ("i2", "i4", "f4", "f8"):
            yield golden_case(
                f"big-endian-{np.dtype(dtype).name}", _three(dtype), operation,
                axis=axis, byte_order=">", hint="byte_order",
                missing=Missing(values=(np.dtype(dtype).type(-7),)),
            )  # fmt: skip
        yield golden_case(
            "order-F-big-endian-shuffle-zlib", _three("f4"), operation,
            axis=axis, order="F", byte_order=">", hint="order",
            codecs=(Codec.of("shuffle", elementsize=4), Codec.of("zlib", level=1)),
        )  # fmt: skip
        yield golden_case(
            "whole-objects", _three("f8"), operation,
            axis=axis, whole=True, hint="whole",
        )  # fmt: skip
    for operation in ("select", *OPERATIONS):
        yield golden_case(
            "no-dimensions", _three("f8", ()), operation, hint="no-dimensions"
        )
        yield golden_case("one-dimension", _three("f8", (7,)), operation)


def _all_cases() -> tuple[GoldenCase, ...]:
    cases = [*_select_cases()]
    for operation in OPERATIONS:
        cases += _plain_cases(operation)
    cases += [*_storage_cases(), *regression_cases()]
    return tuple(cases)


_ALL = _all_cases()

SELECT_CASES = tuple(c for c in _ALL if c.core and c.operation == "select")
"""What every backend must answer, whatever it is."""

CORE_CASES = tuple(c for c in _ALL if c.core and c.operation != "select")
"""What a backend that lists the operation must answer."""

CAPABILITY_CASES = tuple(c for c in _ALL if not c.core)
"""What a backend may refuse through ``why_not``, and otherwise must answer rightly."""
