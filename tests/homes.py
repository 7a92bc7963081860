"""Where the files of an agreement test live, and which backend is asked about them."""

from __future__ import annotations

import os
import uuid

import pytest

import activecore as ac
from services.bucket import Bucket
from services.state import load


class Local:
    """Files are where they were written."""

    backend = "posix"
    sum_rounding = 0.0
    """Relative error of adding two float32, where chunks are summed in float32."""

    def place(self, path):
        """Bring a file or store to where the backend finds it; give its URL."""
        return str(path)

    def place_once(self, path):
        """The same for a file that does not change."""
        return self.place(path)

    def open(self, url, name):
        """Open a variable."""
        return ac.open(url, name, backend=self.backend)

    def close(self):
        """Remove what was placed."""


class Remote(Local):
    """Files are uploaded to the S3 server of ``make services``."""

    backend: str | list[str] = "s3numpy"

    def __init__(self, services):
        self._bucket = Bucket(services.s3)
        self._placed = {}
        self.storage_options = {
            "endpoint_url": services.s3.endpoint_url,
            "key": services.s3.key,
            "secret": services.s3.secret,
        }

    def place(self, path):
        return self._bucket.upload(path, f"{uuid.uuid4().hex[:8]}-{path.name}")

    def place_once(self, path):
        if path not in self._placed:
            self._placed[path] = self.place(path)
        return self._placed[path]

    def open(self, url, name):
        return ac.open(
            url, name, backend=self.backend, storage_options=self.storage_options
        )

    def close(self):
        self._bucket.close()


class Active(Remote):
    """And reduced by the Reductionist server, as far as it can."""

    backend = ("reductionist", "s3numpy")
    sum_rounding = 2.0**-24

    def __init__(self, services):
        super().__init__(services)
        self.storage_options |= {"reductionist": {"url": services.reductionist.url}}


HOMES = {"s3numpy": Remote, "reductionist": Active}


def home_of(backend):
    """Give the home for a backend's name.

    Raises
    ------
    services.errors.ServicesError
        It needs servers, and they do not run.
    """
    if backend == "posix":
        return Local()
    if backend not in HOMES:
        raise pytest.UsageError(f"--backend: {backend!r} is none of the three")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # the user's own are not for this server
    return HOMES[backend](load())
