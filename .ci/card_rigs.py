"""Rigs for the backends of object stores, over the servers that run here.

Usage: ``python -m activecore.testing s3numpy --rig card_rigs:S3``, with
``ACTIVECORE_CONFIG`` naming what ``services_config.py`` wrote, and ``CARD_PLACE`` the
prefix that it printed.
"""

from __future__ import annotations

import os
from pathlib import Path

from obstore.store import S3Store

from activecore import StorageBackend
from activecore.config import load_settings
from activecore.discovery import make_backends
from activecore.testing import Rig


class S3(Rig):
    """Puts objects by a client of its own."""

    name = "s3numpy"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = os.environ["CARD_PLACE"]
        self.settings = load_settings()
        table = self.settings.backends["s3numpy"]
        self.bucket, _, self.prefix = self.url.removeprefix("s3://").partition("/")
        self.store = S3Store(
            self.bucket,
            endpoint=table["endpoint_url"],
            access_key_id=table["key"],
            secret_access_key=table["secret"],
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def backend(self) -> StorageBackend:
        """Make the backend as it is configured."""
        options = {"pickle_secrets": True}  # the copy answers in this process
        (backend,) = make_backends(
            self.url, backend=self.name, storage_options=options, settings=self.settings
        )
        return backend

    def put(self, name: str, data: bytes) -> str:
        """Put an object."""
        self.store.put(f"{self.prefix}/{name}", data)
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def delete(self, source: str) -> None:
        """Delete an object."""
        self.store.delete(source.removeprefix(f"s3://{self.bucket}/"))


class Reductionist(S3):
    """The same objects, asked of the server beside them."""

    name = "reductionist"
    # Its accumulator is float32; why_not bounds the error by this.
    float32_sum_tolerance = 1e-4
