"""Make a netCDF4 file and reduce it, with nothing but what pip installed.

Usage: ``reduce_a_file.py CHECKOUT``, from a directory outside the checkout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import h5netcdf
import numpy as np

import activecore as ac


def check(holds: bool, what: str) -> None:
    """End with status 1 and one line unless it holds."""
    if not holds:
        sys.exit(f"reduce_a_file: {what}")
    print(f"{what}: yes")


def main(checkout: str) -> None:
    """Compare answers from Python and from the shell with NumPy's."""
    here = Path(ac.__file__)
    check(
        not here.is_relative_to(checkout),
        f"activecore {version('activecore')} is the installed one",
    )
    check(not Path.cwd().is_relative_to(checkout), "this is outside the checkout")

    data = np.random.default_rng(1).normal(280, 10, (20, 30, 40)).astype("f4")
    fill = np.float32(-999)
    data[3, 4:9, 5:] = fill
    with h5netcdf.File("tas.nc", "w") as file:
        file.dimensions = {"time": 20, "lat": 30, "lon": 40}
        tas = file.create_variable(
            "tas",
            ("time", "lat", "lon"),
            "f4",
            fillvalue=fill,
            chunks=(7, 16, 16),
            compression="gzip",
            shuffle=True,
        )
        tas[...] = data
    right = np.ma.masked_equal(data, fill).astype("f8").mean(axis=(1, 2))

    answer = ac.open("tas.nc", "tas").mean(axis=("lat", "lon"))
    check(np.allclose(answer, right, rtol=1e-12), "Python: mean over lat, lon")

    command = [
        str(Path(sys.executable).with_name("activecore")),
        "reduce",
        "tas.nc",
        "tas",
        "mean",
        "--over",
        "lat,lon",
        "--json",
    ]
    reply = subprocess.run(command, capture_output=True, text=True, check=False)
    check(reply.returncode == 0, f"shell: {' '.join(command[1:])} {reply.stderr}")
    check(holds_values(json.loads(reply.stdout), right), "shell: the same values")


def holds_values(reply: object, right: np.ndarray) -> bool:
    """Tell whether some list in the JSON holds these values."""
    if isinstance(reply, dict):
        return any(holds_values(value, right) for value in reply.values())
    return (
        isinstance(reply, list)
        and len(reply) == len(right)
        and all(isinstance(value, (int, float)) for value in reply)
        and bool(np.allclose(reply, right, rtol=1e-6))
    )


if __name__ == "__main__":
    main(sys.argv[1])
