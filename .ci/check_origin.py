"""Check that pip took every distribution of ours from the directory of wheels.

Usage: ``check_origin.py DIST REPORT``, the report being that of ``pip install``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(dist: str, report: str) -> None:
    """End with status 1 and one line where something of ours came from elsewhere."""
    home = Path(dist).resolve().as_uri() + "/"
    ours = {
        item["metadata"]["name"]: item["download_info"]["url"]
        for item in json.loads(Path(report).read_text())["install"]
        if item["metadata"]["name"].startswith("activecore")
    }
    if not ours:
        sys.exit("check_origin: pip installed nothing of ours")
    for name, url in sorted(ours.items()):
        if not url.startswith(home):
            sys.exit(f"check_origin: {name} came from {url}, not from {home}")
        print(f"{name}: {url.removeprefix(home)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
