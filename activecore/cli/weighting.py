"""What users write after ``--weights``, turned into numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.errors import SelectionError, did_you_mean

if TYPE_CHECKING:
    from activecore.output.coordinates import Neighbours

__all__ = ["Weight", "weight_of"]

_POLE = 90.001
"""Degrees; a little more than the pole, for rounded coordinates."""


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """Weights along one dimension."""

    values: NDArray[Any]
    """One for each selected element."""
    words: str
    """What they are, for titles and ``cell_methods``."""
    units: str = ""
    """Their units, if they have any."""


def weight_of(neighbours: Neighbours, dim: str, text: str) -> Weight:
    """Find the weights of a dimension.

    Parameters
    ----------
    neighbours
        The variables beside the one that is reduced.
    dim
        Name of the dimension.
    text
        ``cos``: the cosine of the dimension's coordinate, a latitude; the name of a
        1-D variable along the dimension; or a text file with one number for each
        selected element.

    Raises
    ------
    SelectionError
        It is none of these, or does not fit.
    """
    dims = neighbours.array.dims
    if dim not in dims:
        known = ", ".join(dims) or "none is left"
        hint = did_you_mean(dim, dims) or f" (dimensions: {known})"
        raise SelectionError(f"--weights: there is no dimension {dim!r}{hint}")
    if text == "cos":
        return _cosine(neighbours, dim)
    name = neighbours.find(text)
    if name is not None:
        return _variable(neighbours, dim, name)
    path = Path(text)
    if path.is_file():
        return Weight(_numbers(path), path.name)
    hint = did_you_mean(text, ["cos", *neighbours.dataset.variables])
    raise SelectionError(
        f"--weights {dim}={text}: {text!r} is not cos, no variable and no file{hint}"
    )


def _cosine(neighbours: Neighbours, dim: str) -> Weight:
    where = f"--weights {dim}=cos"
    found = neighbours.along(dim)
    if found is None:
        raise SelectionError(f"{where}: there is no coordinate variable {dim!r}")
    values, attrs = found
    if np.ma.is_masked(values):
        raise SelectionError(f"{where}: {dim!r} has missing values")
    angles = np.asarray(values.data, dtype=np.float64)
    if _is_radians(attrs):
        angles = np.degrees(angles)
    elif not str(attrs.get("units", "degrees")).startswith("degree"):
        raise SelectionError(
            f"{where}: {dim!r} is in {attrs['units']!r}, not in degrees"
        )
    if angles.size > 0 and not np.abs(angles).max() <= _POLE:
        raise SelectionError(f"{where}: {dim!r} is no latitude: it exceeds 90 degrees")
    return Weight(np.cos(np.radians(angles)), f"the cosine of {dim}")


def _is_radians(attrs: Mapping[str, Any]) -> bool:
    return str(attrs.get("units", "")).strip() in ("radian", "radians", "rad")


def _variable(neighbours: Neighbours, dim: str, name: str) -> Weight:
    variable = neighbours.dataset.variables[name]
    if variable.dims != (dim,):
        raise SelectionError(
            f"--weights {dim}={name}: {name!r} has the dimensions "
            f"({', '.join(variable.dims)}), not ({dim})"
        )
    # What has missing values is refused where it is used.
    values = neighbours.read(name)
    return Weight(values, name, str(variable.attrs.get("units", "")))


def _numbers(path: Path) -> NDArray[Any]:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return np.array(text.replace(",", " ").split(), dtype=np.float64)
    except ValueError as error:
        raise SelectionError(f"{path} holds more than numbers: {error}") from error
