"""The functional form that clients of PyActiveStorage know: one chunk, one call.

There a chunk is described by a train of arguments: numcodecs objects, a 4-tuple of
missing rules, a selection with integers, a NumPy function. ``ChunkCall`` turns such a
call into the request that every backend understands, and the backend's partial into
what such a call returns, so that a backend's adapter is two lines.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from activecore.errors import (
    ConfigError,
    SelectionError,
    UnsupportedCodec,
    UnsupportedDtype,
)
from activecore.model import (
    AxisSelection,
    ChunkBatch,
    ChunkLayout,
    ChunkRequest,
    Codec,
    Missing,
    Partial,
    Scalar,
    is_reducible,
)
from activecore.reductions import REDUCTION, Reduction, Stored, reduction_of
from activecore.selection import DimensionView, index_view, view_of

__all__ = ["ChunkCall"]

logger = logging.getLogger(__name__)

Array: TypeAlias = NDArray[Any]
Method: TypeAlias = str | Callable[..., Any] | None
Undo: TypeAlias = slice | NDArray[np.int64]
"""What brings one dimension of selected elements into the order that was asked."""

_NUMPY_NAMES = {"amax": "max", "amin": "min", **{name: name for name in REDUCTION}}


@dataclass(frozen=True, slots=True, eq=False)
class ChunkCall:
    """One call of a functional form: the request, and how its answer is handed back."""

    request: ChunkRequest
    """What a backend is to answer."""
    axis: tuple[int, ...]
    """The axes that the caller wants reduced."""
    reduction: Reduction | None
    """The row that answers the call; None: the elements themselves are wanted."""
    function: Callable[..., Any] | None
    """What the caller wants done with the elements; None: nothing."""
    undo: tuple[Undo, ...]
    """What brings selected elements into the caller's order, for each dimension."""

    @classmethod
    def of(
        cls,
        source: str,
        offset: int,
        size: int,
        compression: Any,
        filters: Iterable[Any] | None,
        missing: Sequence[Any] | None,
        dtype: DTypeLike,
        shape: Sequence[int],
        order: str,
        chunk_selection: object,
        method: Method = None,
        *,
        axis: int | Sequence[int] | None = None,
    ) -> ChunkCall:
        """Translate the arguments of a call.

        Parameters
        ----------
        source
            The object.
        offset
            Where in it the chunk begins, in bytes.
        size
            How many bytes it takes there; -1: the whole object.
        compression
            The compressor, a numcodecs codec (or ``Codec``). None: there is none.
        filters
            Such codecs too, in the order in which a writer applies them before the
            compressor. None: there are none.
        missing
            None, or (_FillValue, missing_value, valid_min, valid_max), each None, a
            number or (the first two) several. A value that the dtype cannot hold is
            ignored, and one line is logged.
        dtype
            Of the decoded chunk.
        shape
            Of the decoded chunk.
        order
            In which its elements lie: ``"C"`` or ``"F"``.
        chunk_selection
            Anything that indexes an array one dimension at a time. An integer means
            the slice of length one.
        method
            Name of a reduction, or the NumPy function; any other function that takes
            ``axis`` and ``keepdims`` is applied to the selected elements. None: the
            elements themselves.
        axis
            What to reduce; None: everything.

        Raises
        ------
        UnsupportedReduction, UnsupportedCodec, UnsupportedDtype
            No such method; something that is no codec; no numbers.
        SelectionError, ConfigError
            The selection or axis does not fit the shape; another argument is malformed.
        """
        elements = np.dtype(dtype)
        if not is_reducible(elements):
            raise UnsupportedDtype(f"elements of dtype {elements} cannot be reduced")
        lengths = tuple(operator.index(length) for length in shape)
        if any(length < 0 for length in lengths):
            raise ConfigError(f"a chunk's shape must not be negative, got {lengths}")
        if order not in ("C", "F"):
            raise ConfigError(f"order must be 'C' or 'F', not {order!r}")
        reduction = _row(method)
        function = method if callable(method) and reduction is None else None
        selection, undo = _selection(chunk_selection, lengths)
        axes = _axes(axis, len(lengths))
        request = ChunkRequest(
            layout=ChunkLayout(
                elements,
                lengths,
                order,
                codecs=_codecs(compression, filters),
                missing=_missing(missing, elements.newbyteorder("=")),
            ),
            source=source,
            offset=operator.index(offset),
            size=operator.index(size),
            chunk_selection=selection,
            axis=() if reduction is None else axes,
            operation="select"
            if reduction is None
            else reduction.operation(Stored(elements, int(np.prod(lengths)))),
        )
        return cls(request, axes, reduction, function, undo)

    def answer(self, partial: Partial) -> tuple[Any, Array | None]:
        """Turn the backend's partial for ``request`` into the call's result.

        Returns
        -------
        value
            Reduced axes at length one. A masked array where anything can be missing.
        count
            Non-missing elements behind each value, int64, same shape; None where the
            elements themselves were asked for.
        """
        if self.reduction is None:
            elements = self._elements(partial)
            if self.function is None:
                return elements, None
            count = np.ma.count(elements, axis=self.axis, keepdims=True)
            return self.function(elements, axis=self.axis, keepdims=True), count
        shape = ChunkBatch.of(self.request).reduced_shape
        behind = np.broadcast_to(partial.count, shape)
        value, valid = self.reduction.finish(partial.values, behind, 0.0)
        kept = tuple(
            slice(None) if axis in self.axis else undo
            for axis, undo in enumerate(self.undo)
        )
        value, valid, count = (
            _reorder(np.broadcast_to(array, shape), kept).copy()
            for array in (value, valid, behind)
        )
        if self.request.missing or not valid.all():
            return np.ma.masked_array(value, mask=~valid), count
        return value, count

    def _elements(self, partial: Partial) -> Array:
        elements = _reorder(partial.values[0], self.undo)
        if not self.request.missing:
            return elements
        kept = np.broadcast_to(partial.count, partial.values[0].shape)
        return np.ma.masked_array(elements, mask=~_reorder(kept, self.undo))


def _row(method: Method) -> Reduction | None:
    if isinstance(method, str):
        return None if method == "select" else reduction_of(method)
    for numpy_name, name in _NUMPY_NAMES.items():
        for module in (np, np.ma):
            known = getattr(module, numpy_name, None)
            if known is not None and known is method:
                return REDUCTION[name]
    return None


def _axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    axes = sorted(
        operator.index(a) + ndim if a < 0 else operator.index(a) for a in given
    )
    if len(set(axes)) != len(axes) or any(not 0 <= a < ndim for a in axes):
        raise SelectionError(f"axis {axis} does not name axes of {ndim} dimensions")
    return tuple(axes)


def _selection(
    selection: object, shape: tuple[int, ...]
) -> tuple[tuple[AxisSelection, ...], tuple[Undo, ...]]:
    """Bring a selection into the ascending form of requests; say how to undo that."""
    view = index_view(view_of(shape), selection, [str(a) for a in range(len(shape))])
    pairs = [_ascending(item) for item in view]
    return tuple(item for item, _ in pairs), tuple(undo for _, undo in pairs)


def _ascending(item: DimensionView) -> tuple[AxisSelection, Undo]:
    if isinstance(item, int):
        return slice(item, item + 1, 1), slice(None)
    if isinstance(item, range):
        turned = item.step < 0
        span = item[::-1] if turned else item
        stop = span[-1] + 1 if len(span) > 0 else 0
        start = span[0] if len(span) > 0 else 0
        return slice(start, stop, span.step), slice(None, None, -1 if turned else 1)
    order = np.argsort(item, kind="stable")
    return tuple(item[order].tolist()), np.argsort(order, kind="stable")


def _reorder(array: Array, undo: tuple[Undo, ...]) -> Array:
    for axis, item in enumerate(undo):
        array = array[(slice(None),) * axis + (item,)]
    return array


def _codecs(compression: Any, filters: Iterable[Any] | None) -> tuple[Codec, ...]:
    pipeline = [] if filters is None else list(filters)
    if compression is not None:
        pipeline.append(compression)
    return tuple(_codec(step) for step in pipeline)


def _codec(step: Any) -> Codec:
    if isinstance(step, Codec):
        return step
    get_config = getattr(step, "get_config", None)
    if get_config is None:
        raise UnsupportedCodec(f"{step!r} is no numcodecs codec")
    config: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in get_config().items()
    }
    return Codec.of(config.pop("id"), **config)


def _missing(rules: Sequence[Any] | None, dtype: np.dtype[Any]) -> Missing:
    if rules is None:
        return Missing()
    try:
        fill_value, missing_value, valid_min, valid_max = rules
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "missing must be (_FillValue, missing_value, valid_min, valid_max), "
            f"not {rules!r}"
        ) from error
    low, high = _rules(valid_min, dtype), _rules(valid_max, dtype)
    missing = Missing(
        valid_min=low[0] if low else None, valid_max=high[0] if high else None
    )
    for value in (*_rules(fill_value, dtype), *_rules(missing_value, dtype)):
        missing = missing.with_value(value)
    return missing


def _rules(given: Any, dtype: np.dtype[Any]) -> list[Scalar]:
    """Cast one rule's values to the stored dtype: those that it can hold."""
    if given is None:
        return []
    if isinstance(given, np.ndarray):
        given = list(given.ravel())
    values = given if isinstance(given, (list, tuple)) else [given]
    casts = [_cast(value, dtype) for value in values]
    return [value for value in casts if value is not None]


def _cast(value: Any, dtype: np.dtype[Any]) -> Scalar | None:
    with np.errstate(all="ignore"):
        try:
            cast: Any = np.asarray(value).astype(dtype)[()]
        except (TypeError, ValueError, OverflowError):
            cast = None
    # Python's float has no width of its own: as in NumPy, it takes the array's.
    is_weak = dtype.kind == "f" and type(value) is float
    is_nan = cast != cast and value != value  # noqa: PLR0124 - true for NaN alone
    if is_weak or is_nan or cast == value:
        return cast  # type: ignore[no-any-return] # NumPy types it as Any
    logger.warning("missing rule %r is ignored, %s cannot hold it", value, dtype)
    return None
