"""One program, three places to compute: the configuration chooses, not the code.

Usage: ``choose_at_run_time.py URL VARIABLE``, with ``ACTIVECORE_CONFIG`` naming one of
the files beside it (``posix.toml``, ``s3.toml``, ``reductionist.toml``), or with a file
of the user's or the site's that says the same.
"""

from __future__ import annotations

import sys

import activecore as ac


def main(url: str, variable: str) -> None:
    """Print a mean, and who worked it out."""
    array = ac.open(url, variable)
    with ac.record() as run:
        mean = array.mean()
    who = ", ".join(
        f"{name} ({chunks} chunks)" for name, chunks in run.backends.items()
    )
    print(f"mean of {variable}: {mean:.9g}")
    print(f"answered by {who}; {run.bytes_received} bytes received")


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - a URL and a name
        sys.exit(__doc__)
    main(*sys.argv[1:])
