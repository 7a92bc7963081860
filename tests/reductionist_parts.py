"""What live tests of Reductionist share: questions in JSON, servers of one's own."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import contextmanager

import cbor2
import numpy as np
import requests

from activecore_reductionist import ReductionistBackend, ReductionistOptions
from services.builds import REDUCTIONIST, provide


def options(services, **changes):
    """Options for the servers of ``make services``."""
    values = {
        "url": services.reductionist.url,
        "endpoint_url": services.s3.endpoint_url,
        "key": services.s3.key,
        "secret": services.s3.secret,
    }
    return ReductionistOptions.make(values | changes)


@contextmanager
def backend(services, **changes):
    made = ReductionistBackend(options(services, **changes))
    try:
        yield made
    finally:
        made.close()


class Raw:
    """Asks the server as its documentation says, without any code of ours."""

    def __init__(self, services, bucket, url=None):
        self.services, self.bucket = services, bucket
        self.url = url or services.reductionist.url

    def request(self, source, elements, **keys):
        return {
            "interface_type": "s3",
            "url": f"{self.services.s3.endpoint_url}/{source.removeprefix('s3://')}",
            "dtype": elements.dtype.name,
            "byte_order": "little",
            "offset": 0,
            "size": elements.nbytes,
            "shape": list(elements.shape),
            **keys,
        }

    def ask(self, operation, elements, *, stored=None, auth=None, text=None, **keys):
        """Store elements and ask: the reply with its array as ``values``, or an error.

        Gives None where the connection is dropped.
        """
        stored = elements.tobytes() if stored is None else stored
        source = self.bucket.put("raw", stored)
        body = json.dumps(
            self.request(source, elements, **{"size": len(stored)} | keys)
        )
        s3 = self.services.s3
        try:
            response = requests.post(
                f"{self.url}/v2/{operation}",
                data=body if text is None else text(body),
                headers={"content-type": "application/json"},
                auth=(s3.key, s3.secret) if auth is None else auth,
                timeout=60,
            )
        except requests.ConnectionError:
            return None
        if response.status_code != 200:
            return response.status_code, response.text
        reply = cbor2.loads(response.content)
        values = np.frombuffer(reply["bytes"], reply["dtype"])
        return {**reply, "values": values.reshape(reply["shape"])}


@contextmanager
def server(tmp_path, *arguments, port=None, scheme="http"):
    """A Reductionist server of one's own; gives its URL and its process."""
    port = free_port() if port is None else port
    program = provide(REDUCTIONIST, lambda _: None).path
    with (tmp_path / "reductionist.log").open("ab") as log:
        process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", str(port), *arguments],
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < until
                time.sleep(0.02)
        yield f"{scheme}://localhost:{port}", process
    finally:
        process.kill()
        process.wait(10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


__all__ = ["Raw", "backend", "free_port", "options", "server"]
