"""netCDF classic files for tests: written by netCDF4-python, or header by hand."""

from __future__ import annotations

import itertools
import struct

import netCDF4
import numpy as np

FORMATS = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")
OLD_DTYPES = ("i1", "i2", "i4", "f4", "f8")
NEW_DTYPES = ("u1", "u2", "u4", "i8", "u8")


def dtypes_of(version):
    """The dtypes of numbers that a format has."""
    return OLD_DTYPES + (NEW_DTYPES if version == "NETCDF3_64BIT_DATA" else ())


def some_values(dtype, shape, seed=0):
    """Elements of any bits that are numbers."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    span = np.iinfo(dtype)
    return rng.integers(span.min, span.max, shape, dtype=dtype, endpoint=True)


def write(path, version, variables, *, records=3, attrs=None):
    """Write variables ``{name: (dtype, has_records, shape of the rest)}``.

    Returns the values written.
    """
    written = {}
    with netCDF4.Dataset(path, "w", format=version) as ds:
        ds.createDimension("t", None)
        for name, (dtype, has_records, rest) in variables.items():
            dims = ["t"] if has_records else []
            for length in rest:
                dim = f"n{length}"
                if dim not in ds.dimensions:
                    ds.createDimension(dim, length)
                dims.append(dim)
            variable = ds.createVariable(name, dtype, dims)
            variable.set_auto_maskandscale(False)
            variable.setncatts((attrs or {}).get(name, {}))
            shape = (records, *rest) if has_records else tuple(rest)
            if dtype == "S1":
                written[name] = np.full(shape, b"x", dtype="S1")
            else:
                written[name] = some_values(dtype, shape, seed=len(written))
            if 0 not in shape:
                variable[...] = written[name]
    return written


def read_raw(path, name):
    """What netCDF4-python reads, neither masked nor scaled."""
    with netCDF4.Dataset(path) as ds:
        ds.set_auto_mask(False)
        ds.set_auto_scale(False)
        return np.asarray(ds[name][...])


def decode_chunks(info):
    """Read every chunk where ``locate`` says it is, with plain open and seek."""
    cell = info.index.chunk_shape
    result = np.ma.masked_all(info.shape, dtype=info.layouts[0].dtype)
    grid = [range(-(-n // c)) for n, c in zip(info.shape, cell, strict=True)]
    coords = np.array(list(itertools.product(*grid)), dtype=np.int64)
    coords = coords.reshape(len(coords), len(cell))
    located = info.index.locate(coords)
    with open(info.source, "rb") as file:  # noqa: PTH123 - as plain as can be
        for row, coord in enumerate(coords.tolist()):
            assert located.sources[row] == info.source
            layout = info.layouts[located.layouts[row]]
            file.seek(located.offsets[row])
            raw = file.read(located.sizes[row])
            assert len(raw) == located.sizes[row] == layout.nbytes
            elements = np.frombuffer(raw, layout.dtype).reshape(layout.shape)
            first = [c * n for c, n in zip(coord, cell, strict=True)]
            where = tuple(
                slice(f, f + n) for f, n in zip(first, layout.shape, strict=True)
            )
            assert result.mask[where].all()
            result[where] = elements
    assert not np.ma.getmaskarray(result).any()
    return result.data


def header(
    version=1,
    *,
    records=0,
    dims=(),
    attrs=(),
    variables=(),
    tags=(10, 12, 11),
    size=None,
):
    """Spell a header: dims ``(name, length)``, variables ``(name, dims, type, begin)``.

    Followed by zeros up to ``size``.
    """
    count = ">q" if version == 5 else ">I"
    place = ">i" if version == 1 else ">q"

    def number(value, form=count):
        return value if isinstance(value, bytes) else struct.pack(form, value)

    def name(text):
        raw = text if isinstance(text, bytes) else text.encode()
        return number(len(raw)) + raw + b"\0" * (-len(raw) % 4)

    def listed(tag, entries):
        if not entries:
            return b"\0" * 4 + number(0)
        return struct.pack(">I", tag) + number(len(entries)) + b"".join(entries)

    def attribute(key, code, length, raw):
        return name(key) + struct.pack(">I", code) + number(length) + raw

    def variable(key, numbers, code, begin, attributes=()):
        ids = b"".join(map(number, numbers))
        return (
            name(key) + number(len(numbers)) + ids
            + listed(tags[1], [attribute(*a) for a in attributes])
            + struct.pack(">I", code) + number(0) + number(begin, place)
        )  # fmt: skip

    spelt = (
        b"CDF" + bytes([version]) + number(records)
        + listed(tags[0], [name(key) + number(length) for key, length in dims])
        + listed(tags[1], [attribute(*a) for a in attrs])
        + listed(tags[2], [variable(*v) for v in variables])
    )  # fmt: skip
    return spelt if size is None else spelt + b"\0" * (size - len(spelt))
