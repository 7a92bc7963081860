"""One reduction pushed to the source, and its answer under xarray's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xarray import DataArray

from activecore.errors import UnsupportedReduction, did_you_mean
from activecore.xarray.answers import Asked, Parts, finished, parts_of
from activecore.xarray.labels import filled
from activecore.xarray.locate import Located
from activecore.xarray.named import REDUCTIONS
from activecore.xarray.times import decoded_times

__all__ = ["finish", "options_of", "push", "require_known", "skips"]


def require_known(reduction: str) -> None:
    """Make sure that backends are asked for a reduction of this name.

    Raises
    ------
    UnsupportedReduction
        They are not; says which there are.
    """
    if reduction not in REDUCTIONS:
        hint = did_you_mean(reduction, REDUCTIONS)
        known = ", ".join(REDUCTIONS)
        raise UnsupportedReduction(
            f"{reduction!r} is not reduced where data lies{hint} (known: {known}); "
            "call it without .active, which reads the data"
        )


def skips(array: DataArray, skipna: bool | None) -> bool:
    """Say whether what is missing is left out: in floats it is, if nobody says."""
    return array.dtype.kind in "fcO" if skipna is None else skipna


def options_of(
    reduction: str, skipna: bool | None, min_count: int | None, ddof: float
) -> dict[str, Any]:
    """Give the options that xarray's own reduction of this name takes."""
    options: dict[str, Any] = {}
    if reduction not in ("count", "any", "all"):
        options["skipna"] = skipna
    if reduction == "sum":
        options["min_count"] = min_count
    if reduction in ("std", "var"):
        options["ddof"] = ddof
    return options


def push(
    array: DataArray,
    pieces: Sequence[Located],
    asked: Asked,
    labelled: DataArray,
    *,
    skipna: bool | None,
    min_count: int | None = None,
    ddof: float = 0,
) -> DataArray:
    """Answer by the backends, and put the answer in place of labelled zeros."""
    if len(asked.axes) == 0 and len(asked.groups) == 0 and asked.reduction == "sum":
        min_count = 1  # a sum over no dimension leaves what is missing as it is
    parts = parts_of(pieces, array.shape, asked)
    return finish(
        array,
        pieces,
        parts,
        asked.reduction,
        labelled,
        skipna=skipna,
        min_count=min_count,
        ddof=ddof,
    )


def finish(
    array: DataArray,
    pieces: Sequence[Located],
    parts: Parts,
    reduction: str,
    labelled: DataArray,
    *,
    skipna: bool | None,
    min_count: int | None = None,
    ddof: float = 0,
) -> DataArray:
    """Make an answer of its parts by xarray's rules, and label it."""
    if skipna is None and not skips(array, None):
        min_count = None  # as xarray, which never looks for NaN in integers then
    values, valid = finished(
        parts, reduction, skipna=skips(array, skipna), ddof=ddof, min_count=min_count
    )
    source = pieces[0].source
    if source.is_time and reduction in ("min", "max"):
        values = decoded_times(source, values, valid)
    return filled(labelled, values, valid)
