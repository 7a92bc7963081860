"""AWS's own settings: environment variables and shared files, read by botocore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from activecore import AuthenticationError, ConfigError

if TYPE_CHECKING:
    from botocore.session import Session

__all__ = ["AwsSettings", "botocore_errors"]


class AwsSettings:
    """What the environment and one profile of the shared files say about S3.

    Nothing is read before it is asked for.

    Parameters
    ----------
    profile
        Name of the profile; None: ``AWS_PROFILE``, or ``default``.
    """

    def __init__(self, profile: str | None) -> None:
        self.profile = profile

    @cached_property
    def session(self) -> Session:
        """Botocore's session for the profile."""
        import botocore.session

        return botocore.session.Session(profile=self.profile)

    @cached_property
    def _config_session(self) -> Session:
        """The same without what it needs to make requests, most of its making."""
        import botocore.session

        return botocore.session.Session(
            profile=self.profile, include_builtin_handlers=False
        )

    @property
    def region(self) -> str | None:
        """The region; None: nobody says."""
        return self._variable("region") or os.environ.get("AWS_REGION") or None

    @property
    def ca_bundle(self) -> str | None:
        """Path of certificates to trust; None: nobody says."""
        found: str | None = self._variable("ca_bundle")
        return found

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint for S3: ``AWS_ENDPOINT_URL_S3`` and its like; None: AWS's."""
        from botocore.configprovider import ConfiguredEndpointProvider

        if self._variable("ignore_configured_endpoint_urls"):
            return None
        with botocore_errors():
            session = self._config_session
            found: str | None = ConfiguredEndpointProvider(
                full_config=session.full_config,
                scoped_config=session.get_scoped_config(),
                client_name="s3",
            ).provide()
        return found

    def _variable(self, name: str) -> Any:
        with botocore_errors():
            return self._config_session.get_config_variable(name)


@contextmanager
def botocore_errors() -> Iterator[None]:
    """Turn what botocore raises about its settings into our own errors.

    Raises
    ------
    ConfigError, AuthenticationError
        The settings are wrong; the credentials cannot be had.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.ProfileNotFound as error:
        raise ConfigError(
            f"AWS's shared files (~/.aws/config and credentials): {error}"
        ) from error
    except (exceptions.ConfigParseError, exceptions.ConfigNotFound) as error:
        raise ConfigError(f"AWS's shared files: {error}") from error
    except exceptions.BotoCoreError as error:
        raise AuthenticationError(
            f"the S3 credentials could not be had: {error}"
        ) from error
