"""How s3fs and botocore spell what is configured here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from activecore import ConfigError

__all__ = ["translate"]

_S3FS = {
    "username": "key",
    "password": "secret",
    "profile": "aws_profile",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
    "region_name": "region",
    "max_concurrency": "max_requests",
}
_CLIENT = {
    "endpoint_url": "endpoint_url",
    "region_name": "region",
    "verify": "verify",
    "use_ssl": "use_ssl",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
}
_CONFIG = {
    "region_name": "region",
    "connect_timeout": "connect_timeout",
    "read_timeout": "timeout",
    "max_pool_connections": "max_requests",
}
_TABLES = {"client_kwargs": _CLIENT, "config_kwargs": _CONFIG}
_WITHOUT_MEANING = frozenset(
    {
        "cache_regions",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "listings_expiry_time",
        "skip_instance_cache",
        "use_listings_cache",
    }
)
"""What s3fs and fsspec take about caches that are not here; it changes no answer."""


def translate(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Write ``storage_options`` in this package's spelling.

    Parameters
    ----------
    options
        As given to ``open``: s3fs's names, or ours. Absence is None.
    known
        The names of the options that are being made. Others stay as they are, to be
        refused by name.

    Raises
    ------
    ConfigError
        One thing is said twice, differently.
    """
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, name, value in _said(options, known):
        if value is None:
            continue
        if name in found and found[name] != value:
            # The values stay out of the message: they may be secrets.
            raise ConfigError(
                f"storage_options: {origins[name]} and {origin} differ; give one"
            )
        found[name] = value
        origins[name] = origin
    return _without_ssl_switch(found)


def _said(
    options: Mapping[str, Any], known: Collection[str]
) -> Iterator[tuple[str, str, Any]]:
    """Give where each thing was said, its name here, and its value."""
    for key, value in options.items():
        if key in _TABLES:
            yield from _nested(key, value)
        elif key in _WITHOUT_MEANING:
            continue
        elif key in known and key != "profile":
            yield key, key, value
        else:
            yield key, _S3FS.get(key, key), value


def _nested(table: str, values: object) -> Iterator[tuple[str, str, Any]]:
    if values is None:
        return
    if not isinstance(values, Mapping):
        raise ConfigError(f"storage_options: {table} must be a table")
    names = _TABLES[table]
    for key, value in values.items():
        where = f"{table}[{key!r}]"
        if table == "config_kwargs" and key == "s3":
            yield from _of_s3(value)
        elif table == "config_kwargs" and key == "retries":
            yield where, "retries", _retries(value)
        elif key == "verify" and not isinstance(value, bool) and value is not None:
            yield where, "ca_bundle", value
        elif key in names:
            yield where, names[key], value
        else:
            # By its full name, so that nobody looks for it elsewhere.
            yield where, where, value


def _of_s3(values: object) -> Iterator[tuple[str, str, Any]]:
    if not isinstance(values, Mapping):
        raise ConfigError("storage_options: config_kwargs['s3'] must be a table")
    for key, value in values.items():
        where = f"config_kwargs['s3'][{key!r}]"
        yield where, key if key == "addressing_style" else where, value


def _retries(value: object) -> Any:
    """Take botocore's table: ``max_attempts`` are retries, ``total_…`` is one more."""
    if not isinstance(value, Mapping):
        return value
    if "total_max_attempts" in value:
        return int(value["total_max_attempts"]) - 1
    return value.get("max_attempts")


def _without_ssl_switch(found: dict[str, Any]) -> dict[str, Any]:
    """Obey ``use_ssl``, which s3fs has for endpoints that are written without it."""
    use_ssl = found.pop("use_ssl", None)
    if use_ssl is not None and not use_ssl:
        endpoint = found.get("endpoint_url")
        if endpoint is None:
            raise ConfigError(
                "storage_options: use_ssl = False needs an endpoint_url that begins "
                "with http://"
            )
        if str(endpoint).startswith("https://"):
            raise ConfigError(
                "storage_options: use_ssl = False and an https:// endpoint_url "
                "contradict each other"
            )
    return found
