"""``make bench``: run the benchmarks, all or those named.

``ARGS="--quick"`` takes small data, checks only that all runs, and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib

LOCAL = ("local_netcdf", "local_zarr", "stages", "many_chunks", "memory")
REMOTE = ("s3", "reductionist", "scaling")
"""Those that need the servers of ``make services``."""
SUITES = (*LOCAL, *REMOTE)
"""Modules of this folder with ``run(quick)``, in the order in which they are run."""


def main() -> None:
    """Run each suite in turn."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}"
    )
    parser.add_argument("--quick", action="store_true", help="small data, no figures")
    options = parser.parse_args()
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    for name in options.suites or (*LOCAL, *_remote()):
        print(f"## {name}\n", flush=True)
        importlib.import_module(name).run(quick=options.quick)


def _remote() -> tuple[str, ...]:
    """Give the suites that need servers, where those run."""
    import remote

    why_not = remote.why_not()
    if why_not is None:
        return REMOTE
    print(f"{', '.join(REMOTE)}: left out, {why_not}\n", flush=True)
    return ()


if __name__ == "__main__":
    main()
