"""activecore's backend ``s3numpy``: S3 object stores and web servers, reduced here.

Another backend that reads from S3 can have the same options, credentials and metadata::

    from activecore_s3numpy import Client, ObjectFileSystem, S3Options

    class MyOptions(S3Options):
        url: str

    class MyBackend(StorageBackend):
        options_type = MyOptions

        @property
        def client(self):  # on first use, once per process, under a lock
            if self._client is None:
                self._client = Client(self.options, name=self.name, max_requests=16)
            return self._client

        def filesystem(self, url):
            return ObjectFileSystem(self, url)  # its pickle holds no secrets

        def close(self):
            super().close()
            if self._client is not None:
                self._client.close()

``client.credentials()`` gives ``Credentials(key, secret, token)`` as they are now, or
None where the user asked to be anonymous; ask for each request, because what expires is
renewed. ``client.endpoints.of_s3()`` gives the URL of the object store, and
``Address.parse(source)`` takes a source apart: ``address.place.name`` is the bucket,
``address.key`` the key.

A client of a server of its own waits between attempts as this one does with
``seconds_to_wait``, ``may_be_obeyed`` and ``retry_after``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activecore import hookimpl
from activecore_s3numpy.addresses import Address, Place, require_server
from activecore_s3numpy.backend import S3NumpyBackend
from activecore_s3numpy.backoff import may_be_obeyed, retry_after, seconds_to_wait
from activecore_s3numpy.client import Client
from activecore_s3numpy.credentials import CredentialProvider, Credentials
from activecore_s3numpy.filesystem import ObjectFileSystem
from activecore_s3numpy.options import S3NumpyOptions, S3Options

if TYPE_CHECKING:
    from activecore import StorageBackend

__all__ = [
    "Address",
    "Client",
    "CredentialProvider",
    "Credentials",
    "ObjectFileSystem",
    "Place",
    "S3NumpyBackend",
    "S3NumpyOptions",
    "S3Options",
    "activecore_backend",
    "may_be_obeyed",
    "require_server",
    "retry_after",
    "seconds_to_wait",
]


@hookimpl
def activecore_backend() -> type[StorageBackend]:
    """Give the backend class to activecore."""
    return S3NumpyBackend
