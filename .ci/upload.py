"""Put a file into the running S3 server, and write down where and how to reach it.

Usage: ``upload.py FILE WHERE``; WHERE gets URL, keys and servers as JSON, to
be read by its owner only.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from services.bucket import Bucket
from services.state import load


def main(file: str, where: str) -> None:
    """Upload it; it is left there, for the server's data end with the server."""
    services = load()
    url = Bucket(services.s3).upload(Path(file))
    path = Path(where)
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "url": url,
                "s3": asdict(services.s3),
                "reductionist": services.reductionist.url,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
