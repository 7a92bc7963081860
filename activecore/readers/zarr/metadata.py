"""What the metadata document of one Zarr array says, in either format.

The document's structure is read here and its data type and fill value by zarr-python.
zarr-python is not asked to read a whole document, since it refuses one that names a
codec it has not got, and then a single variable would hide all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from activecore.errors import UnsupportedFormat
from activecore.model import Scalar, is_reducible

if TYPE_CHECKING:
    from zarr.dtype import ZDType

__all__ = ["ArrayDocument", "named"]

_KNOWN_FIELDS = frozenset(
    {
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "storage_transformers",
        "dimension_names",
    }
)
_MAX_LENGTH = 2**63 - 1


def named(item: Any, what: str) -> tuple[str, Mapping[str, Any]]:
    """Take a Zarr v3 extension apart: its name and configuration.

    Raises
    ------
    UnsupportedFormat
        It is not a name, nor a mapping with a name.
    """
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and isinstance(item.get("name"), str):
        config = item.get("configuration")
        if config is None:
            config = {key: item[key] for key in item if key == "separator"}
        if isinstance(config, Mapping):
            return item["name"], config
    msg = f"{what} has no name and configuration: {item!r}"
    raise UnsupportedFormat(msg)


@dataclass(frozen=True)
class ArrayDocument:
    """One array's metadata. Parts are read when they are asked for."""

    path: str
    """Path of the array in the store, ``""`` for the root."""
    zarr_format: int
    """2 or 3."""
    metadata: Mapping[str, Any]
    """The document ``.zarray`` or ``zarr.json``."""
    raw_attributes: Mapping[str, Any] = field(default_factory=dict)
    """The document's attributes, or the document ``.zattrs``."""
    key: str = ""
    """Key of the document that this was read from."""

    @property
    def _is_v2(self) -> bool:
        return self.zarr_format == 2  # noqa: PLR2004 - the format's number

    @property
    def label(self) -> str:
        """The array's name in messages."""
        return f"the array {self.path!r}" if self.path else "the array"

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self._lengths(self.metadata.get("shape"), "shape")

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """Shape of the chunks that are objects (shards, where there are any)."""
        if self._is_v2:
            given = self.metadata.get("chunks")
        else:
            name, config = named(self.metadata.get("chunk_grid"), "chunk_grid")
            if name != "regular":
                raise self._broken(f"its chunk grid {name!r} is not regular")
            given = config.get("chunk_shape")
        chunks = self._lengths(given, "chunk shape")
        if len(chunks) != len(self.shape):
            raise self._broken(f"its shape {self.shape} has chunks of shape {chunks}")
        if any(
            chunk == 0 < length
            for chunk, length in zip(chunks, self.shape, strict=True)
        ):
            raise self._broken(f"its chunks of shape {chunks} are empty")
        return tuple(max(1, chunk) for chunk in chunks)

    @cached_property
    def key_template(self) -> str:
        """Keys of chunks below the array: a format with a ``%d`` a dimension."""
        ndim = len(self.shape)
        if self._is_v2:
            name, separator = "v2", self.metadata.get("dimension_separator", ".")
        else:
            encoding = self.metadata.get("chunk_key_encoding")
            name, config = named(encoding, "chunk_key_encoding")
            separator = config.get("separator", "." if name == "v2" else "/")
        if separator not in (".", "/"):
            raise self._broken(f"its chunk keys have the separator {separator!r}")
        numbers = ["%d"] * ndim
        if name == "default":
            return str(separator).join(["c", *numbers])
        if name != "v2":
            raise self._broken(f"its chunk key encoding {name!r} is not known")
        return str(separator).join(numbers) if ndim > 0 else "0"

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Dtype as NumPy has it, in the byte order of v2 metadata; or ``object``."""
        if self._data_type is None:
            return np.dtype(object)
        dtype: np.dtype[Any] = np.dtype(self._data_type.to_native_dtype())
        # NumPy's own strings of any length have no byte order to ask for.
        return np.dtype(object) if dtype.kind == "T" else dtype

    @property
    def is_reducible(self) -> bool:
        """Whether there are numbers in it."""
        return is_reducible(self.dtype)

    @cached_property
    def fill_value(self) -> Scalar | None:
        """The declared fill value, native-endian; None: null, which v2 allows."""
        value = self.metadata.get("fill_value")
        if value is None and self._is_v2:
            return None
        if value is None or self._data_type is None:
            raise self._broken("it has no fill value")
        try:
            # 1e300 in a float32 is infinity, as zarr-python has it.
            with np.errstate(over="ignore"):
                scalar = self._data_type.from_json_scalar(
                    value, zarr_format=2 if self._is_v2 else 3
                )
        except (ValueError, TypeError, OverflowError) as error:
            msg = f"{self.label}: the fill value {value!r} is no {self.dtype}"
            raise UnsupportedFormat(msg) from error
        native = self.dtype.newbyteorder("=")
        return cast("np.generic", np.asarray(scalar, dtype=native)[()])

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions; ``dim_0``, ``dim_1``, … where there are none."""
        default = [f"dim_{number}" for number in range(len(self.shape))]
        given = self._dimension_names()
        if not isinstance(given, Sequence) or isinstance(given, str):
            return tuple(default)
        if len(given) != len(default):
            return tuple(default)
        return tuple(
            name if isinstance(name, str) else other
            for name, other in zip(given, default, strict=True)
        )

    @property
    def attrs(self) -> dict[str, Any]:
        """The user's attributes, without those that name dimensions in v2."""
        if not self._is_v2:
            return dict(self.raw_attributes)
        return {
            name: value
            for name, value in self.raw_attributes.items()
            if name != "_ARRAY_DIMENSIONS" and not name.lower().startswith("_nc")
        }

    def check(self) -> None:
        """Refuse what a reader of Zarr v3 must understand and this one does not."""
        if self._is_v2:
            return
        for name in sorted(self.metadata.keys() - _KNOWN_FIELDS):
            value = self.metadata[name]
            optional = isinstance(value, Mapping) and (
                value.get("must_understand") is False
            )
            if not optional:
                raise self._broken(f"its metadata has the unknown field {name!r}")
        if self.metadata.get("storage_transformers"):
            raise self._broken("it has storage transformers")

    def _dimension_names(self) -> Any:
        if not self._is_v2:
            return self.metadata.get("dimension_names")
        names = self.raw_attributes.get("_ARRAY_DIMENSIONS")
        if names is not None:
            return names
        # The netCDF library's own way, with names as paths.
        netcdf = self.metadata.get("_NCZARR_ARRAY")
        if not isinstance(netcdf, Mapping):
            return None
        paths = netcdf.get("dimrefs")
        if not isinstance(paths, Sequence) or isinstance(paths, str):
            return None
        return [str(path).rsplit("/", 1)[-1] for path in paths]

    @cached_property
    def _data_type(self) -> ZDType[Any, Any] | None:
        from zarr.dtype import data_type_registry

        spec: Any
        if self._is_v2:
            spec = {"name": self._dtype_string(), "object_codec_id": None}
        else:
            spec = self.metadata.get("data_type")
            if isinstance(spec, Mapping) and not spec.get("configuration"):
                spec = spec.get("name")
        try:
            return data_type_registry.match_json(
                spec, zarr_format=2 if self._is_v2 else 3
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def _dtype_string(self) -> Any:
        """Give a v2 dtype as NumPy spells it: ``<u1`` and ``f4`` are found too."""
        spec = self.metadata.get("dtype")
        if not isinstance(spec, str):
            return spec
        try:
            return np.dtype(spec).str
        except TypeError:
            return spec

    def _lengths(self, given: Any, what: str) -> tuple[int, ...]:
        if isinstance(given, Sequence) and all(
            isinstance(length, int)
            and not isinstance(length, bool)
            and 0 <= length <= _MAX_LENGTH
            for length in given
        ):
            return tuple(given)
        raise self._broken(f"its {what} is {given!r}")

    def _broken(self, why: str) -> UnsupportedFormat:
        return UnsupportedFormat(f"{self.label}: {why}")
