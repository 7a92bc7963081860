"""How a run grows with a Dask cluster: 1, 2 and 4 workers, a store that is far away.

On the versitygw of ``make services``, behind a link whose round trip takes long. What
workers wait for they wait for side by side, so more of them are faster even on few
cores; where they decode, the cores are shared. Workers take the store's keys from their
environment: nothing secret travels with the work.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import harness
import local_data
import numpy as np
from harness import Case, Contender, Ran, Ratio, Target, run_suite
from remote import gate, mean_of, servers

from services.bucket import Bucket
from services.proxy import Link
from services.state import S3

WORKERS = (1, 2, 4)
FAR = Link(round_trip=0.1)
"""A store on another continent."""
QUESTIONS: Mapping[str, list[int] | None] = {
    "mean": None,
    "mean over the map": [1, 2],
}


def _name(workers: int) -> str:
    return f"activecore, {workers} worker{'s' if workers > 1 else ''}"


def _targets() -> Iterator[Target]:
    for question in QUESTIONS:
        for workers, ratio in ((2, 1.7), (4, 3.0)):
            yield Target(
                f"{question}: {workers} workers, to one",
                question,
                fast=_name(workers),
                slow=_name(1),
                at_least=ratio,
            )


def run(quick: bool) -> None:
    """Upload a file, ask clusters, write down the results."""
    s3 = servers().s3
    with (
        tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder,
        Bucket(s3) as bucket,
    ):
        results = run_suite(
            "scaling",
            _cases(s3, bucket, Path(folder), quick=quick),
            tuple(_targets()),
            quick=quick,
            title="Dask workers and a store that is far away",
        )
    if not quick:
        _draw(harness.RESULTS / "scaling_workers.png", results)


def _cases(s3: S3, bucket: Bucket, folder: Path, *, quick: bool) -> Iterator[Case]:
    steps = 32 if quick else 256
    path = local_data.write_netcdf(
        folder / "tas.nc",
        (steps, 256, 512),
        chunksizes=(1, 256, 512),
        compression="zlib",
        complevel=1,
        shuffle=True,
    )
    url = bucket.upload(path)
    keys = {"key": s3.key, "secret": s3.secret, "region": s3.region}
    for question, axis in QUESTIONS.items():
        with ExitStack() as stack:
            contenders = []
            for workers in (*WORKERS, 0):
                way = gate(stack, FAR, s3.endpoint_url)
                store = {"url": url, "endpoint_url": way.urls[0], **keys}
                options = {"axis": axis, **store}
                if workers == 0:
                    name, prepare = "activecore, no cluster", in_process
                else:
                    name, prepare = _name(workers), in_cluster
                    options["workers"] = workers
                contenders.append(Contender(name, prepare, options, meter=way.meter))
            yield Case(
                question,
                contenders,
                threads=os.cpu_count() or 1,
                nbytes=steps * 256 * 512 * 4,
                note=f"{steps} chunks of 0.5 MB; a round trip takes "
                f"{1000 * FAR.round_trip:.0f} ms. Each worker has one thread.",
                expected=mean_of(path) if axis is None else None,
                fewest=3,
            )


# -- who answers, each in a process of its own ---------------------------------------


def in_process(*, axis: list[int] | None, **store: str) -> Callable[[], object]:
    """Ask in a thread of this process."""
    _use_keys(store)
    return _asking(store, axis, executor=None)


def in_cluster(
    *, workers: int, axis: list[int] | None, **store: str
) -> Callable[[], object]:
    """Ask a cluster that runs already; starting it is not timed."""
    import atexit

    from distributed import Client, LocalCluster

    _use_keys(store)
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0"
    )
    client = Client(cluster)
    atexit.register(cluster.close)
    atexit.register(client.close)
    return _asking(store, axis, executor=client)


def _use_keys(store: Mapping[str, str]) -> None:
    """Set the keys up for this process and for the workers that it starts."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": store["key"],
        "AWS_SECRET_ACCESS_KEY": store["secret"],
        "AWS_DEFAULT_REGION": store["region"],
    }


def _asking(
    store: Mapping[str, str], axis: list[int] | None, *, executor: Any
) -> Callable[[], object]:
    import activecore as ac

    tas = ac.open(
        store["url"],
        "tas",
        backend="s3numpy",
        storage_options={"endpoint_url": store["endpoint_url"], "concurrency": 1},
        executor=executor,
    )
    return lambda: tas.mean(None if axis is None else tuple(axis))


# -- the picture ---------------------------------------------------------------------


def _draw(path: Path, results: Mapping[str, Mapping[str, Ran]]) -> None:
    """Draw the speed against the number of workers, beside what would be ideal."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(6, 4))
    panel.plot(WORKERS, WORKERS, color="#aaaaaa", linestyle="--", label="ideal")
    for question, ran in results.items():
        one = ran[_name(1)].wall
        ratios = [Ratio.of(one, ran[_name(workers)].wall) for workers in WORKERS]
        medians = np.array([ratio.median for ratio in ratios])
        spread = np.array(
            [
                [ratio.median - ratio.low for ratio in ratios],
                [ratio.high - ratio.median for ratio in ratios],
            ]
        )
        panel.errorbar(WORKERS, medians, yerr=spread, marker="o", label=question)
    panel.set_xticks(WORKERS)
    panel.set_xlabel("Dask workers of one thread")
    panel.set_ylabel("times as fast as one worker")
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
