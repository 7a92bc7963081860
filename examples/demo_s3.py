"""The demo's field in an S3 store: reduced here, and beside the store.

The second part of ``make demo``, for the servers of ``make services``; without them it
says how to start them, and ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import iris_sample_data
from demo import NAME, cost, run, say

import activecore as ac

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.bucket import Bucket
from services.errors import ServicesError
from services.state import Services, load

SOURCE = Path(iris_sample_data.path) / "A1B_north_america.nc"
OVER = ("latitude", "longitude")


def main() -> None:
    """Upload the file, and ask both backends."""
    try:
        services = load()
    except ServicesError:
        print("\nTo see the same from an S3 store: make services, then make demo.")
        return
    _configure(services)
    with Bucket(services.s3) as bucket:
        url = bucket.upload(SOURCE)
        say(f"In an S3 store: {SOURCE.name} is now {url}")
        run("info", url, NAME)
        here = _reduce(url, "s3numpy", "Reduced here: the bytes of every chunk travel")
        there = _reduce(
            url, "reductionist", "Reduced beside the store: only the answers travel"
        )
    local = ac.open(SOURCE, NAME).mean(axis=OVER)
    same_bits = bool((here == local).all())
    difference = abs(there - local).max()
    print(f"\ns3numpy gives the same bits as the local file: {same_bits}")
    print(
        f"reductionist sums float32 in float32: largest difference {difference:.1e} K"
    )
    if not same_bits or difference > 1e-4 * abs(local).max():  # its documented bound
        sys.exit("demo: the backends do not agree")


def _configure(services: Services) -> None:
    """Set up the store by AWS's own variables, and the server by one of ours."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": services.s3.endpoint_url,
        "AWS_ACCESS_KEY_ID": services.s3.key,
        "AWS_SECRET_ACCESS_KEY": services.s3.secret,
        "AWS_REGION": services.s3.region,
        "ACTIVECORE_BACKENDS__REDUCTIONIST__URL": services.reductionist.url,
        # The object is gone after the demo.
        "ACTIVECORE_INDEX_CACHE": "false",
    }


def _reduce(url: str, backend: str, title: str) -> object:
    say(title)
    run("explain", url, NAME, "mean", "--over", ",".join(OVER), "--backend", backend)
    with ac.record() as record:
        answer = ac.open(url, NAME, backend=backend).mean(axis=OVER)
    print(f"mean of the first year: {answer[0]:.3f} K, of the last: {answer[-1]:.3f} K")
    print(cost(record))
    return answer


if __name__ == "__main__":
    main()
