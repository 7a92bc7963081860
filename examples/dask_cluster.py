"""The same question asked of threads and of a Dask cluster: the same bits.

Here the cluster is two worker processes on this machine; ``Client("tcp://...")`` is any
other. Batches go to the workers, partials merge there, and only the answer comes back.

usage: python examples/dask_cluster.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import iris_sample_data
import numpy as np
from distributed import Client, LocalCluster

import activecore as ac

SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"
NAME = "air_temperature"


def main() -> None:
    """Ask both, compare, and say who did what."""
    here = ac.open(SOURCE, NAME)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as them,
        Client(them) as client,
    ):
        there = ac.open(SOURCE, NAME, executor=client)
        with ac.record() as run:
            far = there.std("time", ddof=1)
    near = here.std("time", ddof=1)
    if not np.array_equal(far, near):
        sys.exit("the cluster gave other bits than the threads")
    print(f"standard deviation of a year: {near.min():.2f} to {near.max():.2f} K")
    print(f"{run.chunks} chunks were reduced by {run.backends} on two workers")


if __name__ == "__main__":  # worker processes import this file
    main()
