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
from activecore.xarray.times import decoded_times, require_exact

__all__ = ["finish", "options_of", "push", "require_known", "skips"]


def require_known(
    reduction: str,
    skipna: bool | None = None,
    min_count: int | None = None,
    ddof: float = 0,
) -> None:
    """Make sure that there is a reduction of this name, with these options.

    Raises
    ------
    UnsupportedReduction
        Backends are not asked for it; says which there are.
    TypeError
        It has no such option, in xarray neither.
    """
    if reduction not in REDUCTIONS:
        # xarray's own reduce takes functions.
        hint = did_you_mean(getattr(reduction, "__name__", str(reduction)), REDUCTIONS)
        known = ", ".join(REDUCTIONS)
        raise UnsupportedReduction(
            f"{reduction!r} is not reduced where data lies{hint} (known: {known}); "
            "call it without .active, which reads the data"
        )
    known_options = options_of(reduction, skipna, min_count, ddof)
    given = {"skipna": skipna, "min_count": min_count, "ddof": ddof or None}
    for name, value in given.items():
        if value is not None and name not in known_options:
            raise TypeError(f"{reduction} has no {name}, in xarray neither")


def skips(array: DataArray, skipna: bool | None, reduction: str) -> bool:
    """Say whether what is missing is left out: in floats it is, if nobody says.

    And in means of dates, which xarray makes of floats.
    """
    if skipna is not None:
        return skipna
    return array.dtype.kind in ("fcOmM" if reduction == "mean" else "fcO")


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
    nothing = array.ndim > 0 and len(asked.axes) == 0 and len(asked.groups) == 0
    if nothing and asked.reduction == "sum" and array.dtype.kind == "f":
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
    skip = skips(array, skipna, reduction)
    if not skip:
        min_count = None  # as xarray, which counts only where it looks for NaN
    values, valid = finished(
        parts, reduction, skipna=skip, ddof=ddof, min_count=min_count
    )
    source = pieces[0].source
    if source.is_time and reduction == "mean":
        require_exact(source, parts.values["sum"])
    if source.is_time and reduction in ("min", "max", "mean"):
        values = decoded_times(source, values, valid)
    return filled(labelled, values, valid, may_miss=min_count is not None)
