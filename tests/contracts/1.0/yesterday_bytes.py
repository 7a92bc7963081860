"""A backend of byte ranges, as contract 1.0 had it. Frozen: never edit."""

from typing import ClassVar

import fsspec
from pydantic import Field, SecretStr

import activecore as ac


class YesterdayOptions(ac.BackendOptions):
    endpoint: str | None = Field(default=None, description="Where.")
    token: SecretStr | None = Field(default=None, description="Who.")

    destinations = {"endpoint": frozenset({"token"})}

    @classmethod
    def from_storage_options(cls, options):
        return {{"endpoint_url": "endpoint"}.get(k, k): v for k, v in options.items()}


class YesterdayBytes(ac.ByteRangeBackend):
    name = "yesterdaybytes"
    contract: ClassVar[tuple[int, int]] = (1, 0)
    options_type: ClassVar[type[ac.BackendOptions]] = YesterdayOptions

    def filesystem(self, url):
        return fsspec.filesystem("file")

    def read_range(self, source, offset, size):
        try:
            with open(source, "rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError as error:
            raise ac.ChunkNotFound(f"there is no file {source}") from error
        except OSError as error:
            raise ac.ChunkReadError(f"{source}: {error}") from error


@ac.hookimpl
def activecore_backend():
    return YesterdayBytes
