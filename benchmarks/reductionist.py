"""Reductions beside the store: against PyActiveStorage, and against reading from afar.

On the servers of ``make services``. A far client reaches both servers over a simulated
link, while the Reductionist reaches the store beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import local_data
import remote_contenders as contenders
from harness import RESULTS, Case, Contender, Ran, Target, run_suite
from remote import Gate, credentials, gate, mean_of, servers

from services.bucket import Bucket
from services.proxy import Link
from services.state import Services

OURS = "activecore reductionist"
READING = "activecore s3numpy"
ACTIVE = "PyActiveStorage, Reductionist"
ROUND_TRIP = 0.040
SPEEDS = (30, 100, 300, 1000)
"""Of the links, Mbit/s."""
FAR = "240 MB uncompressed, 40 ms, {} Mbit/s"
COMPRESSED = ("96 compressed chunks of 2.3 MB", "96 compressed chunks of 65 kB")

TARGETS = (
    *(
        Target(f"{case}, to PyActiveStorage", case, OURS, ACTIVE, at_least=1.2)
        for case in COMPRESSED
    ),
    *(
        Target(
            f"{case}, CPU of the client, to PyActiveStorage",
            case,
            OURS,
            ACTIVE,
            at_least=2,
            of="cpu",
        )
        for case in COMPRESSED
    ),
    Target(
        "100 Mbit/s and 40 ms away, to reading",
        FAR.format(100),
        OURS,
        READING,
        at_least=15,
    ),
)


def run(quick: bool) -> None:
    """Upload files, ask, write down the results, and draw time against link speed."""
    services = servers()
    with (
        tempfile.TemporaryDirectory(prefix="activecore-bench-") as folder,
        Bucket(services.s3) as bucket,
    ):
        results = run_suite(
            "reductionist",
            _cases(services, bucket, Path(folder), quick=quick),
            TARGETS,
            quick=quick,
            title="Reductions beside the store",
        )
    if not quick:
        _draw(RESULTS, results)


def _cases(
    services: Services, bucket: Bucket, folder: Path, *, quick: bool
) -> Iterator[Case]:
    for name, shape in zip(COMPRESSED, ((480, 240, 480), (96, 90, 180)), strict=True):
        lengths = (shape[0] // 24, *shape[1:]) if quick else shape
        path = local_data.write_netcdf(
            folder / "tas.nc",
            lengths,
            chunksizes=(shape[0] // 96, *shape[1:]),
            compression="zlib",
            complevel=4,
            shuffle=True,
        )
        url = bucket.upload(path)
        yield Case(
            name,
            [
                _ours(url, services, None),
                _ours(url, services, None, kept=str(folder / "kept")),
                _reading(url, services, None),
                _pyactivestorage(url, services),
            ],
            nbytes=4 * lengths[0] * lengths[1] * lengths[2],
            note=f"{path.stat().st_size / 1e6:.3g} MB stored, one request a chunk.",
            expected=mean_of(path),
            rtol=1e-4,
        )
        path.unlink()
    yield from _far(services, bucket, folder, quick=quick)


def _far(
    services: Services, bucket: Bucket, folder: Path, *, quick: bool
) -> Iterator[Case]:
    shape = (4 if quick else 100, 600, 1000)
    path = local_data.write_netcdf(folder / "raw.nc", shape, chunksizes=(1, *shape[1:]))
    url, expected = bucket.upload(path), mean_of(path)
    for speed in SPEEDS:
        link = Link(round_trip=ROUND_TRIP, bandwidth=speed * 1e6)
        with ExitStack() as stack:
            yield Case(
                FAR.format(speed),
                [
                    make(url, services, gate(stack, link, *_ends(services)))
                    for make in (_ours, _reading)
                ],
                nbytes=4 * shape[0] * shape[1] * shape[2],
                note="Chunks of 2.4 MB.",
                expected=expected,
                rtol=1e-4,
                fewest=3,
            )
    path.unlink()


def _ends(services: Services) -> tuple[str, str]:
    return services.s3.endpoint_url, services.reductionist.url


def _ours(
    url: str, services: Services, way: Gate | None, kept: str | None = None
) -> Contender:
    store, server = _ends(services) if way is None else way.urls
    options = credentials(services.s3, store) | {
        "url": server,
        "server_endpoint_url": services.s3.endpoint_url,
    }
    name = OURS if kept is None else f"{OURS}, index kept"
    return _activecore(name, url, "reductionist", options, way, kept)


def _reading(url: str, services: Services, way: Gate | None) -> Contender:
    store, _ = _ends(services) if way is None else way.urls
    return _activecore(READING, url, "s3numpy", credentials(services.s3, store), way)


def _activecore(
    name: str,
    url: str,
    backend: str,
    options: Mapping[str, str],
    way: Gate | None,
    kept: str | None = None,
) -> Contender:
    asked = {"url": url, "backend": backend, "storage_options": options, "kept": kept}
    meter = None if way is None else way.meter
    return Contender(name, contenders.activecore, asked, meter=meter)


def _pyactivestorage(url: str, services: Services) -> Contender:
    asked = {
        "url": url,
        "credentials": credentials(services.s3),
        "server": services.reductionist.url,
    }
    return Contender(ACTIVE, contenders.pyactivestorage, asked)


def _draw(folder: Path, results: Mapping[str, Mapping[str, Ran]]) -> None:
    """Draw time against link speed, and say below where to prefer which."""
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(6.5, 4))
    for name, colour in ((OURS, "#d95f02"), (READING, "#7570b3")):
        ran = [results[FAR.format(speed)][name] for speed in SPEEDS]
        shown = [
            (speed, *np.quantile(one.wall, (0.25, 0.5, 0.75)))
            for speed, one in zip(SPEEDS, ran, strict=True)
            if one.error is None
        ]
        if not shown:
            continue
        speeds, low, middle, high = zip(*shown, strict=True)
        moved = ", ".join(f"{one.figures.get('MB down', 0):.3g}" for one in ran[:1])
        panel.plot(speeds, middle, "o-", color=colour, label=f"{name}, {moved} MB")
        panel.fill_between(speeds, low, high, color=colour, alpha=0.25)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(SPEEDS, [str(speed) for speed in SPEEDS])
    panel.minorticks_off()
    panel.set_xlabel("link, Mbit/s (40 ms round trip)")
    panel.set_ylabel("seconds for the mean of 240 MB")
    panel.set_title("Where to reduce: beside the store, or here", fontsize=10)
    panel.legend(frameon=False, fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / "reductionist-link.png", dpi=110)
    plt.close(figure)
    with (folder / "reductionist.md").open("a") as page:
        page.write("\n![time against link speed](reductionist-link.png)\n")
