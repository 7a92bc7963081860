"""What holds for one URL and profile, the options of backends included."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import platformdirs

from activecore.config.layers import Layer, Rank, Value
from activecore.config.tables import Options, overlay, without_bound
from activecore.options import BackendOptions

__all__ = ["Effective"]

SHARED = ("timeout", "deadline", "retries", "max_chunk_bytes")
"""Core keys that a backend's option of the same name takes as its default."""


@dataclass(frozen=True, kw_only=True)
class Effective:
    """What holds for one URL and profile; the keys are those of ``CoreKeys``."""

    backend: tuple[str, ...] | None = None
    threads: int | None = None
    timeout: float | None = None
    deadline: float | None = None
    retries: int | None = None
    on_failure: str = "fallback"
    max_chunk_bytes: int | None = None
    index_cache: bool = True
    index_cache_dir: str | None = None
    index_cache_bytes: int = 1 << 30
    profile: str | None = None
    """Name of the profile that applies, if any."""
    profile_origin: str = "default"
    """Where that name was written."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where each key that is not a default was written."""
    profile_is_asked: bool = False
    """Whether an argument names the profile, so that it goes before the environment."""
    layers: tuple[Layer, ...] = field(default=(), repr=False)
    """The layers, highest precedence first."""

    @property
    def index_cache_folder(self) -> str | None:
        """Where metadata of objects far away is kept on disk; None: nowhere."""
        if not self.index_cache:
            return None
        if self.index_cache_dir is not None:
            return self.index_cache_dir
        return platformdirs.user_cache_dir("activecore")

    def options(self, name: str, kind: type[BackendOptions] | None = None) -> Options:
        """Give the options of a backend, each with where it was written.

        The profile's table lies over the plain one, the environment's variables over
        the files'. But a profile that says where to connect, or with which secret,
        says so for good: it is not combined with the environment's plain ones.

        Parameters
        ----------
        name
            The backend's name.
        kind
            Its options; None: unknown, for looking only.
        """
        plain = {
            rank: self._stack([rank], ("backends", name), kind)
            for rank in ("file", "environment", "argument")
        }
        table = plain["file"]
        if self.profile is None:
            table = overlay(table, plain["environment"], kind)
        else:
            where = ("profiles", self.profile, "backends", name)
            own = self._stack(["file", "environment", "argument"], where, kind)
            around = plain["environment"]
            if self.profile_is_asked:
                table = overlay(overlay(table, around, kind), own, kind)
            else:
                around = without_bound(around, own, kind)
                table = overlay(overlay(table, own, kind), around, kind)
        table = overlay(table, plain["argument"], kind)
        return self._shared(kind) | table

    def _stack(
        self,
        ranks: Collection[Rank],
        keys: tuple[str, ...],
        kind: type[BackendOptions] | None,
    ) -> Options:
        """Lay the same table of several layers over one another."""
        table: Options = {}
        for layer in reversed(self.layers):
            if layer.rank in ranks:
                table = overlay(table, layer.table(*keys), kind)
        return table

    def _shared(self, kind: type[BackendOptions] | None) -> Options:
        """Give the core keys that the backend's options take up."""
        known = () if kind is None else kind.model_fields
        return {
            key: Value(getattr(self, key), self.origins[key])
            for key in SHARED
            if key in known and key in self.origins
        }
