"""A golden case: chunks whose elements are known, and one question about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from activecore.model import AxisSelection, ChunkLayout, Codec, Missing
from activecore.testing.encode import encode_chunk
from activecore.testing.hints import HINT
from activecore.testing.oracle import Expected, expect

__all__ = ["GoldenCase", "golden_case"]

_PLAIN_DTYPES = frozenset({"i4", "i8", "f4", "f8"})


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """Chunks of one layout, and what is asked of each of them."""

    name: str
    """Unique, and readable as part of a test's name."""
    layout: ChunkLayout
    """How every chunk is stored."""
    chunks: tuple[NDArray[Any], ...]
    """The elements of every chunk, native-endian, of the layout's shape."""
    selection: tuple[AxisSelection, ...]
    """What is wanted of every chunk."""
    axis: tuple[int, ...]
    """The axes to reduce."""
    operation: str
    """What is asked."""
    hint: str
    """What usually causes a wrong answer."""
    core: bool
    """Whether a backend that lists the operation must answer."""
    whole: bool = False
    """Whether each chunk is asked as a whole object, size -1."""
    demands: tuple[str, ...] = field(default=())
    """Capabilities that the values ask for, besides those of the layout."""

    def __str__(self) -> str:
        return self.name

    @cached_property
    def encoded(self) -> tuple[bytes, ...]:
        """The bytes of every chunk, as a writer would have stored them."""
        return tuple(encode_chunk(chunk, self.layout) for chunk in self.chunks)

    @cached_property
    def expected(self) -> tuple[Expected, ...]:
        """The right answer for every chunk."""
        return tuple(
            expect(
                chunk, self.layout.missing, self.selection, self.axis, self.operation
            )
            for chunk in self.chunks
        )

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What a backend must be able to do to answer, beyond the plainest chunk."""
        layout = self.layout
        named = [f"operation {self.operation}"]
        if layout.dtype.str[1:] not in _PLAIN_DTYPES:
            named.append(f"dtype {layout.dtype.name}")
        if not layout.dtype.isnative:
            named.append("byte order of another machine")
        if not layout.is_c_order:
            named.append(f"axis order {layout.order}")
        named += [f"codec {codec}" for codec in layout.codecs]
        named += _demands_of_missing(layout.missing)
        named += _demands_of_selection(self.selection)
        if layout.shape == ():
            named.append("chunks without dimensions")
        if self.whole:
            named.append("whole objects (size -1)")
        return (*named, *self.demands)

    def __format__(self, _: str) -> str:
        layout = self.layout
        order = "C" if layout.is_c_order else str(layout.order)
        codecs = " + ".join(str(codec) for codec in layout.codecs) or "none"
        text = (
            f"{self.operation} of a chunk of {layout.dtype.str} {layout.shape}, "
            f"order {order}, codecs {codecs}, {_describe_missing(layout.missing)}, "
            f"selection {_describe_selection(self.selection)}"
        )
        return text if self.operation == "select" else f"{text}, axis {self.axis}"


def golden_case(
    name: str,
    chunks: Sequence[NDArray[Any]],
    operation: str,
    *,
    axis: tuple[int, ...] | None = None,
    selection: tuple[AxisSelection, ...] | None = None,
    missing: Missing | None = None,
    order: str | tuple[int, ...] = "C",
    byte_order: Literal["<", ">"] = "<",
    codecs: Sequence[Codec] = (),
    hint: str = "plain",
    core: bool = False,
    whole: bool = False,
    demands: tuple[str, ...] = (),
) -> GoldenCase:
    """Make a golden case from the elements of its chunks.

    Parameters
    ----------
    name
        What is special about it.
    chunks
        Arrays of one shape and dtype.
    axis
        None: all axes, and none for ``select``.
    selection
        None: everything.
    byte_order
        Of the stored elements, ``"<"`` or ``">"``.
    hint
        A key of ``hints.HINT``, or a sentence.
    """
    first = chunks[0]
    layout = ChunkLayout(
        first.dtype.newbyteorder(byte_order), first.shape, order, codecs, missing
    )
    everything = tuple(slice(0, n, 1) for n in first.shape)
    axes = tuple(range(first.ndim)) if axis is None else axis
    return GoldenCase(
        name=f"{operation}-{name}",
        layout=layout,
        chunks=tuple(chunks),
        selection=everything if selection is None else selection,
        axis=() if operation == "select" else axes,
        operation=operation,
        hint=HINT.get(hint, hint),
        core=core,
        whole=whole,
        demands=demands,
    )


def _demands_of_missing(missing: Missing) -> list[str]:
    rules = len(missing.values) + sum(
        bound is not None for bound in (missing.valid_min, missing.valid_max)
    )
    named = []
    if missing.masks_nan:
        named.append("NaN as missing value")
    if rules > 1:
        named.append("several missing rules")
    return named


def _demands_of_selection(selection: tuple[AxisSelection, ...]) -> list[str]:
    named = []
    if any(isinstance(item, slice) and item.step > 1 for item in selection):
        named.append("steps")
    if any(not isinstance(item, slice) for item in selection):
        named.append("integer positions")
    lengths = [
        len(range(item.start, item.stop, item.step))
        if isinstance(item, slice)
        else len(item)
        for item in selection
    ]
    if 0 in lengths:
        named.append("empty selections")
    return named


def _describe_selection(selection: tuple[AxisSelection, ...]) -> str:
    """Write a selection as one writes an index."""
    items = [
        f"{item.start}:{item.stop}" + (f":{item.step}" if item.step != 1 else "")
        if isinstance(item, slice)
        else str(list(item))
        for item in selection
    ]
    return f"[{', '.join(items)}]"


def _describe_missing(missing: Missing) -> str:
    """Write missing rules in words."""
    rules = [f"value {_plain(value)}" for value in missing.values]
    if missing.valid_min is not None:
        rules.append(f"valid_min {_plain(missing.valid_min)}")
    if missing.valid_max is not None:
        rules.append(f"valid_max {_plain(missing.valid_max)}")
    return "missing: " + (", ".join(rules) or "nothing")


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
