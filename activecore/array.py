"""``ActiveArray``: immutable and lazy; index it, then reduce it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from activecore.arguments import a_dtype, a_number
from activecore.errors import SelectionError, UnsupportedDtype, UnsupportedReduction
from activecore.execute import execute
from activecore.explain import Explanation, explain
from activecore.given import masked, put_into
from activecore.grouped import GroupedArray
from activecore.groups import Groups
from activecore.html import array_html
from activecore.model import ArrayInfo, ReadingIndex, is_reducible
from activecore.named_reductions import NamedReductions
from activecore.numpy_protocol import NumPyProtocol
from activecore.plan import Plan, make_plan
from activecore.question import (
    Axis,
    Question,
    axis_numbers,
    question_of_reading,
    question_of_reduction,
)
from activecore.reductions import Reduction, reduction_of, unpack_values
from activecore.selection import (
    View,
    index_view,
    view_extents,
    view_of,
    view_shape,
)
from activecore.session import Session

__all__ = ["ActiveArray"]

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = Mapping[Any, ArrayLike]


class ActiveArray(NamedReductions, NumPyProtocol):
    """A variable, or a part of one, that reduces its chunks where they lie.

    Indexing gives a new array and reads nothing: slices with any step, integers, lists
    of integers, 1-D boolean masks and ``...``, each dimension by itself (orthogonal).
    Reductions, ``read`` and ``np.asarray`` read. Made by ``activecore.open``.
    """

    def __init__(
        self, info: ArrayInfo, session: Session, view: View | None = None
    ) -> None:
        self._session = session
        self._view = view_of(info.shape) if view is None else view
        self._info = info.cut_for(view_extents(self._view))

    # -- what it is ---------------------------------------------------------------

    @property
    def name(self) -> str:
        """The variable's name, with its group."""
        return self._info.name

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions that are left."""
        return tuple(self._info.dims[axis] for axis in self._kept)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension that is left."""
        return view_shape(self._view)

    @property
    def ndim(self) -> int:
        """How many dimensions are left."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements are selected."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the unpacked values."""
        packing = self._info.packing
        return self._info.dtype if packing is None else packing.dtype

    @property
    def nbytes(self) -> int:
        """Size in bytes that the selected values would have in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunk shape of the stored variable, as h5py gives it; None: contiguous."""
        return self._info.chunks

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The variable's attributes."""
        return self._info.attrs

    @property
    def info(self) -> ArrayInfo:
        """All that the reader found out about the stored variable."""
        return self._info

    def with_info(self, info: ArrayInfo) -> Self:
        """Give the same selection of the variable as another description has it.

        For those who have rules of their own for what is missing, or how stored
        numbers are unpacked. Shape and index must be the variable's.
        """
        return type(self)(info, self._session, self._view)

    @property
    def view(self) -> View:
        """What is selected of each stored dimension."""
        return self._view

    @property
    def _kept(self) -> list[int]:
        return [a for a, item in enumerate(self._view) if not isinstance(item, int)]

    def __repr__(self) -> str:
        lengths = ", ".join(
            f"{dim}: {length}"
            for dim, length in zip(self.dims, self.shape, strict=True)
        )
        stored = "" if self.dtype == self._info.dtype else f" from {self._info.dtype}"
        chunks = "contiguous" if self.chunks is None else f"chunks {self.chunks}"
        backends = ", ".join(backend.name for backend in self._session.backends)
        return (
            f"<activecore.ActiveArray {self.name!r} ({lengths}) {self.dtype}{stored}, "
            f"{chunks}, {self._info.source} by {backends}>"
        )

    def _repr_html_(self) -> str:
        names = [backend.name for backend in self._session.backends]
        return array_html(self._info, self.dims, self.shape, self.dtype, names)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("an array without dimensions has no length")
        return self.shape[0]

    def __bool__(self) -> NoReturn:
        raise TypeError("an array is not one truth; ask .any() or .all()")

    def __iter__(self) -> Iterator[NoReturn]:
        raise TypeError(
            "iterating would read the array piece by piece; "
            "reduce it, index it, or call .read()"
        )

    # -- selecting ----------------------------------------------------------------

    def __getitem__(self, key: object) -> Self:
        view = index_view(self._view, key, self._info.dims)
        return type(self)(self._info, self._session, view)

    def isel(self, **indexers: object) -> Self:
        """Select by dimension name: ``tas.isel(time=slice(0, 12), lat=0)``."""
        keys: list[object] = [slice(None)] * self.ndim
        for name, key in indexers.items():
            (number,) = axis_numbers(name, self.dims)
            keys[number] = key
        return self[tuple(keys)]

    def groupby(
        self, dim: int | str, labels: ArrayLike, *, groups: ArrayLike | None = None
    ) -> GroupedArray:
        """Group the positions of a dimension: ``tas.groupby("time", months).mean()``.

        Reads nothing. When it is reduced, each chunk is read once, and chunks that lie
        within one group are reduced where they lie.

        Parameters
        ----------
        dim
            The dimension, by name or number.
        labels
            1-D, one for each position: numbers, text or dates. Those of one label are
            a group. What is masked, NaN, NaT or None belongs nowhere and is not read.
        groups
            The labels wanted, in the order wanted, those that never occur included;
            None: all that occur, sorted.

        Returns
        -------
        GroupedArray
            With the same reductions; ``groups`` has the labels.

        Raises
        ------
        SelectionError
            The labels do not fit.
        """
        return GroupedArray(self, dim, labels, groups)

    # -- reading ------------------------------------------------------------------

    def read(self) -> np.ma.MaskedArray[Any, Any]:
        """Read the selected values, unpacked, missing ones masked.

        They come through the same backend as reductions do.
        """
        self._require_numbers()
        plan = make_plan(self._view, self._info.index.chunk_shape)
        question = question_of_reading(self._info)
        (values,), valid = self._run(question, plan)
        packing = self._info.packing
        if packing is not None:
            values = packing.unpack(values)
        shape = self.shape
        return np.ma.MaskedArray(
            values.reshape(shape),
            mask=np.ma.nomask if valid.all() else ~valid.reshape(shape),
        )

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Array:
        if copy is False:
            raise ValueError("the values must be read, so a copy cannot be avoided")
        values = self.read()
        if np.ma.is_masked(values):
            if values.dtype.kind != "f":
                raise UnsupportedDtype(
                    f"variable {self.name!r} has missing values, which a plain array "
                    f"of {values.dtype} cannot show; use .read()"
                )
            return np.asarray(values.filled(np.nan), dtype=dtype)
        return np.asarray(values.data, dtype=dtype)

    # -- reducing -----------------------------------------------------------------

    def reduce(
        self,
        reduction: str,
        axis: Axis = None,
        *,
        dim: Axis = None,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        skipna: bool = False,
        ddof: float = 0,
        weights: Weights | None = None,
        components: bool = False,
        out: Array | None = None,
        groups: Mapping[str, Groups] | None = None,
    ) -> Any:
        """Reduce the selected elements.

        Parameters
        ----------
        reduction
            ``"mean"``, ``"max"``, …: a name of ``activecore.reductions``.
        axis, dim
            Which dimensions to reduce, by name or number; None: all. Two spellings
            of one thing.
        keepdims
            Leave reduced dimensions in place, with length one.
        dtype
            Dtype of the result; what is computed is computed in 64 bits whatever
            it is. A sum asked for as a float does not wrap.
        skipna
            Count NaN as missing; otherwise it propagates.
        ddof
            For ``var`` and ``std``: what is taken from n in the denominator.
        weights
            For ``mean`` and ``sum``: 1-D weights for reduced dimensions,
            ``{"lat": cos_lat}``, as long as the selection.
        components
            Give what the reduction is made of, as a dict with the count ``"n"``.
        out
            An array of the result's shape that receives it. What is masked becomes
            masked there, or NaN in an ordinary array of floats.
        groups
            How positions of dimensions that are not reduced are gathered; ``groupby``
            gives them.

        Returns
        -------
        numpy.ma.MaskedArray, scalar or dict
            Masked where nothing was left to reduce; without dimensions a NumPy
            scalar or ``numpy.ma.masked``. ``count`` is an ordinary array.

        Raises
        ------
        UnsupportedReduction, SelectionError
            For what cannot be asked.
        ActiveCoreError
            For what went wrong; never a guessed value.
        """
        row = reduction_of(reduction)
        ddof = a_number("ddof", ddof)
        in_float = dtype is not None and a_dtype("dtype", dtype).kind == "f"
        plan, question = self._asked(
            row,
            axis,
            dim,
            skipna=skipna,
            weights=weights,
            in_float=in_float,
            groups=groups,
        )
        values, count = self._run(question, plan)
        packing = self._info.packing
        if packing is not None and question.unpack is None:
            values = unpack_values(question.operation, values, count, packing)
        lengths = plan.lengths(question.axes)
        shape = tuple(
            lengths[a] for a in self._kept if keepdims or a not in question.axes
        )
        if components:
            if out is not None or dtype is not None:
                raise UnsupportedReduction("components take neither out nor dtype")
            names = row.components
            if len(question.weights) > 0:
                names = (*names, "weight")
            given = {
                name: masked(value.reshape(shape), count.reshape(shape) > 0)
                for name, value in zip(names, values, strict=True)
            }
            return {**given, "n": count.reshape(shape)[()]}
        answer, valid = row.finish(values, count, ddof)
        answer, valid = answer.reshape(shape), valid.reshape(shape)
        if not valid.all():
            # Behind a mask is what the merge began with, which not every dtype holds.
            answer = np.where(valid, answer, answer.dtype.type(0))
        if dtype is not None:
            answer = answer.astype(dtype)
        if out is not None:
            return put_into(out, answer, valid)
        if row.name == "count":  # never masked: it is an answer even where it is 0
            return answer[()]
        return masked(answer, valid)

    def explain(
        self,
        reduction: str = "mean",
        axis: Axis = None,
        *,
        dim: Axis = None,
        weights: Weights | None = None,
        groups: Mapping[str, Groups] | None = None,
    ) -> Explanation:
        """Say who would answer a reduction, why not the others, and what it costs.

        Reads no chunk (of a sharded Zarr array, the indexes of the shards).
        """
        row = reduction_of(reduction)
        plan, question = self._asked(row, axis, dim, weights=weights, groups=groups)
        return explain(reduction, question, plan, self._info, self._session.chain())

    def _asked(
        self,
        row: Reduction,
        axis: Axis,
        dim: Axis,
        *,
        skipna: bool = False,
        weights: Weights | None = None,
        in_float: bool = False,
        groups: Mapping[str, Groups] | None = None,
    ) -> tuple[Plan, Question]:
        self._require_numbers()
        if axis is not None and dim is not None:
            raise SelectionError("axis and dim are two spellings of one thing")
        numbers = axis_numbers(dim if axis is None else axis, self.dims)
        axes = [self._kept[number] for number in numbers]
        info = self._info
        gathered = {} if groups is None else self._gathered(groups, axes)
        plan = make_plan(self._view, info.index.chunk_shape, gathered)
        question = question_of_reduction(
            info,
            self._view,
            plan,
            row,
            axes,
            skipna=skipna,
            weights=weights,
            in_float=in_float,
        )
        return plan, question

    def _gathered(
        self, groups: Mapping[str, Groups], axes: Sequence[int]
    ) -> dict[int, Groups]:
        """Give groups by stored dimension."""
        gathered = {}
        for dim, asked in groups.items():
            (number,) = axis_numbers(dim, self.dims)
            if self._kept[number] in axes:
                raise SelectionError(f"{dim!r} is grouped, so it cannot be reduced too")
            if len(asked.numbers) != self.shape[number]:
                raise SelectionError(
                    f"{len(asked.numbers)} positions of {dim!r} are grouped, "
                    f"but {self.shape[number]} are selected"
                )
            gathered[self._kept[number]] = asked
        return gathered

    def _require_numbers(self) -> None:
        if not is_reducible(self._info.dtype) or len(self._info.layouts) == 0:
            raise UnsupportedDtype(
                f"variable {self.name!r} holds {self._info.dtype}, "
                "which cannot be reduced or read here"
            )

    def _run(self, question: Question, plan: Plan) -> tuple[tuple[Array, ...], Array]:
        session, info = self._session, self._info
        if isinstance(info.index, ReadingIndex):
            info = replace(info, index=info.index.for_run())
        outcome = session.unchanged(
            info,
            lambda: execute(
                question,
                plan,
                info,
                session.chain(),
                threads=session.threads,
                executor=session.executor,
                deadline=session.deadline,
            ),
        )
        return outcome.values, outcome.count
