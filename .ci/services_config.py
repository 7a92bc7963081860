"""Write the configuration of the running servers, and print where objects may be put.

Usage: ``services_config.py WHERE``; the file is to be read by its owner only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from services.state import load


def main(where: str) -> None:
    """Write one table for each backend that reaches them."""
    services = load()
    s3 = {
        "endpoint_url": services.s3.endpoint_url,
        "key": services.s3.key,
        "secret": services.s3.secret,
    }
    tables = {
        "s3numpy": s3,
        "reductionist": {"url": services.reductionist.url, **s3},
    }
    path = Path(where)
    path.touch(mode=0o600)
    path.write_text(
        "\n".join(
            f"[backends.{name}]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in tables.items()
        )
    )
    print(f"s3://{services.s3.buckets[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
