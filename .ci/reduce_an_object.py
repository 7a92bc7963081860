"""Reduce an object of an S3 server, with nothing but what pip installed.

Usage: ``reduce_an_object.py FILE WHERE``: the local file that the object is a copy of,
and what ``upload.py`` has written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import activecore as ac


def check(holds: bool, what: str) -> None:
    """End with status 1 and one line unless it holds."""
    if not holds:
        sys.exit(f"reduce_an_object: {what}")
    print(f"{what}: yes")


def main(file: str, where: str) -> None:
    """Compare what comes from the object with what comes from the file."""
    told = json.loads(Path(where).read_text())
    url, s3 = told["url"], told["s3"]
    options = {name: s3[name] for name in ("endpoint_url", "key", "secret")}
    over = ("lat", "lon")
    right = ac.open(file, "tas").mean(axis=over)

    answer = ac.open(url, "tas", storage_options=options).mean(axis=over)
    check(
        np.asarray(answer).tobytes() == np.asarray(right).tobytes(),
        "s3numpy: the same bits as from the file",
    )
    with ac.record() as run:
        answer = ac.open(
            url,
            "tas",
            backend="reductionist",
            storage_options={**options, "url": told["reductionist"]},
        ).mean(axis=over)
    check(np.allclose(answer, right, rtol=1e-4), "reductionist: the same to 1e-4")
    check(
        run.bytes_received < Path(file).stat().st_size / 10,
        f"reductionist: {run.bytes_received} bytes came back",
    )

    # From the shell, set up by nothing but AWS's own variables.
    reply = subprocess.run(
        [
            str(Path(sys.executable).with_name("activecore")),
            *("reduce", url, "tas", "max", "--json"),
        ],
        env=os.environ
        | {
            "AWS_ENDPOINT_URL": s3["endpoint_url"],
            "AWS_ACCESS_KEY_ID": s3["key"],
            "AWS_SECRET_ACCESS_KEY": s3["secret"],
            "AWS_REGION": s3["region"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    check(reply.returncode == 0, f"shell: activecore reduce {url} {reply.stderr}")
    check(s3["secret"] not in reply.stdout + reply.stderr, "shell: no secret is shown")
    largest = float(ac.open(file, "tas").max())
    check(f"{largest:.4g}"[:5] in reply.stdout, "shell: the same maximum")


if __name__ == "__main__":
    main(*sys.argv[1:])
