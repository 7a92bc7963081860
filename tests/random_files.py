"""Random files, random questions, and what other programs make of them.

A file is a plain description (``FileCase``) that prints as Python, so that a failing
one can be pasted into a test. The oracles are netCDF4-python for netCDF and xarray for
Zarr; what only HDF5 can decode is read by h5py and handed to netCDF4-python plain.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import h5py
import hdf5plugin
import netCDF4
import numcodecs
import numpy as np
import xarray as xr
import zarr
from hypothesis import strategies as st
from strategies import keys, orthogonal

from activecore.reductions import REDUCTION

HDF5_CODECS = {
    "none": {},
    "deflate": {"compression": "gzip", "compression_opts": 4},
    "shuffle": {"shuffle": True},
    "shuffle+deflate": {"shuffle": True, "compression": "gzip"},
    "deflate+fletcher32": {"compression": "gzip", "fletcher32": True},
    "fletcher32": {"fletcher32": True},
    "lzf": {"compression": "lzf", "shuffle": True},
    "szip": {"compression": "szip", "compression_opts": ("nn", 8)},
    "zstd": hdf5plugin.Zstd(),
    "blosc": hdf5plugin.Blosc(cname="lz4", shuffle=1),
    "blosc2": hdf5plugin.Blosc2(cname="zstd"),
    "lz4": hdf5plugin.LZ4(),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="lz4"),
}
"""What h5py is told for each; netCDF4-python reads those without a plugin itself."""
PLAIN = (
    "none",
    "deflate",
    "shuffle",
    "shuffle+deflate",
    "deflate+fletcher32",
    "fletcher32",
)

V2_CODECS = {
    "none": (None, None),
    "zlib": (None, numcodecs.Zlib(1)),
    "blosc": (None, numcodecs.Blosc(cname="zstd", shuffle=1)),
    "zstd": (None, numcodecs.Zstd()),
    "lz4": (None, numcodecs.LZ4()),
    "shuffle+gzip": (lambda d: [numcodecs.Shuffle(d.itemsize)], numcodecs.GZip(1)),
    "delta+zlib": (lambda d: [numcodecs.Delta(d.str)], numcodecs.Zlib(1)),
}
V3_CODECS = ("none", "gzip", "zstd", "blosc", "zstd+crc32c", "crc32c")


@dataclass
class FileCase:
    """One variable in one file, written wholly or in part."""

    format: str
    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    codec: str = "none"
    attrs: dict[str, Any] = field(default_factory=dict)
    written: tuple[slice, ...] = ()
    """The part that was written; (): everything."""
    unlimited: int | None = None
    libver: str = "latest"
    order: str = "C"
    shards: tuple[int, ...] | None = None
    fill: float | None = None
    nans: bool = False
    seed: int = 0

    def values(self):
        """Small whole numbers, so that rules hit and sums are exact; NaN if asked."""
        dtype = np.dtype(self.dtype)
        rng = np.random.default_rng(self.seed)
        if dtype.kind == "b":
            return rng.random(self.shape) < 0.5
        low = 0 if dtype.kind == "u" else -8
        values = rng.integers(low, 9, self.shape).astype(dtype)
        if self.nans and dtype.kind == "f":
            values[rng.random(self.shape) < 0.15] = np.nan
        return values


@dataclass
class Question:
    """A reduction of a part of it."""

    key: tuple[Any, ...]
    reduction: str
    axes: tuple[int, ...]
    keepdims: bool = False
    skipna: bool = False
    ddof: int = 0


# -- writing ---------------------------------------------------------------------------


def write(case, folder):
    """Write the file and give its path. What writers warn of is not our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _write(case, folder)


def _write(case, folder):
    if case.format.startswith("zarr"):
        return _write_zarr(case, folder)
    if case.format == "hdf5":
        return _write_hdf5(case, folder)
    return _write_netcdf(case, folder / "case.nc", case.format, case.values())


def _write_netcdf(case, path, version, values):
    with netCDF4.Dataset(path, "w", format=version) as ds:
        dims = tuple(f"d{axis}" for axis in range(len(case.shape)))
        for axis, (dim, length) in enumerate(zip(dims, case.shape, strict=True)):
            ds.createDimension(dim, None if axis == case.unlimited else length)
        attrs = dict(case.attrs)
        options = (
            {"endian": "big"}
            if case.dtype.startswith(">") and version == "NETCDF4"
            else {}
        )
        if version == "NETCDF4":
            options["chunksizes"] = case.chunks
            if case.codec != "none":
                options |= {
                    "zlib": "deflate" in case.codec,
                    "shuffle": "shuffle" in case.codec,
                    "fletcher32": "fletcher32" in case.codec,
                }
        var = ds.createVariable(
            "x",
            np.dtype(case.dtype),
            dims,
            fill_value=attrs.pop("_FillValue", None),
            **options,
        )
        var.set_auto_maskandscale(False)
        var.setncatts(attrs)
        if case.unlimited is not None and case.written:
            # The dimension gets its length from another variable; this one stays short.
            other = ds.createVariable("y", "i1", (dims[case.unlimited],))
            other[:] = np.zeros(case.shape[case.unlimited], "i1")
        where = case.written or (slice(None),) * len(case.shape)
        if not case.shape:
            var[...] = values
        elif values[where].size:
            var[where] = values[where]
    return path


def _write_hdf5(case, folder):
    path = folder / "case.h5"
    libver = {"earliest": "earliest", "v110": ("v110", "v110"), "latest": "latest"}[
        case.libver
    ]
    with h5py.File(path, "w", libver=libver) as f:
        options = dict(HDF5_CODECS[case.codec])
        maxshape = tuple(
            None if axis == case.unlimited else n for axis, n in enumerate(case.shape)
        )
        if case.chunks is not None:
            options |= {"chunks": case.chunks, "maxshape": maxshape}
        attrs = dict(case.attrs)
        fill = attrs.get("_FillValue", case.fill)
        ds = f.create_dataset("x", case.shape, case.dtype, fillvalue=fill, **options)
        for name, value in attrs.items():
            ds.attrs[name] = value
        where = case.written or (slice(None),) * len(case.shape)
        values = case.values()
        if not case.shape:
            ds[()] = values
        elif values[where].size:
            ds[where] = values[where]
    return path


def _write_zarr(case, folder):
    path = folder / "case.zarr"
    dtype = np.dtype(case.dtype)
    version = int(case.format[-1])
    options = {}
    if version == 2:
        filters, compressor = V2_CODECS[case.codec]
        options |= {
            "filters": None if filters is None else filters(dtype),
            "compressors": compressor,
            "order": case.order,
            "chunk_key_encoding": {
                "name": "v2",
                "separator": "/" if case.seed % 2 else ".",
            },
        }
    else:
        named = {
            "gzip": zarr.codecs.GzipCodec(),
            "zstd": zarr.codecs.ZstdCodec(),
            "blosc": zarr.codecs.BloscCodec(),
            "crc32c": zarr.codecs.Crc32cCodec(),
        }
        options["compressors"] = [
            named[name] for name in case.codec.split("+") if name != "none"
        ]
        options["serializer"] = (
            zarr.codecs.BytesCodec(endian="big" if case.seed % 3 == 0 else "little")
            if dtype.itemsize > 1
            else zarr.codecs.BytesCodec()
        )
        if case.order == "F":
            options["filters"] = [
                zarr.codecs.TransposeCodec(
                    order=tuple(reversed(range(len(case.shape))))
                )
            ]
        options["dimension_names"] = tuple(
            f"d{axis}" for axis in range(len(case.shape))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(path, mode="w", zarr_format=version)
        fill = case.fill if case.fill is not None else 0
        if dtype.kind == "b":
            fill = bool(fill)
        array = group.create_array(
            "x",
            shape=case.shape,
            dtype=dtype,
            chunks=case.chunks or "auto",
            shards=case.shards,
            fill_value=fill,
            attributes=dict(case.attrs)
            | (
                {"_ARRAY_DIMENSIONS": [f"d{axis}" for axis in range(len(case.shape))]}
                if version == 2
                else {}
            ),
            **options,
        )
        where = case.written or (slice(None),) * len(case.shape)
        values = case.values()
        if not case.shape:
            array[...] = values
        elif values[where].size:
            array[where] = values[where]
        if case.seed % 2:
            zarr.consolidate_metadata(path)
    return path


# -- what others make of it ------------------------------------------------------------


def decoded(case, path):
    """The decoded values and which of them are missing, by the format's oracle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.format.startswith("zarr"):
            return _decoded_by_xarray(case, path)
        if case.format == "hdf5" and (
            case.codec not in PLAIN
            or np.dtype(case.dtype).itemsize == 2
            or np.dtype(case.dtype).kind == "b"
        ):
            with h5py.File(path) as f:
                raw = f["x"][()]
            if raw.dtype.kind == "b" or raw.dtype == np.dtype("f2").newbyteorder(
                raw.dtype.byteorder
            ):
                return _decoded_by_rules(case, np.asarray(raw))
            plain = FileCase(
                "NETCDF4", raw.dtype.str, case.shape, None, attrs=case.attrs
            )
            path = _write_netcdf(
                plain, path.with_suffix(".plain.nc"), "NETCDF4", np.asarray(raw)
            )
        with netCDF4.Dataset(path) as ds:
            values = np.ma.asarray(ds["x"][...])
    mask = np.ma.getmaskarray(values)
    return np.asarray(values.data).reshape(case.shape), mask.reshape(case.shape)


def _decoded_by_rules(case, raw):
    """For what netCDF has no type for: booleans and float16, with a fill value only."""
    raw = raw.astype(raw.dtype.newbyteorder("="))
    fill = case.attrs.get("_FillValue")
    if fill is None:
        return raw, np.zeros(raw.shape, bool)
    return raw, np.isnan(raw) if fill != fill else raw == fill


def _decoded_by_xarray(case, path):
    raw = np.asarray(zarr.open_group(path, mode="r")["x"][...])
    with xr.open_zarr(path, decode_times=False, consolidated=None) as ds:
        values = np.asarray(ds["x"].values)
    if values.dtype.kind != "f":
        return values, np.zeros(values.shape, bool)
    mask = np.isnan(values)
    fills = [case.attrs.get("_FillValue"), case.attrs.get("missing_value")]
    if case.format == "zarr2":
        fills.append(case.fill)
    if raw.dtype.kind == "f" and not any(f is not None and f != f for f in fills):
        mask &= ~np.isnan(raw)
    return values, mask


# -- choosing --------------------------------------------------------------------------

NUMBERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def one_in(draw, n):
    """True once in n."""
    return draw(st.integers(1, n)) == n


@st.composite
def attributes(draw, dtype):
    """CF attributes of every kind, in the stored dtype and sometimes not."""
    attrs = draw(missing_attributes(np.dtype(dtype).newbyteorder("=")))
    if one_in(draw, 3):
        scales = [np.float64(0.5), np.float64(-2.0), np.float32(0.25), np.float64(1.0)]
        attrs["scale_factor"] = draw(st.sampled_from(scales))
    if one_in(draw, 3):
        offsets = [np.float64(100), np.float32(-4), np.float64(0)]
        attrs["add_offset"] = draw(st.sampled_from(offsets))
    # netCDF4-python reads the rules of big-endian _Unsigned data in the wrong byte
    # order, and raises an error for unsigned data without a _FillValue.
    can_be_unsigned = np.dtype(dtype).kind == "i" and np.dtype(dtype).isnative
    if can_be_unsigned and "_FillValue" in attrs and one_in(draw, 4):
        attrs["_Unsigned"] = "true"
    return attrs


@st.composite
def missing_attributes(draw, dtype):
    """Rules about what is missing, some of which the dtype cannot hold."""
    low = 0 if dtype.kind == "u" else -8
    number = st.integers(low, 8).map(dtype.type)
    if dtype.kind == "f":
        number |= st.just(dtype.type(np.nan))
    small, large = (
        st.integers(low, 2).map(dtype.type),
        st.integers(2, 8).map(dtype.type),
    )
    others = st.sampled_from([np.float64(2.5), np.float64(300), np.int32(3)])
    pair = st.tuples(number, number).map(lambda two: np.array(two, dtype))
    attrs = {}
    if draw(st.booleans()):
        attrs["_FillValue"] = draw(number)
    if draw(st.booleans()):
        attrs["missing_value"] = draw(st.one_of(number, pair, others))
    if one_in(draw, 4):
        attrs["valid_min"] = draw(small)
    if one_in(draw, 4):
        attrs["valid_max"] = draw(large)
    if one_in(draw, 6):
        attrs["valid_range"] = np.array([draw(small), draw(large)], dtype)
    return attrs


def netcdf4_case(draw, case):
    """As netCDF4-python writes it."""
    case.unlimited = draw(unlimited_dimension(case))
    case.dtype = draw(st.sampled_from([*NUMBERS, ">i2", ">i4", ">f4", ">f8"]))
    case.attrs = draw(attributes(case.dtype))
    case.codec = draw(st.sampled_from(PLAIN)) if case.shape else "none"
    chunked = case.codec != "none" or case.unlimited is not None
    if not case.shape or (not chunked and draw(st.booleans())):
        case.chunks = None


def hdf5_case(draw, case):
    """As h5py writes it: more dtypes, more codecs, more kinds of index."""
    case.dtype = draw(
        st.sampled_from([*NUMBERS, "f2", "?", ">i2", ">i4", ">f4", ">f8", ">u8"])
    )
    stored = np.dtype(case.dtype)
    if stored == np.dtype("f2"):
        if draw(st.booleans()):
            case.attrs = {"_FillValue": np.float16(draw(st.integers(-8, 8)))}
    elif stored.kind != "b":
        case.attrs = draw(attributes(case.dtype))
    case.libver = draw(st.sampled_from(["earliest", "v110", "latest"]))
    if not case.shape or one_in(draw, 5):
        case.chunks = None
        return
    case.unlimited = draw(unlimited_dimension(case))
    case.codec = draw(st.sampled_from(sorted(HDF5_CODECS)))
    if case.codec == "szip" and (stored.kind == "b" or np.prod(case.chunks) < 8):
        case.codec = "none"  # HDF5 itself refuses these


def zarr2_case(draw, case):
    """As zarr-python writes version 2."""
    case.codec = draw(st.sampled_from(sorted(V2_CODECS)))
    case.order = draw(st.sampled_from("CF"))
    more = [] if "delta" in case.codec else [">i2", ">f4", ">f8"]
    case.dtype = draw(st.sampled_from([*NUMBERS, *more]))
    fills = [None, 0, 3, float("nan")] if "f" in case.dtype else [None, 0, 3]
    case.fill = draw(st.sampled_from(fills))
    case.attrs = draw(xarray_attributes())


def zarr3_case(draw, case):
    """As zarr-python writes version 3."""
    case.dtype = draw(st.sampled_from(NUMBERS))
    case.codec = draw(st.sampled_from(V3_CODECS))
    case.order = draw(st.sampled_from("CF"))
    case.fill = draw(st.sampled_from([None, 0, 3]))
    case.attrs = draw(xarray_attributes())
    if draw(st.booleans()):
        case.shards = tuple(c * draw(st.integers(1, 3)) for c in case.chunks)


def classic_case(draw, case):
    """As netCDF4-python writes the classic formats."""
    small = ["i1", "i2", "i4", "f4", "f8"]
    wide = case.format == "NETCDF3_64BIT_DATA"
    case.dtype = draw(st.sampled_from(NUMBERS if wide else small))
    case.attrs = draw(attributes(case.dtype))
    if case.shape and draw(st.booleans()):
        case.unlimited = 0


@st.composite
def xarray_attributes(draw):
    """What xarray decodes, as JSON holds it."""
    attrs = {}
    if one_in(draw, 3):
        attrs["scale_factor"] = draw(st.sampled_from([0.5, -2.0]))
    if one_in(draw, 3):
        attrs["add_offset"] = 100.0
    return attrs


def unlimited_dimension(case):
    """One of the dimensions, or none."""
    return (
        st.none() | st.sampled_from(range(len(case.shape))) if case.shape else st.none()
    )


FORMATS = {
    "NETCDF4": netcdf4_case,
    "hdf5": hdf5_case,
    "zarr2": zarr2_case,
    "zarr3": zarr3_case,
    "NETCDF3_CLASSIC": classic_case,
    "NETCDF3_64BIT_OFFSET": classic_case,
    "NETCDF3_64BIT_DATA": classic_case,
}


@st.composite
def files(draw):
    """Files of every format, as their writers produce them."""
    kind = draw(st.sampled_from(["NETCDF4", "hdf5", *FORMATS]))
    least = 1 if kind.startswith("zarr") else 0
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=least, max_size=3)))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    case = FileCase(kind, "f4", shape, chunks, seed=draw(st.integers(0, 10**6)))
    case.nans = draw(st.booleans())
    FORMATS[kind](draw, case)
    if shape and one_in(draw, 3):
        bounds = [sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
        case.written = tuple(slice(*pair) for pair in bounds)
    if kind == "NETCDF4" and case.unlimited not in (None, 0):
        # The netCDF library puts values in wrong places when it reads a variable that is
        # shorter than its unlimited dimension, unless that is the first one.
        case.written = ()
    return case


@st.composite
def questions(draw, shape):
    """A selection, and what is asked of it."""
    key = draw(keys(shape))
    ndim = orthogonal(np.empty(shape, dtype=bool), key).ndim
    axes = tuple(sorted(draw(st.sets(st.integers(0, ndim - 1))))) if ndim else ()
    reduction = draw(st.sampled_from(sorted(REDUCTION)))
    flags = draw(st.tuples(st.booleans(), st.booleans()))
    return Question(key, reduction, axes, *flags, draw(st.integers(0, 1)))
