"""How each server is started, and when it is ready."""

from __future__ import annotations

import http.client
import os
import secrets
import tempfile
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from services.builds import Program
from services.daemon import Daemon, free_port, launch, stop
from services.errors import ServicesError
from services.state import S3, Reductionist

__all__ = ["start_reductionist", "start_versitygw"]

BUCKETS = ("activecore-one", "activecore-two")
REGION = "us-east-1"
_PROBE_LIMIT = 2.0


def start_versitygw(program: Program, state: Path) -> tuple[S3, Daemon]:
    """Start an S3 server over a directory of the state, with two empty buckets."""
    address = f"127.0.0.1:{free_port()}"
    data = state / "s3"
    data.mkdir(exist_ok=True)
    metadata = []
    if not _has_attributes(data):
        (state / "s3-metadata").mkdir(exist_ok=True)
        metadata = ["--sidecar", str(state / "s3-metadata")]
    s3 = S3(
        endpoint_url=f"http://{address}",
        key=f"AK{secrets.token_hex(9).upper()}",
        secret=secrets.token_urlsafe(30),
        region=REGION,
        buckets=BUCKETS,
    )
    daemon = launch(
        [
            str(program.path),
            # As AWS and MinIO do; without it each request pays for a connection.
            "--keep-alive",
            *("--port", address, "--region", REGION, "--health", "/health", "--quiet"),
            *("posix", *metadata, str(data)),
        ],
        environment={"ROOT_ACCESS_KEY": s3.key, "ROOT_SECRET_KEY": s3.secret},
        log=state / "versitygw.log",
        answers=lambda: _answers(address, "/health"),
    )
    try:
        for bucket in s3.buckets:
            _make_bucket(s3, bucket)
    except ServicesError:
        stop(daemon)
        raise
    return s3, daemon


def start_reductionist(program: Program, state: Path) -> tuple[Reductionist, Daemon]:
    """Start a Reductionist without a cache of chunks: tests overwrite objects."""
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    daemon = launch(
        [str(program.path), "--host", host, "--port", port],
        environment={"RUST_LOG": "warn"},
        log=state / "reductionist.log",
        answers=lambda: _answers(address, "/.well-known/reductionist-schema"),
    )
    return Reductionist(f"http://{address}"), daemon


def _answers(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=_PROBE_LIMIT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _make_bucket(s3: S3, bucket: str) -> None:
    """Make a bucket without a client, which would heed the user's own AWS settings."""
    request = AWSRequest("PUT", f"{s3.endpoint_url}/{bucket}", data=b"")
    S3SigV4Auth(Credentials(s3.key, s3.secret), "s3", s3.region).add_auth(request)
    address = s3.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=_PROBE_LIMIT)
    try:
        connection.request("PUT", f"/{bucket}", b"", dict(request.headers))
        reply = connection.getresponse()
        body = reply.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise ServicesError(f"versitygw: bucket {bucket}: {error}") from error
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK and "BucketAlreadyOwnedByYou" not in body:
        raise ServicesError(f"versitygw: bucket {bucket}: {reply.status} {body}")


def _has_attributes(directory: Path) -> bool:
    """Tell whether files here can have the attributes that versitygw keeps ETags in."""
    if not hasattr(os, "setxattr"):
        return True  # macOS: every filesystem of it has them
    with tempfile.NamedTemporaryFile(dir=directory) as probe:
        try:
            os.setxattr(probe.name, "user.probe", b"1")
        except OSError:
            return False
    return True
