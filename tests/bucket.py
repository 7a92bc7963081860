"""Objects in the S3 server of ``make services``, put there by another client."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

import botocore.config
import botocore.session

from services.state import S3


class Bucket:
    """A prefix of a bucket that nobody else writes to.

    Parameters
    ----------
    s3
        The server.
    number
        Which of its buckets.
    """

    def __init__(self, s3: S3, number: int = 0):
        self.s3 = s3
        self.name = s3.buckets[number]
        self.prefix = uuid.uuid4().hex[:12]
        # What the user has set up for AWS is not asked.
        names = ("profile", "config_file", "credentials_file", "ca_bundle")
        session = botocore.session.Session(dict.fromkeys(names, (None,) * 4))
        self._client = session.create_client(
            "s3",
            endpoint_url=s3.endpoint_url,
            region_name=s3.region,
            aws_access_key_id=s3.key,
            aws_secret_access_key=s3.secret,
            config=botocore.config.Config(
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=30,
                max_pool_connections=32,
            ),
        )

    def put(self, name, data):
        """Store bytes; give the URL."""
        self._client.put_object(Bucket=self.name, Key=self._key(name), Body=data)
        return self.url(name)

    def upload(self, path, name=None):
        """Store a file, or all that is in a directory; give the URL."""
        path = Path(path)
        name = path.name if name is None else name
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    self.put(f"{name}/{file.relative_to(path)}", file.read_bytes())
            return self.url(name)
        with path.open("rb") as file:
            return self.put(name, file)

    def delete(self, name):
        """Remove one object."""
        self._client.delete_object(Bucket=self.name, Key=self._key(name))

    def url(self, name):
        """Where an object of that name is, or would be."""
        return f"s3://{self.name}/{self._key(name)}"

    def name_of(self, url):
        """Which object of this prefix a URL, or ``bucket/key``, means."""
        return url.removeprefix("s3://").removeprefix(f"{self.name}/{self.prefix}/")

    def _key(self, name):
        return f"{self.prefix}/{name}"

    def close(self):
        """Remove everything that was put here."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.name, Prefix=f"{self.prefix}/"):
            for item in page.get("Contents", ()):
                with suppress(self._client.exceptions.NoSuchKey):
                    self._client.delete_object(Bucket=self.name, Key=item["Key"])
        self._client.close()
