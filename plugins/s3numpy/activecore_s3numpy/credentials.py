"""Who asks: one source of S3 credentials, asked for every request.

The options' key and secret come first, then botocore's chain: environment variables,
the shared profile files with their assumed roles, SSO and web identities, containers,
and the machine's instance role. What expires is renewed by botocore when it is asked.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from activecore import AuthenticationError
from activecore_s3numpy.aws import AwsSettings, botocore_errors

if TYPE_CHECKING:
    from botocore.credentials import Credentials as BotocoreCredentials

    from activecore_s3numpy.options import S3Options

__all__ = ["CredentialProvider", "Credentials"]

_LACKING = (
    "no S3 credentials were found: set key and secret, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or aws_profile for a profile of ~/.aws, or anon = true "
    "for a public bucket"
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A key and its secret, as they are now. Shows neither; is never pickled."""

    key: str
    """The access key."""
    secret: str
    """The secret key."""
    token: str | None = None
    """The session token of a temporary key; None: the key is permanent."""

    def __repr__(self) -> str:
        return "<Credentials>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled")


def _require_one_line(given: Credentials) -> None:
    """Refuse what no header of a request can hold: obstore would panic at it."""
    parts = {"key": given.key, "secret": given.secret, "token": given.token}
    for name, part in parts.items():
        if part is not None and re.search(r"[\s\x00-\x1f\x7f]", part):
            raise AuthenticationError(
                f"the S3 {name} has a space or a line break in it: was the end of a "
                "line copied with it?"
            )


class CredentialProvider:
    """Gives the credentials that hold now. Threads share one.

    Parameters
    ----------
    options
        Where credentials come from. Nothing is read before they are asked for.
    aws
        AWS's settings; None: those of the options' profile.
    """

    def __init__(self, options: S3Options, aws: AwsSettings | None = None) -> None:
        self._options = options
        self._aws = AwsSettings(options.aws_profile) if aws is None else aws
        self._found: BotocoreCredentials | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Credentials | None:
        """Give the credentials that hold now; None: anonymous, as was asked.

        What is about to expire is renewed first, which may take a request to the
        service that gives it.

        Raises
        ------
        AuthenticationError
            There are none, and says what to set; or they could not be renewed.
        ConfigError
            AWS's shared files are wrong, or have no such profile.
        """
        now = self._now()
        if now is not None:
            _require_one_line(now)
        return now

    def _now(self) -> Credentials | None:
        options = self._options
        if options.anon:
            return None
        if options.key is not None and options.secret is not None:
            token = options.token
            return Credentials(
                options.key.get_secret_value(),
                options.secret.get_secret_value(),
                None if token is None else token.get_secret_value(),
            )
        frozen = None
        try:
            with botocore_errors():
                frozen = self._chain().get_frozen_credentials()
        except ValueError as error:
            kind = type(error).__name__
        if frozen is None:
            # Outside of the handler: the error holds what a credential_process
            # printed, the secret with it.
            raise AuthenticationError(
                "the S3 credentials could not be had: what gives them (a "
                f"credential_process, or a service) said what is none ({kind})"
            )
        if frozen.access_key is None or frozen.secret_key is None:
            raise AuthenticationError(_LACKING)
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _chain(self) -> BotocoreCredentials:
        with self._lock:
            if self._found is None:
                self._found = self._aws.session.get_credentials()
            if self._found is None:
                raise AuthenticationError(_LACKING)
            return self._found

    @property
    def renews(self) -> bool:
        """Whether what was given last may be other credentials next time."""
        from botocore.credentials import RefreshableCredentials

        return isinstance(self._found, RefreshableCredentials)

    def known(self) -> tuple[str, ...]:
        """Give the secrets that may stand in what a server says, to take them out."""
        try:
            now = self()
        except Exception:  # noqa: BLE001 - then there is nothing to take out
            return ()
        if now is None:
            return ()
        return tuple(part for part in (now.secret, now.token, now.key) if part)

    def __repr__(self) -> str:
        return "<CredentialProvider>"

    def __reduce__(self) -> tuple[type[CredentialProvider], tuple[S3Options]]:
        return type(self), (self._options,)
