"""Files with coordinates, as model output has them, for what shows and writes answers."""

from __future__ import annotations

import netCDF4
import numpy as np

TIMES = 24
LATITUDES = np.array([60.0, 20.0, -20.0, -60.0])
LONGITUDES = np.array([0.0, 60.0, 120.0, 180.0, 240.0, 300.0])


def write_model_output(path):
    """Packed temperatures with missing values, bounds, a grid mapping, a scalar height."""
    rng = np.random.default_rng(1)
    with netCDF4.Dataset(path, "w") as ds:
        for name, size in (("time", TIMES), ("lat", 4), ("lon", 6), ("bnds", 2)):
            ds.createDimension(name, size)
        _coordinate(
            ds,
            "time",
            np.arange(TIMES) * 30.0 + 15,
            axis="T",
            bounds="time_bnds",
            units="days since 2000-01-01",
            calendar="360_day",
        )
        bounds = ds.createVariable("time_bnds", "f8", ("time", "bnds"))
        bounds[:] = np.arange(TIMES)[:, None] * 30.0 + [0, 30]
        _coordinate(
            ds, "lat", LATITUDES, units="degrees_north", standard_name="latitude"
        )
        _coordinate(
            ds, "lon", LONGITUDES, units="degrees_east", standard_name="longitude"
        )
        height = ds.createVariable("height", "f8")
        height[...], height.units, height.positive = 2.0, "m", "up"
        days = ds.createVariable("days", "i4", ("time",))
        days[:] = 30
        station = ds.createVariable("station", str, ("lat",))
        station[:] = np.array(["a", "b", "c", "d"], dtype=object)
        crs = ds.createVariable("crs", "i4")
        crs.grid_mapping_name = "latitude_longitude"
        tas = ds.createVariable(
            "tas", "i2", ("time", "lat", "lon"), fill_value=-999, chunksizes=(6, 4, 6)
        )
        tas.setncatts({
            "long_name": "near-surface air temperature",
            "standard_name": "air_temperature", "units": "K", "scale_factor": 0.01,
            "add_offset": 273.15, "valid_min": np.int16(-9000),
            "cell_methods": "time: mean", "coordinates": "height station",
            "grid_mapping": "crs", "cell_measures": "area: areacella",
        })  # fmt: skip
        stored = rng.integers(-3000, 3000, (TIMES, 4, 6)).astype("i2")
        stored[rng.random(stored.shape) < 0.1] = -999
        stored[3, 2] = -999
        tas.set_auto_maskandscale(False)
        tas[:] = stored
    return path


def _coordinate(ds, name, values, **attributes):
    variable = ds.createVariable(name, "f8", (name,))
    variable.setncatts(attributes)
    variable[:] = values


def write_curvilinear(path):
    """A grid around the pole whose latitudes and longitudes have two dimensions."""
    y, x = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 14), indexing="ij")
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("y", 12)
        ds.createDimension("x", 14)
        for name, values, units in (
            ("nav_lat", 90 - 40 * np.hypot(x, y), "degrees_north"),
            ("nav_lon", np.degrees(np.arctan2(y, x)), "degrees_east"),
        ):
            variable = ds.createVariable(name, "f8", ("y", "x"))
            variable.units, variable[:] = units, values
        ice = ds.createVariable("ice", "f4", ("y", "x"), fill_value=-1.0)
        ice.units, ice.coordinates = "1", "nav_lat nav_lon"
        ice[:] = np.ma.masked_less(1 - np.hypot(x, y), 0)
    return path


def unpacked(path, name="tas"):
    """Read a variable as netCDF4-python gives it: the oracle."""
    with netCDF4.Dataset(path) as ds:
        return ds[name][:]
