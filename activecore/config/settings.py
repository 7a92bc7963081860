"""The settings: every layer in order of precedence, and what holds for one URL."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Any, NoReturn

from pydantic import PrivateAttr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from activecore.config.effective import Effective
from activecore.config.environment import environment_layer
from activecore.config.keys import CoreKeys, Document, Route
from activecore.config.layers import (
    Layer,
    Rank,
    Value,
    argument_layer,
    file_layers,
)
from activecore.errors import ConfigError, did_you_mean

__all__ = ["Settings", "load_settings"]

_loading: ContextVar[tuple[Layer, ...] | None] = ContextVar("loading", default=None)
"""The layers of the settings that are being made, highest precedence first."""


class _LayerSource(PydanticBaseSettingsSource):
    """One layer, as pydantic-settings merges it."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._values = dict(layer.values)

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - pydantic-settings' signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._values


class Settings(Document, BaseSettings):
    """The whole configuration, merged, as it was when it was loaded. Immutable.

    Made by ``load_settings``. Made directly, it holds what it is given and nothing
    from files or the environment. The attributes are the keys outside profiles; what
    holds for a URL is said by ``at``.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True
    )

    _layers: tuple[Layer, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Merge what ``load_settings`` read, which knows where each value came from."""
        layers = (_LayerSource(settings_cls, layer) for layer in _loading.get() or ())
        return (init_settings, *layers)

    def model_post_init(self, context: Any, /) -> None:
        """Remember the layers."""
        super().model_post_init(context)
        layers = _loading.get()
        if layers is None:
            layers = (argument_layer(self.model_dump(exclude_unset=True)),)
        self._layers = layers

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings hold secrets and do not travel: load them there")

    def origin(self, *keys: str) -> str:
        """Say where the value of some nested keys was written, or ``"default"``."""
        found = self._find(keys)
        return "default" if found is None else found.origin

    def at(self, url: str | None = None, *, profile: str | None = None) -> Effective:
        """Say what holds for a URL.

        For each key the first of these that has it: arguments; the profile, if an
        argument names it; the environment; the route with the longest prefix; the
        profile; what files say outside profiles; the default.

        Parameters
        ----------
        url
            The source; None: no route applies.
        profile
            Name of a profile, before all others.

        Raises
        ------
        ConfigError
            There is no such profile.
        """
        route = None if url is None else self._route(url)
        asked = _first(
            None if profile is None else Value(profile, "argument"),
            self._find(("profile",), "argument"),
        )
        chosen = _first(
            asked,
            self._find(("profile",), "environment"),
            self._of_route(route, "profile"),
            self._find(("profile",)),
        )
        if chosen is not None and chosen.value not in self.profiles:
            raise ConfigError(self._no_profile(chosen))

        values = {}
        for key in CoreKeys.model_fields:
            of_profile = (
                None if chosen is None else self._find(("profiles", chosen.value, key))
            )
            value = _first(
                self._find((key,), "argument"),
                of_profile if asked is not None else None,
                self._find((key,), "environment"),
                self._of_route(route, key),
                of_profile,
                self._find((key,)),
            )
            if value is not None:
                values[key] = value
        return Effective(
            **{key: value.value for key, value in values.items()},
            profile=None if chosen is None else chosen.value,
            profile_origin="default" if chosen is None else chosen.origin,
            origins={key: value.origin for key, value in values.items()},
            profile_is_asked=asked is not None,
            layers=self._layers,
        )

    def _route(self, url: str) -> Route | None:
        covering = [route for route in self.routes if route.covers(url)]
        return max(covering, key=lambda route: len(route.prefix), default=None)

    def _of_route(self, route: Route | None, key: str) -> Value | None:
        return None if route is None else self._find(("routes", route.prefix, key))

    def _find(self, keys: tuple[str, ...], rank: Rank | None = None) -> Value | None:
        for layer in self._layers:
            if rank in (None, layer.rank) and keys in layer.leaves:
                return layer.leaves[keys]
        return None

    def _no_profile(self, chosen: Value) -> str:
        hint = did_you_mean(chosen.value, self.profiles)
        known = ", ".join(sorted(self.profiles)) or "none"
        return (
            f"there is no profile {chosen.value!r} (from {chosen.origin})"
            f"{hint or f' (defined: {known})'}"
        )


def _first(*values: Value | None) -> Value | None:
    return next((value for value in values if value is not None), None)


def load_settings(
    file: str | os.PathLike[str] | None = None, **arguments: Any
) -> Settings:
    """Read the configuration; nothing is read before this is called.

    Parameters
    ----------
    file
        A TOML file, instead of the one that ``ACTIVECORE_CONFIG`` names.
    **arguments
        Keys that go before everything else; None: not given.

    Returns
    -------
    Settings
        Arguments before the environment, the file that is named, the user's file, the
        site's file and the defaults.

    Raises
    ------
    ConfigError
        In one line that names the key and the file or variable; never a value.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    files = file_layers(file)
    environment = environment_layer(files)
    layers = (
        *([argument_layer(given)] if given else []),
        *([environment] if environment is not None else []),
        *files,
    )
    token = _loading.set(layers)
    try:
        return Settings()
    finally:
        _loading.reset(token)
