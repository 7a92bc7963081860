"""What can be configured about a Reductionist server and the store beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from activecore import ConfigError
from activecore_reductionist.safety import require_safe
from activecore_s3numpy import S3Options, require_server

__all__ = ["ReductionistOptions"]


class ReductionistOptions(S3Options):
    """Where the server is, and the object store as it sees it.

    Endpoint, key and secret are those of ``s3numpy``: metadata is read from the store
    directly, and the server is told the endpoint and given the key.
    """

    url: str | None = Field(
        default=None, description="URL of the Reductionist server: https://host:port."
    )
    api_version: Literal["auto", "v1", "v2"] = Field(
        default="auto",
        description="Version of the server's API; auto: found out on first use.",
    )
    server_endpoint_url: str | None = Field(
        default=None,
        description=(
            "URL of the object store as the server reaches it; none: endpoint_url."
        ),
    )
    allow_insecure_auth: bool = Field(
        default=False,
        description=(
            "Whether the S3 secret may be sent to a server over http://, where anybody "
            "on the way can read it."
        ),
    )
    chunk_cache: bool = Field(
        default=False,
        description=(
            "Whether the server may answer from chunks that it kept; it does not "
            "notice that an object was overwritten meanwhile."
        ),
    )
    float32_sum_bound: float = Field(
        default=1e-4,
        gt=0,
        allow_inf_nan=False,
        description=(
            "Relative error allowed of the server's sums of float32, which it makes in "
            "float32; what may be worse is summed here."
        ),
    )

    destinations: ClassVar[Mapping[str, frozenset[str]]] = {
        **S3Options.destinations,
        "url": frozenset({"key", "secret"}),
    }

    @classmethod
    def from_storage_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Translate the spellings of s3fs and of PyActiveStorage's arguments."""
        given = dict(options)
        if "active_storage_url" in given:
            given["url"] = given.pop("active_storage_url")
        if given.pop("option_disable_chunk_cache", False):
            given["chunk_cache"] = False
        return super().from_storage_options(given)

    @field_validator("url", "server_endpoint_url")
    @classmethod
    def _is_a_server_too(cls, url: str | None) -> str | None:
        return None if url is None else require_server(url)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.url is not None and not self.anon:
            try:
                require_safe(self.url, allow_insecure_auth=self.allow_insecure_auth)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return self
