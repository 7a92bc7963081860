"""Where requests go, and how TLS is spoken there."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from activecore import ConfigError
from activecore_s3numpy.addresses import Place, require_server
from activecore_s3numpy.aws import AwsSettings

if TYPE_CHECKING:
    from activecore_s3numpy.options import S3Options

__all__ = ["Endpoints"]

_DEFAULT_REGION = "us-east-1"


def _is_number(host: str) -> bool:
    """Tell whether a host, with its port, is an address and no name."""
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Endpoints:
    """The servers that the options, or else AWS's settings, lead to."""

    options: S3Options
    aws: AwsSettings

    @cached_property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self.options.region or self.aws.region or _DEFAULT_REGION

    @cached_property
    def configured(self) -> str | None:
        """The endpoint that somebody configured; None: AWS's own.

        Raises
        ------
        ConfigError
            AWS's settings name something that is no URL of a server.
        """
        if self.options.endpoint_url is not None:
            return self.options.endpoint_url
        url = self.aws.endpoint_url
        if url is None:
            return None
        try:
            return require_server(url)
        except ValueError as error:
            raise ConfigError(
                f"the endpoint in AWS's settings (AWS_ENDPOINT_URL): {error}"
            ) from error

    @property
    def is_virtual(self) -> bool:
        """Whether the bucket stands before the host."""
        style = self.options.addressing_style
        return style == "virtual" or (style == "auto" and self.configured is None)

    def of_s3(self) -> str:
        """Give the URL of the object store, without a bucket."""
        if self.configured is not None:
            return self.configured
        suffix = ".cn" if self.region.startswith("cn-") else ""
        return f"https://s3.{self.region}.amazonaws.com{suffix}"

    def base(self, place: Place) -> str:
        """Give the URL below which a store's objects lie.

        Raises
        ------
        ConfigError
            The bucket cannot stand before the host, as it should.
        """
        if not place.is_s3:
            return str(place)
        scheme, _, host = self.of_s3().partition("://")
        # A dot would make another level of names, which no certificate covers.
        if self.is_virtual and (scheme == "http" or "." not in place.name):
            if _is_number(host) or ":" in place.name:
                raise ConfigError(
                    f"bucket {place.name!r} cannot stand before {host}: set "
                    "addressing_style to 'path'"
                )
            return f"{scheme}://{place.name}.{host}"
        return f"{scheme}://{host}/{place.name}"

    @cached_property
    def trusted(self) -> bytes | None:
        """Certificates to trust besides the system's, as PEM; None: no more.

        Raises
        ------
        ConfigError
            The file is not there, or holds no certificates.
        """
        path = self.options.ca_bundle or self.aws.ca_bundle
        if path is None:
            return None
        try:
            content = Path(path).expanduser().read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"ca_bundle {path}: {reason}") from error
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cadata=content.decode()
            )
        except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError(
                f"ca_bundle {path} holds no certificates in PEM form"
            ) from error
        return content

    def tls(self) -> ssl.SSLContext:
        """Make what TLS is spoken with by Python's own client."""
        context = ssl.create_default_context()
        if not self.options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.trusted is not None:
            context.load_verify_locations(cadata=self.trusted.decode())
        return context
