"""What can be configured about an S3 object store, and about reading from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from activecore import BackendOptions
from activecore_s3numpy.addresses import require_server
from activecore_s3numpy.spellings import translate

__all__ = ["S3NumpyOptions", "S3Options"]


class S3Options(BackendOptions):
    """Where an object store is, who asks, and how long to wait for it.

    Subclass it for another backend that reads S3: ``credentials``, ``endpoints`` and
    the filesystem need no more than this. What is not said here is taken from AWS's
    environment variables and shared profile files, as botocore takes it.
    """

    endpoint_url: str | None = Field(
        default=None,
        description="URL of the object store; none: as AWS's settings say, then AWS.",
    )
    region: str | None = Field(
        default=None, description="Region; none: as AWS's settings say, or us-east-1."
    )
    bucket: str | None = Field(
        default=None, min_length=1, description="Bucket of keys that name none."
    )
    key: SecretStr | None = Field(
        default=None, description="Access key; none: AWS's settings decide."
    )
    secret: SecretStr | None = Field(
        default=None, description="Secret key that belongs to the access key."
    )
    token: SecretStr | None = Field(
        default=None, description="Session token of a temporary access key."
    )
    anon: bool = Field(
        default=False,
        description="Whether to ask unsigned, whatever credentials there are.",
    )
    aws_profile: str | None = Field(
        default=None,
        min_length=1,
        description="Profile of AWS's shared files; none: AWS_PROFILE, or 'default'.",
    )
    ca_bundle: Path | None = Field(
        default=None,
        description=(
            "PEM file of certificates to trust besides the system's; none: "
            "AWS_CA_BUNDLE."
        ),
    )
    verify: bool = Field(
        default=True, description="Whether the server's certificate is checked."
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description=(
            "Whether the bucket stands in the path of URLs or before the host; auto: "
            "'path' where an endpoint is configured, 'virtual' on AWS."
        ),
    )
    requester_pays: bool = Field(
        default=False, description="Whether to agree to pay for what is read."
    )
    timeout: float = Field(
        default=60.0, gt=0, allow_inf_nan=False, description="Seconds for each attempt."
    )
    connect_timeout: float = Field(
        default=5.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds for connecting, within each attempt.",
    )
    retries: int = Field(default=5, ge=0, description="Further attempts of a request.")

    destinations: ClassVar[Mapping[str, frozenset[str]]] = {
        "endpoint_url": frozenset({"key", "secret", "token"})
    }

    @classmethod
    def from_storage_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Translate s3fs's spellings; what neither knows is left to be refused."""
        return translate(options, cls.model_fields)

    @field_validator("endpoint_url")
    @classmethod
    def _is_a_server(cls, url: str | None) -> str | None:
        return None if url is None else require_server(url)

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        if (self.key is None) != (self.secret is None):
            raise ValueError("key and secret are needed together")
        if self.token is not None and self.key is None:
            raise ValueError("token belongs to a key and a secret; give all three")
        if self.key is not None and self.aws_profile is not None:
            raise ValueError("aws_profile and key: give one of them")
        return self


class S3NumpyOptions(S3Options):
    """What can be configured about ``s3numpy``."""

    merge_gap: int = Field(
        default=128 << 10,
        ge=0,
        description="Bytes between two ranges up to which both are read in one go.",
    )
    merge_bytes: int = Field(
        default=8 << 20, ge=1, description="Bytes that are read in one go at most."
    )
    read_cache_bytes: int = Field(
        default=64 << 20,
        ge=0,
        description=(
            "Bytes that may be read along with the pieces of an index, and that are "
            "held for the chunks among them."
        ),
    )
    max_requests: int = Field(
        default=64, ge=1, description="Requests under way at once, in each process."
    )
