"""What a configuration may say: the keys, their types and their defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    SerializationInfo,
    field_validator,
    model_validator,
)

from activecore.entry_points import scheme_of

__all__ = ["MASK", "CoreKeys", "Document", "Keys", "Profile", "Route", "Table"]

MASK = "**********"
"""What is shown instead of a secret."""


class Table(dict[str, Any]):
    """A backend's options as they were written; its repr shows the keys only.

    Which of the values are secrets is known when the backend is, not before.
    """

    def __repr__(self) -> str:
        return f"Table({', '.join(map(str, self))})"


def _table(value: object) -> Table:
    if not isinstance(value, Mapping):
        # A ValueError, not a TypeError: it is pydantic that reports it.
        raise ValueError("must be a table")  # noqa: TRY004
    return Table(value)


def _written(table: Table, info: SerializationInfo) -> dict[str, Any]:
    return dict(table) if info.mode == "python" else dict.fromkeys(table, MASK)


Tables = dict[
    str,
    Annotated[InstanceOf[Table], BeforeValidator(_table), PlainSerializer(_written)],
]


def _names(value: object) -> object:
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    if not isinstance(value, (list, tuple)) or not value or "" in value:
        raise ValueError("must be the name of a backend, or a list of names")
    return tuple(value)


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Names of backends, in order of preference; one may be written without a list."""

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _folder(text: str) -> str:
    folder = Path(text).expanduser()
    if not folder.is_absolute():
        # A relative one would be in the current directory, which is anybody's.
        raise ValueError("must be an absolute path, or one that begins with ~")
    return os.fspath(folder)


_Folder = Annotated[str, AfterValidator(_folder)]


class CoreKeys(BaseModel):
    """What is configured about a run, whatever the backend."""

    model_config = _CLOSED

    backend: Names | None = Field(
        default=None,
        description="Backend, or several in order of preference; none: the scheme's.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="Batches at work at once; none: the backend's."
    )
    timeout: _Seconds | None = Field(
        default=None, description="Seconds for each attempt; none: the backend's."
    )
    deadline: _Seconds | None = Field(
        default=None, description="Seconds for each run; none: no limit."
    )
    retries: int | None = Field(
        default=None, ge=0, description="Further attempts; none: the backend's."
    )
    on_failure: Literal["fallback", "raise"] = Field(
        default="fallback",
        description="What happens when a backend gives up: the next one, or an error.",
    )
    max_chunk_bytes: int | None = Field(
        default=None, ge=1, description="Largest decoded chunk; none: the backend's."
    )
    index_cache: bool = Field(
        default=True,
        description="Whether metadata of objects far away is kept on this disk.",
    )
    index_cache_dir: _Folder | None = Field(
        default=None, description="Where; none: the user's cache folder."
    )
    index_cache_bytes: int = Field(
        default=1 << 30, ge=1, description="How much of it; the oldest goes first."
    )


class Keys(CoreKeys):
    """What the top of a file and each of its profiles may say."""

    backends: Tables = Field(
        default_factory=dict, description="A table of options for each backend."
    )


class Profile(Keys):
    """A named set of keys, laid over the ones outside profiles."""


class Route(BaseModel):
    """What holds for all URLs below a prefix."""

    model_config = _CLOSED

    prefix: str = Field(min_length=1, description="``s3://archive/``, or a folder.")
    backend: Names | None = Field(default=None, description="As at the top.")
    profile: str | None = Field(default=None, description="Name of a profile.")

    @model_validator(mode="after")
    def _says_something(self) -> Route:
        if self.backend is None and self.profile is None:
            raise ValueError("a route needs a backend or a profile")
        return self

    def covers(self, url: str) -> bool:
        """Tell whether a URL is the prefix or lies below it, in whole path segments."""
        below = _comparable(self.prefix).rstrip("/") + "/"
        return f"{_comparable(url)}/".startswith(below)


def _comparable(url: str) -> str:
    """Write a URL in the one way in which prefixes are compared."""
    scheme = scheme_of(url)
    if scheme != "file":
        return scheme + url[len(scheme) :]
    path = url.partition("://")[2] if "://" in url[:7] else url
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - Path keeps ".."


def _routes(value: object) -> object:
    if isinstance(value, str):
        is_json = True
        try:
            value = json.loads(value)
        except ValueError:
            is_json = False
        if not is_json:
            # Outside of the handler: the error holds the text.
            raise ValueError("is not JSON")
    if isinstance(value, Mapping):
        # By prefix, as several files are merged.
        value = [{"prefix": prefix, **route} for prefix, route in value.items()]
    return tuple(value) if isinstance(value, list) else value


class Document(Keys):
    """What a whole file may say."""

    profile: str | None = Field(
        default=None, description="Profile to use where nothing names another."
    )
    profiles: dict[str, Profile] = Field(
        default_factory=dict, description="The profiles, by name."
    )
    routes: Annotated[tuple[Route, ...], BeforeValidator(_routes)] = Field(
        default=(), description="Backend and profile by URL; the longest prefix wins."
    )

    @field_validator("routes")
    @classmethod
    def _one_route_a_prefix(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        prefixes = [route.prefix for route in routes]
        for prefix in prefixes:
            if prefixes.count(prefix) > 1:
                raise ValueError(f"there are two routes for {prefix!r}")
        return routes
