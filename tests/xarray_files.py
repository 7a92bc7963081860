"""Files like those of xarray's tutorial, made here, and real ones, for comparisons."""

from __future__ import annotations

from pathlib import Path

import iris_sample_data
import numpy as np
import xarray as xr

__all__ = ["MADE", "REAL", "make"]

_SAMPLES = Path(iris_sample_data.path)
_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

REAL = sorted([*_SAMPLES.glob("*.nc"), *_SHARED.glob("*.nc")])
"""iris-sample-data, and what lies beside a checkout of this project."""


def air_temperature():
    """Packed air temperature every six hours for two years, chunked in time."""
    rng = np.random.default_rng(0)
    time = np.arange("2013-01-01", "2015-01-01", 6, dtype="datetime64[h]")
    time = time.astype("datetime64[ns]")
    air = 280 + 10 * rng.standard_normal((len(time), 5, 6)).cumsum(1)
    ds = xr.Dataset(
        {"air": (("time", "lat", "lon"), air, {"units": "degK", "long_name": "air"})},
        {
            "time": ("time", time, {"standard_name": "time"}),
            "lat": ("lat", np.linspace(75, 15, 5), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(200, 330, 6), {"units": "degrees_east"}),
        },
        {"title": "4x daily NMC reanalysis", "Conventions": "COARDS"},
    )
    ds.air.encoding = {
        "dtype": "i2", "scale_factor": 0.01, "add_offset": 273.0,
        "_FillValue": -32767, "zlib": True, "chunksizes": (100, 5, 6),
    }  # fmt: skip
    return ds


def rasm():
    """A curvilinear grid with land masked, 2-D coordinates and a noleap calendar."""
    rng = np.random.default_rng(1)
    time = xr.date_range(
        "1980-09-16", periods=36, freq="MS", calendar="noleap", use_cftime=True
    )
    tair = rng.standard_normal((36, 7, 9)).astype("f4") * 20
    tair[:, :2, :4] = np.nan
    tair[5] = np.nan
    y, x = np.mgrid[0:7, 0:9]
    ds = xr.Dataset(
        {
            "Tair": (
                ("time", "y", "x"),
                tair,
                {"units": "C", "type_preferred": "double"},
            )
        },
        {
            "time": ("time", time, {"long_name": "time"}),
            "xc": (("y", "x"), 180.0 + 5 * x + y, {"units": "degrees_east"}),
            "yc": (("y", "x"), 20.0 + 5 * y, {"units": "degrees_north"}),
        },
    )
    ds.Tair.encoding = {"_FillValue": np.float32(9.96921e36), "chunksizes": (1, 4, 9)}
    return ds


def roms():
    """An ocean model with scalar parameters, a land mask, text and staggered grids."""
    rng = np.random.default_rng(2)
    salt = rng.random((5, 4, 6, 8)).astype("f4") + 30
    salt[..., 0, 0] = np.nan
    ds = xr.Dataset(
        {
            "salt": (("ocean_time", "s_rho", "eta_rho", "xi_rho"), salt, {"time": "t"}),
            "zeta": (("ocean_time", "eta_rho", "xi_rho"), salt[:, 0].astype("f8")),
            "Vtransform": ((), np.int32(2)),
            "hc": ((), 20.0),
            "count": (("ocean_time",), np.arange(5, dtype="u1")),
            "mask": (("eta_rho", "xi_rho"), rng.random((6, 8)) > 0.5),
            "station": (("eta_rho",), np.array(list("abcdef"), "S1")),
            "name": (("eta_rho",), np.array(["Wien", "x", "Å", "", "ab", "c"], "U")),
            "span": (
                ("ocean_time",),
                np.arange(5) * np.timedelta64(3, "D").astype("m8[ns]"),
            ),
        },
        {
            "ocean_time": (
                "ocean_time",
                np.arange("2001-08-01", 5, dtype="M8[D]").astype("M8[ns]"),
            ),
            "s_rho": ("s_rho", np.linspace(-0.9, 0, 4)),
            "lon_rho": (("eta_rho", "xi_rho"), rng.random((6, 8))),
        },
    )
    ds.salt.encoding = {"chunksizes": (2, 2, 6, 8), "zlib": True, "shuffle": True}
    return ds


MADE = {"air_temperature": air_temperature, "rasm": rasm, "roms": roms}


def make(name, folder, form="nc"):
    """Write one of the datasets as netCDF4, as Zarr of format 2 or 3, or classic."""
    ds = MADE[name]()
    if form == "nc":
        path = folder / f"{name}.nc"
        ds.to_netcdf(path, engine="netcdf4", unlimited_dims=[next(iter(ds.sizes))])
        return path
    for variable in ds.variables.values():
        kept = ("dtype", "scale_factor", "add_offset", "_FillValue")
        chunks = variable.encoding.get("chunksizes")
        variable.encoding = {k: v for k, v in variable.encoding.items() if k in kept}
        if chunks is not None and form.startswith("zarr"):
            variable.encoding["chunks"] = chunks
    if form == "nc3":
        path = folder / f"{name}_3.nc"
        ds.to_netcdf(path, engine="netcdf4", format="NETCDF3_64BIT")
        return path
    path = folder / f"{name}_{form}.zarr"
    ds.to_zarr(path, zarr_format=int(form[-1]), consolidated=form == "zarr2")
    return path
