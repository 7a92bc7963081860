"""Files that ecCodes writes."""

import eccodes
import numpy as np

TIMES = ((20200101, 0), (20200101, 600), (20200102, 0))
LEVELS = (850, 500)


def write(
    path, *, edition=2, packing="grid_simple", bits=16, leave_out=(), bitmap=True
):
    """Write temperatures, and give what was handed to ecCodes."""
    random = np.random.default_rng(4)
    field = random.normal(270, 9, (3, 2, 7, 12))
    if bitmap:
        field[1, 0, 2:4, 5:] = np.nan
    with path.open("wb") as file:
        for t, (date, clock) in enumerate(TIMES):
            for z, level in enumerate(LEVELS):
                if (t, z) in leave_out:
                    field[t, z] = np.nan
                    continue
                sample = f"regular_ll_pl_grib{edition}"
                handle = eccodes.codes_grib_new_from_samples(sample)
                keys = {
                    "dataDate": date, "dataTime": clock, "stepRange": "0",
                    "shortName": "t", "level": level, "Ni": 12, "Nj": 7,
                    "latitudeOfFirstGridPointInDegrees": 60,
                    "latitudeOfLastGridPointInDegrees": -60,
                    "longitudeOfFirstGridPointInDegrees": 0,
                    "longitudeOfLastGridPointInDegrees": 330,
                    "iDirectionIncrementInDegrees": 30,
                    "jDirectionIncrementInDegrees": 20,
                    "packingType": packing, "bitsPerValue": bits,
                    "bitmapPresent": int(bitmap), "missingValue": -1e30,
                }  # fmt: skip
                for key, value in keys.items():
                    eccodes.codes_set(handle, key, value)
                values = np.where(np.isnan(field[t, z]), -1e30, field[t, z])
                eccodes.codes_set_values(handle, values.ravel())
                eccodes.codes_write(handle, file)
                eccodes.codes_release(handle)
    return np.ma.masked_invalid(field[:, ::-1])  # levels are sorted: 500, 850


def unpacked(path):
    """Read a file as ecCodes does, without activecore."""
    found = np.ma.masked_all((3, 2, 7, 12))
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            date = eccodes.codes_get(handle, "dataDate")
            clock = eccodes.codes_get(handle, "dataTime")
            t = TIMES.index((date, clock))
            z = (500, 850).index(eccodes.codes_get(handle, "level"))
            eccodes.codes_set(handle, "missingValue", -5e33)
            values = eccodes.codes_get_values(handle).reshape(7, 12)
            found[t, z] = np.ma.masked_equal(values, -5e33)
            eccodes.codes_release(handle)
    return found
