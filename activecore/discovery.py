"""Which backends answer for a URL: found, configured, made; made again in workers."""

from __future__ import annotations

import copyreg
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from activecore.arguments import a_mapping, a_text, names
from activecore.backend import StorageBackend
from activecore.config.layers import Value
from activecore.config.settings import Settings, load_settings
from activecore.config.tables import make_options, overlay
from activecore.entry_points import Plugin, default_backend, installed, scheme_of
from activecore.errors import BackendNotInstalled, ConfigError
from activecore.options import BackendOptions
from activecore.plugins import (
    Report,
    backend_of,
    reader_class,
    reader_plugins,
    survey,
)

__all__ = [
    "Plugin",
    "Report",
    "Resolved",
    "backend_class",
    "default_backend",
    "installed",
    "make_backends",
    "reader_class",
    "reader_plugins",
    "resolve",
    "scheme_of",
    "survey",
]


_NOT_SAID = (object.__reduce__, object.__reduce_ex__)


@dataclass(frozen=True, slots=True)
class Resolved:
    """One backend and the options it is to be made with."""

    backend: type[StorageBackend]
    options: BackendOptions = field(repr=False)

    def make(self) -> StorageBackend:
        """Make the backend; opens no connection."""
        return self.backend(self.options)


def backend_class(name: str) -> type[StorageBackend]:
    """Give the backend class of a plugin; imports that plugin only.

    Its instances then survive pickling: their name and what of their options may
    travel is all that does.

    Raises
    ------
    BackendNotInstalled, ConfigError, BackendError
        There is none, there are several, or it cannot be used.
    """
    backend = backend_of(name)
    # A class that says itself how it is pickled is left alone.
    if (backend.__reduce__, backend.__reduce_ex__) == _NOT_SAID:
        copyreg.pickle(backend, _reduce)
    return backend


def resolve(
    url: str,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    settings: Settings,
) -> list[Resolved]:
    """Choose the backends for a URL and put their options together.

    Parameters
    ----------
    url
        The source.
    backend
        One name, or several in order of preference; None: as configured, then the
        one that is installed for the URL's scheme.
    profile
        Name of a profile; None: as configured.
    storage_options
        Options for every backend, in its own or its users' spelling. A mapping under
        a backend's name is for that one only.
    settings
        The configuration.

    Raises
    ------
    ConfigError
        An option is unknown or wrong, or a profile is.
    BackendNotInstalled, BackendError
        A backend is missing or cannot be used.
    """
    asked_for = names("backend", backend)
    given = a_mapping("storage_options", storage_options)
    effective = settings.at(url, profile=a_text("profile", profile))
    chosen = effective.backend if asked_for is None else asked_for
    if chosen is None:
        chosen = [default_backend(scheme_of(url))]
    if not chosen:
        raise ConfigError("backend: the list names none")
    own = {name: given.pop(name) for name in chosen if _is_table(given.get(name))}
    resolved = []
    for name in dict.fromkeys(chosen):
        try:
            found = backend_class(name)
        except BackendNotInstalled as error:
            if backend is None and "backend" in effective.origins:
                origin = effective.origins["backend"]
                raise BackendNotInstalled(f"{error} (named by {origin})") from error
            raise
        kind = found.options_type
        asked = kind.from_storage_options({**given, **own.get(name, {})})
        table = overlay(
            effective.options(name, kind),
            {key: Value(value, "storage_options") for key, value in asked.items()},
            kind,
        )
        options = make_options(
            f"backend {name!r}", table, kind, profile=effective.profile
        )
        resolved.append(Resolved(found, options))
    return resolved


def make_backends(
    url: str,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    settings: Settings,
) -> list[StorageBackend]:
    """Make the backends for a URL, in order of preference; see ``resolve``."""
    resolved = resolve(
        url,
        backend=backend,
        profile=profile,
        storage_options=storage_options,
        settings=settings,
    )
    return [one.make() for one in resolved]


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _reduce(backend: StorageBackend) -> tuple[Any, ...]:
    options = backend.options
    travelling = options.portable()
    left = sorted(
        name
        for name in options.secret_fields() - travelling.keys()
        if getattr(options, name) is not None
    )
    return _rebuild, (backend.name, travelling, tuple(left))


def _rebuild(
    name: str, values: Mapping[str, Any], secrets: Sequence[str]
) -> StorageBackend:
    """Make a backend in a worker, with the secrets of the worker's configuration.

    Raises
    ------
    ConfigError
        A secret is not configured here, or for another destination.
    """
    backend = backend_class(name)
    kind = backend.options_type
    if not secrets:
        return backend(kind.make(values, where=f"backend {name!r}"))
    where = f"backend {name!r} in process {os.getpid()}"
    effective = load_settings().at(profile=values.get("profile"))
    table = effective.options(name, kind)
    here = make_options(where, table, kind, profile=effective.profile)
    lacking = [secret for secret in secrets if getattr(here, secret) is None]
    if lacking:
        raise ConfigError(
            f"{where}: {', '.join(lacking)} did not travel, and this process has none "
            "configured: set it there, or say pickle_secrets = true"
        )
    there = kind.make(values, where=where)
    for place in kind.destinations:
        if getattr(here, place) != getattr(there, place):
            raise ConfigError(
                f"{where}: {', '.join(secrets)} did not travel, and this process is "
                f"configured for another {place}"
            )
    own = {secret: getattr(here, secret) for secret in secrets}
    return backend(kind.make({**values, **own}, where=where))
