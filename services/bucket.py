"""Objects in the S3 server, put there by a client that is not ours."""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import botocore.config
import botocore.session

from services.state import S3

__all__ = ["Bucket"]

_USERS_OWN = ("profile", "config_file", "credentials_file", "ca_bundle")


class Bucket:
    """A prefix of a bucket that nobody else writes to; emptied at the end.

    Parameters
    ----------
    s3
        The server.
    number
        Which of its buckets.
    """

    def __init__(self, s3: S3, number: int = 0) -> None:
        self.name = s3.buckets[number]
        self.prefix = uuid.uuid4().hex[:12]
        self._client = _client(s3.endpoint_url, s3.region, s3.key, s3.secret)
        self._keys: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, name: str, data: bytes | BinaryIO) -> str:
        """Store an object; give its URL."""
        self._client.put_object(Bucket=self.name, Key=self._key(name), Body=data)
        self._keys.add(self._key(name))
        return self.url(name)

    def upload(self, path: Path, name: str | None = None) -> str:
        """Store a file, or every file of a directory; give the URL."""
        name = path.name if name is None else name
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    self.upload(file, f"{name}/{file.relative_to(path).as_posix()}")
            return self.url(name)
        with path.open("rb") as content:
            return self.put(name, content)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        self._client.delete_object(Bucket=self.name, Key=self._key(name))
        self._keys.discard(self._key(name))

    def url(self, name: str) -> str:
        """Say where an object of that name is, or would be."""
        return f"s3://{self.name}/{self._key(name)}"

    def name_of(self, url: str) -> str:
        """Say which object of this prefix a URL, or ``bucket/key``, means."""
        return url.removeprefix("s3://").removeprefix(f"{self.name}/{self.prefix}/")

    def close(self) -> None:
        """Remove everything that was put here."""
        for key in self._keys:
            self._client.delete_object(Bucket=self.name, Key=key)
        self._keys.clear()

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}"


@cache
def _client(endpoint_url: str, region: str, key: str, secret: str) -> Any:
    """Give a client; to make one takes a tenth of a second, so that there is one."""
    # What users have set up for AWS is not for this server.
    session = botocore.session.Session(dict.fromkeys(_USERS_OWN, (None,) * 4))
    return session.create_client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
        ),
    )
