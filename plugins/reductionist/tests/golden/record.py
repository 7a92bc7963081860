"""Record exchanges with the real server: ``python record.py`` after ``make services``.

Run it from the repository's root with its environment, and say so in PROVENANCE.md.
"""

import base64
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import requests

ROOT = Path(__file__).parents[4]
sys.path.insert(0, str(ROOT))

from services.bucket import Bucket  # noqa: E402 - found by the line above
from services.state import load  # noqa: E402

A = np.arange(24, dtype="<f4").reshape(2, 3, 4) - 5
B = (np.arange(12, dtype=">i8") * 10**12).reshape(3, 4)
INF, NAN = np.full(3, -np.inf, "<f4"), np.array([1, np.nan, 3], "<f4")
ALL = [[0, 2, 1], [0, 3, 2], [1, 4, 1]]


def cases():
    for operation in ("count", "sum", "min", "max"):
        yield operation, A, {"axis": [0, 2]}, "value"
        yield operation, A, {"axis": [0, 1, 2], "selection": ALL}, "value"
        yield operation, B, {"axis": [1], "option_count_as_bytes": True}, "value"
        yield operation, A, {"axis": [0], "missing": {"valid_range": [0, 9]}}, "value"
    yield "select", A, {"selection": ALL}, "value"
    yield "select", B, {}, "value"
    yield "max", INF, {"axis": [0]}, "value"
    yield "max", A, {"axis": [0, 1, 2], "missing": {"valid_min": 1000}}, "value"
    yield "sum", A, {"axis": [2], "compression": {"id": "zlib"}}, "value"
    yield "sum", NAN, {"axis": [0]}, "value"
    yield "sum", A, {"axis": [2, 0]}, "ReductionistRefused"
    yield "sum", A, {"foo": 1}, "ReductionistRefused"
    yield "mean", A, {}, "ReductionistRefused"
    yield "sum", A, {"offset": 10_000}, "ChunkReadError"
    yield "sum", A, {"offset": 48}, "ChunkDecodeError"
    yield "sum", A, {"compression": {"id": "gzip"}, "filters": []}, "ChunkDecodeError"
    yield "sum", A, {"url": "{endpoint}/{bucket}/none"}, "ChunkNotFound"
    yield "sum", A, {"url": "{endpoint}/no-such-bucket/k"}, "ReductionistRefused"
    yield "sum", A, {"url": "http://127.0.0.1:9/b/k"}, "ReductionistUnavailable"
    yield "sum", A, {"as": "wrong-secret"}, "ReductionistForbidden"
    yield "sum", A, {"as": "nobody"}, "ReductionistForbidden"


def main():
    services, exchanges = load(), []
    s3, url = services.s3, services.reductionist.url
    who = {
        None: (s3.key, s3.secret),
        "wrong-secret": (s3.key, "x"),
        "nobody": ("x", "x"),
    }
    with Bucket(s3) as bucket:
        for operation, elements, given, kind in cases():
            keys = dict(given)
            auth = who[keys.pop("as", None)]
            is_zlib = keys.get("compression") == {"id": "zlib"}
            stored = (
                zlib.compress(elements.tobytes()) if is_zlib else elements.tobytes()
            )
            source = bucket.put("k", stored).removeprefix("s3://")
            request = {
                "interface_type": "s3",
                "url": f"{s3.endpoint_url}/{source}",
                "dtype": elements.dtype.name,
                "byte_order": "big" if elements.dtype.str[0] == ">" else "little",
                "offset": 0,
                "size": len(stored),
                "shape": list(elements.shape),
            } | keys
            place = {"endpoint": s3.endpoint_url, "bucket": s3.buckets[0]}
            request["url"] = request["url"].format(**place)
            reply = requests.post(
                f"{url}/v2/{operation}", json=request, auth=auth, timeout=60
            )
            request["url"] = "http://s3.example/b/k"
            exchanges.append({
                "operation": operation,
                "request": request,
                "stored": base64.b64encode(stored).decode(),
                "status": reply.status_code,
                "content_type": reply.headers.get("content-type"),
                "body": base64.b64encode(reply.content).decode(),
                "kind": kind,
            })  # fmt: skip
    target = Path(__file__).with_name("exchanges.json")
    target.write_text(json.dumps(exchanges, indent=1) + "\n")


if __name__ == "__main__":
    main()
