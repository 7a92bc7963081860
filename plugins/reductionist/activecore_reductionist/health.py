"""Whether a server and the store behind it are well, asked in about a second."""

from __future__ import annotations

import numpy as np

from activecore import ActiveCoreError, BackendRefused, ChunkNotFound
from activecore_reductionist.attempts import Attempts
from activecore_reductionist.client import Client
from activecore_reductionist.connection import PooledSession
from activecore_reductionist.options import ReductionistOptions
from activecore_reductionist.question import Question, SourceObject
from activecore_s3numpy import Client as S3Client

__all__ = ["health_of"]

_SECONDS = 1.0
"""Time limit of each of two requests."""

_NOBODY_S = "activecore-check"
"""A bucket and a key that nobody has."""

_QUESTION = Question("count", np.dtype("<f4"), (1,), ((0, 1, 1),), (0,), None, None)


def health_of(options: ReductionistOptions, s3: S3Client) -> str:
    """Ask what the server speaks, and about an object that is not there.

    The server looks for it in the store, with our credentials: that it says so shows
    that all three understand each other.

    Raises
    ------
    BackendError
        One of them does not; says which.
    """
    if options.url is None:
        raise BackendRefused("no server is configured: set the option url")
    pool = PooledSession(options.url, s3.endpoints.tls)
    limit = min(_SECONDS, options.timeout)
    attempts = Attempts(pool, limit, min(limit, options.connect_timeout), retries=0)
    try:
        client = Client(
            options.url,
            attempts,
            s3.credentials,
            api_version=options.api_version,
            may_use_cache=True,
        )
        api = client.api()
        endpoint = options.server_endpoint_url or s3.endpoints.of_s3()
        bucket = _NOBODY_S if options.bucket is None else options.bucket
        _look(client, SourceObject(endpoint, bucket, _NOBODY_S))
    finally:
        pool.close(0.0)
    text = (
        f"{options.url} speaks API {api.version} and reaches {endpoint}; count, sum, "
        "min, max and select of 4- and 8-byte numbers, zlib, gzip, shuffle"
    )
    if not api.has_options and not options.chunk_cache:
        text += "; it cannot be told to leave its cache alone: set chunk_cache = true"
    return text


def _look(client: Client, target: SourceObject) -> None:
    try:
        client.ask(_QUESTION, target, 0, 4)
    except ChunkNotFound:
        return
    except ActiveCoreError as error:
        if "NoSuchBucket" not in str(error):
            raise
