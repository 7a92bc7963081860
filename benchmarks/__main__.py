"""``make bench``: run the benchmarks. ``ARGS=--quick`` only checks that they run."""

from __future__ import annotations

import argparse

import memory


def main() -> None:
    """Run each benchmark in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, no figures")
    options = parser.parse_args()
    memory.run(gigabytes=0.05 if options.quick else 2.0)


if __name__ == "__main__":
    main()
