"""An answer as a netCDF4 file that follows the CF conventions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activecore.output.answer import Answer, Coordinate, Field, Masked
from activecore.output.attributes import global_attributes
from activecore.output.document import plain
from activecore.output.words import over_words, quantity_words
from activecore.readers.cf import default_fill_value

if TYPE_CHECKING:
    import h5netcdf

__all__ = ["write_netcdf"]

_CONVENTIONS = "CF-1.9"
"""The first version that has integers of 8 bytes, which counts are."""


def write_netcdf(answer: Answer, path: Path) -> None:
    """Write a netCDF4 file that did not exist.

    Fields carry ``_FillValue``, ``coordinates`` and ``grid_mapping``; dimensions their
    coordinate variables, with bounds where the source has them; what was reduced or
    indexed away is left as scalar coordinates.
    """
    import h5netcdf

    with h5netcdf.File(path, "w") as file:
        file.attrs["Conventions"] = _CONVENTIONS
        field = answer.field
        what = quantity_words(field.attrs, field.name)
        kept = global_attributes(answer.global_attrs)
        for name, value in kept.items():
            plain_value = _attribute(value)
            if plain_value is not None:
                file.attrs[name] = plain_value
        title = f"{what}: {over_words(answer)}"
        of = str(answer.global_attrs.get("title", "")).strip()
        file.attrs["title"] = f"{title} ({of})" if of else title
        before = str(answer.global_attrs.get("history", "")).strip()
        history = [line for line in (answer.history, before) if line]
        if len(history) > 0:
            file.attrs["history"] = "\n".join(history)
        for dim, length in zip(answer.dims, answer.shape, strict=True):
            file.dimensions[dim] = length
        for coordinate in answer.coordinates:
            _write_coordinate(file, coordinate, {field.name for field in answer.fields})
        grid_mapping = answer.grid_mapping
        if grid_mapping is not None and grid_mapping.name not in file.variables:
            _write(file, grid_mapping, ())
        for field in answer.fields:
            _write_field(file, field, answer)


def _write_field(file: h5netcdf.File, field: Field, answer: Answer) -> None:
    attrs = dict(field.attrs)
    auxiliary = [c.name for c in answer.coordinates if c.dims != (c.name,)]
    attrs.pop("coordinates", None)
    if len(auxiliary) > 0:
        attrs["coordinates"] = " ".join(auxiliary)
    if answer.grid_mapping is None:
        attrs.pop("grid_mapping", None)
    elif "grid_mapping" in attrs:
        attrs["grid_mapping"] = answer.grid_mapping.name
    values = field.values
    if values.dtype.kind == "b":
        attrs["flag_values"] = np.array([0, 1], dtype="i1")
        attrs["flag_meanings"] = "false true"
    values, fill = _with_fill(values)
    _write(file, Field(field.name, values, attrs), answer.dims, fill)


def _write_coordinate(
    file: h5netcdf.File, coordinate: Coordinate, taken: Collection[str]
) -> None:
    attrs = dict(coordinate.attrs)
    bounds, name = coordinate.bounds, coordinate.bounds_name
    if bounds is not None and name not in taken:
        attrs["climatology" if coordinate.recurs else "bounds"] = name
        if name not in file.variables:
            dims = (*coordinate.dims, _corners(file, bounds.shape[-1]))
            _write(file, Field(name, np.ma.MaskedArray(bounds), {}), dims)
    values, fill = coordinate.values, None
    if np.ma.is_masked(values):  # no dimension coordinate may have missing values
        values, fill = _with_fill(values)
    _write(file, Field(coordinate.name, values, attrs), coordinate.dims, fill)


def _corners(file: h5netcdf.File, number: int) -> str:
    """Name the dimension along which a cell's bounds lie, and make it if need be."""
    name = "bnds" if number == 2 else f"corners_{number}"  # noqa: PLR2004 - two ends
    while name in file.dimensions and file.dimensions[name].size != number:
        name += "_"
    if name not in file.dimensions:
        file.dimensions[name] = number
    return name


def _write(
    file: h5netcdf.File, field: Field, dims: Iterable[str], fill: Any = None
) -> None:
    values = _storable(field.values)
    data = values.filled(fill) if fill is not None else values.data
    variable = file.create_variable(
        field.name, tuple(dims), dtype=data.dtype, data=data, fillvalue=fill
    )
    for name, value in field.attrs.items():
        plain = _attribute(value)
        if plain is not None:
            variable.attrs[name] = plain


def _storable(values: Masked) -> Masked:
    """Give values of a dtype that netCDF has."""
    stored = {"?": "i1", "e": "f4"}.get(values.dtype.char, values.dtype)
    return np.ma.asarray(values, dtype=stored)


def _with_fill(values: Masked) -> tuple[Masked, Any]:
    """Choose a ``_FillValue`` that no value equals; a wider dtype if there is none."""
    values = _storable(values)
    present = values.compressed()
    dtype = values.dtype
    fill: Any = default_fill_value(dtype)
    if dtype.kind == "f":
        while (present == fill).any():
            fill = np.nextafter(fill, dtype.type(0))
        return values, fill
    limits = np.iinfo(dtype)
    for number in (fill, limits.min, limits.max):
        fill = dtype.type(number)
        if not (present == fill).any():
            return values, fill
    unused = np.setdiff1d(np.arange(-128, 256).clip(limits.min, limits.max), present)
    if len(unused) > 0:
        return values, dtype.type(unused[0])
    wider = f"i{min(8, 2 * dtype.itemsize)}"
    return _with_fill(np.ma.asarray(values, dtype=wider))


def _attribute(value: Any) -> Any:
    """Give an attribute in a form that netCDF has, or None for none."""
    if value is None or isinstance(value, (str, bytes)):
        return value
    array: NDArray[Any] = np.asarray(value, dtype=object if _is_nested(value) else None)
    kind = array.dtype.kind
    if kind in "iuf" and array.dtype != np.float16:
        return array if array.size > 0 else None
    if kind in "bf":
        return array.astype("i1" if kind == "b" else "f4")
    if kind == "U":
        return [str(text) for text in array.ravel()]
    return json.dumps(plain(value))


def _is_nested(value: object) -> bool:
    """Tell whether only JSON can hold a value: a mapping, a list of lists."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, (list, tuple, Mapping)) for item in value)
    return isinstance(value, Mapping)
