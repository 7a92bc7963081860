"""The configuration as a user sees it: values, where each came from, no secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activecore.backend import StorageBackend
from activecore.config.effective import Effective
from activecore.config.keys import CoreKeys
from activecore.config.settings import Settings
from activecore.config.tables import make_options, shown
from activecore.options import BackendOptions
from activecore.plugins import survey

__all__ = ["Row", "describe"]


@dataclass(frozen=True, slots=True)
class Row:
    """One key of the configuration."""

    key: str
    """Its name, dotted: ``backends.posix.access``."""
    value: Any
    """Its value as plain data that may be shown."""
    origin: str
    """Where it was written, or ``"default"``."""
    note: str = ""
    """What else is to be known, ``"not installed"`` for example."""


def describe(
    settings: Settings, url: str | None = None, *, profile: str | None = None
) -> list[Row]:
    """List what holds, and check all of it.

    Every installed backend is imported, so that its options, defaults included, can
    be listed, and so that its table, in every profile, is checked.

    Parameters
    ----------
    url, profile
        What it is to hold for; None: for no URL in particular.

    Raises
    ------
    ConfigError
        A key is unknown, a value is wrong, or a profile is named that is not there.
    """
    effective = settings.at(url, profile=profile)
    rows = [
        Row(key, shown(key, getattr(effective, key), secret=False), origin)
        for key in CoreKeys.model_fields
        for origin in [effective.origins.get(key, "default")]
    ]
    chosen = effective.profile
    rows.insert(1, Row("profile", chosen, effective.profile_origin))
    kinds, problems = _kinds()
    for name in sorted({*kinds, *problems, *_named(settings)}):
        key = f"backends.{name}"
        if name in kinds:
            rows += _checked(key, name, kinds[name], effective)
            continue
        note = problems.get(name, "not installed")
        rows += [
            Row(f"{key}.{option}", shown(option, value.value), value.origin, note)
            for option, value in effective.options(name).items()
        ]
    rows += _routes(settings)
    for name in settings.profiles:
        rows += _profile(settings, name, kinds)
    return rows


def _kinds() -> tuple[dict[str, type[BackendOptions]], dict[str, str]]:
    """Give the options of every backend that loads, and why the others do not."""
    kinds: dict[str, type[BackendOptions]] = {}
    problems: dict[str, str] = {}
    for report in survey():
        backend: type[StorageBackend] | None = report.backend
        if report.problem is not None:
            problems[report.plugin.name] = report.problem
        elif backend is not None:
            kinds[backend.name] = backend.options_type
    return kinds, problems


def _named(settings: Settings) -> set[str]:
    """Name every backend that has a table somewhere."""
    tables = [settings.backends, *(p.backends for p in settings.profiles.values())]
    return {name for table in tables for name in table}


def _checked(
    key: str, name: str, kind: type[BackendOptions], effective: Effective
) -> Iterator[Row]:
    """List a backend's options, defaults included."""
    table = effective.options(name, kind)
    options = make_options(key, table, kind, profile=effective.profile)
    secrets = kind.secret_fields()
    for option in sorted(kind.model_fields.keys() - {"profile"}):
        origin = table[option].origin if option in table else "default"
        value = getattr(options, option)
        yield Row(
            f"{key}.{option}", shown(option, value, secret=option in secrets), origin
        )


def _routes(settings: Settings) -> Iterator[Row]:
    for route in settings.routes:
        for field, value in (("backend", route.backend), ("profile", route.profile)):
            if value is None:
                continue
            origin = settings.origin("routes", route.prefix, field)
            known = field != "profile" or value in settings.profiles
            note = "" if known else "no such profile"
            key = f"routes.{route.prefix}.{field}"
            yield Row(key, shown(field, value, secret=False), origin, note)


def _profile(
    settings: Settings, name: str, kinds: Mapping[str, type[BackendOptions]]
) -> Iterator[Row]:
    """List what one profile says, and check the tables that it leads to."""
    profile = settings.profiles[name]
    effective = settings.at(profile=name)
    for key in sorted(profile.model_fields_set - {"backends"}):
        origin = settings.origin("profiles", name, key)
        value = shown(key, getattr(profile, key), secret=False)
        yield Row(f"profiles.{name}.{key}", value, origin)
    for backend, table in sorted(profile.backends.items()):
        kind = kinds.get(backend)
        where = f"profiles.{name}.backends.{backend}"
        if kind is not None:
            merged = effective.options(backend, kind)
            make_options(where, merged, kind, profile=name)
        for option, value in table.items():
            secret = None if kind is None else option in kind.secret_fields()
            origin = settings.origin("profiles", name, "backends", backend, option)
            yield Row(f"{where}.{option}", shown(option, value, secret=secret), origin)
