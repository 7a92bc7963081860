"""What can be configured about a backend: the base of every backend's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    ValidationError,
)

from activecore.errors import ConfigError
from activecore.validation import KeyPath, complaints

__all__ = ["BackendOptions"]


class BackendOptions(BaseModel):
    """What can be configured about a backend; subclass it to add your own.

    Options are typed, checked and immutable. They come from a config file, the
    environment or the arguments of ``open``, and are shown by ``activecore config``,
    which masks every ``SecretStr``. Their pickle leaves secrets out: a worker takes
    them from its own configuration, by ``profile``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )

    profile: str | None = Field(
        default=None, description="Name of the profile these options came from."
    )
    concurrency: int | None = Field(
        default=None, ge=1, description="Batches at work at once; none: the backend's."
    )
    max_chunk_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Decoded size above which a chunk is refused; none: 2 GiB.",
    )
    pickle_secrets: bool = Field(
        default=False,
        description=(
            "Whether secrets travel to worker processes, readable by whoever sees "
            "the pickle; otherwise a worker takes them from its own configuration."
        ),
    )

    destinations: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Which secrets go where: each field that says where to connect (an endpoint, a
    server's URL), with the secret fields that are sent there. The core then never
    combines a secret of one table with a destination of another."""

    @classmethod
    def make(
        cls,
        values: Mapping[str, Any],
        *,
        where: str = "options",
        origins: Mapping[str, str] | None = None,
    ) -> Self:
        """Build and check options from plain values.

        Parameters
        ----------
        values
            The options by name.
        where
            What to call the whole of them in an error.
        origins
            Where single values came from, by name, for errors.

        Raises
        ------
        ConfigError
            One line that names the key, and the closest known one if it is unknown;
            never the value, which may be a secret.
        """
        known = {} if origins is None else origins

        def say(path: KeyPath) -> str:
            origin = known.get(path[0]) if path else None
            return where if origin is None else f"{where} (from {origin})"

        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            text = complaints(error, cls, say=say, secrets=cls.secret_fields())
        # Outside of the handler: pydantic's error holds the values, and where tblib is
        # installed (Dask does it) an error's pickle takes its context along.
        raise ConfigError(text)

    @classmethod
    def from_storage_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Translate the ``storage_options`` of a call into options of this class.

        Override it to accept the spellings of another library. Leave unknown keys
        as they are: ``make`` refuses them by name.
        """
        return dict(options)

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        """Name the options that are secrets: those that hold a ``SecretStr``."""
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if _holds_secret(field.annotation)
        )

    def public(self) -> dict[str, Any]:
        """Give every value that is not a secret and not a default."""
        secrets = self.secret_fields()
        return {
            name: getattr(self, name)
            for name in sorted(self.model_fields_set)
            if name not in secrets
        }

    def portable(self) -> dict[str, Any]:
        """Give what may travel: ``public``, and secrets if the user says so."""
        if not self.pickle_secrets:
            return self.public()
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).make, (self.portable(),)


def _holds_secret(annotation: Any) -> bool:
    return annotation in (SecretStr, SecretBytes) or any(
        _holds_secret(inner) for inner in get_args(annotation)
    )
