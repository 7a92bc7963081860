"""The names of a new distribution, and whether they may be taken."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from activecore.entry_points import GROUP, installed, plugin_extras
from activecore.errors import ConfigError

__all__ = ["Names", "check_name"]

_LONGEST = 20
"""Letters of a name: lines of the templates stay within 88 columns with it."""

_RESERVED = frozenset(
    {"all", "backend", "backends", "core", "fake", "profile", "reader", "testing"}
)
"""Words that mean something where names of backends are written."""


@dataclass(frozen=True)
class Names:
    """One name in all its forms."""

    plugin: str
    """As users write it: ``my_store``."""

    @property
    def distribution(self) -> str:
        """As pip knows it: ``activecore-my-store``."""
        return f"{GROUP}-{self.plugin.replace('_', '-')}"

    @property
    def module(self) -> str:
        """As Python imports it: ``activecore_my_store``."""
        return f"{GROUP}_{self.plugin}"

    @property
    def stem(self) -> str:
        """How names of classes begin: ``MyStore``."""
        return "".join(part[:1].upper() + part[1:] for part in self.plugin.split("_"))


def check_name(name: str) -> Names:
    """Make sure that a plugin may be called this.

    Raises
    ------
    ConfigError
        It is no word, means something to Python or to activecore already, or is
        installed. Says what would do instead where that is plain.
    """
    wanted = re.sub(r"[-. ]+", "_", name.strip().lower())
    wanted = re.sub(rf"^{GROUP}_", "", wanted)
    if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name) or "__" in name:
        is_word = re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", wanted) is not None
        hint = f"; {wanted!r} would do" if is_word and "__" not in wanted else ""
        raise ConfigError(
            f"{name!r} cannot be the name of a plugin: it takes small letters, digits "
            f"and single underscores, beginning with a letter{hint}"
        )
    if len(name) > _LONGEST:
        raise ConfigError(f"{name!r} is longer than {_LONGEST} letters")
    if name == GROUP or name.startswith(f"{GROUP}_"):
        raise ConfigError(
            f"{name!r}: leave {GROUP!r} out, the distribution has it in front anyway"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise ConfigError(f"{name!r} is a word of Python's own: choose another")
    if name in _RESERVED or name in _builtin_readers():
        raise ConfigError(f"{name!r} means something to activecore already")
    names = Names(name)
    _require_free(names)
    return names


def _builtin_readers() -> set[str]:
    from activecore.readers.choose import builtin_readers

    return {reader.name for reader in builtin_readers()}


def _require_free(names: Names) -> None:
    for plugin in installed():
        if plugin.name == names.plugin:
            raise ConfigError(f"the name is taken: the plugin {plugin} is installed")
    if names.plugin in plugin_extras():
        raise ConfigError(
            f"the name is taken: {names.distribution} is published with activecore"
        )
    try:
        there = distribution(names.distribution)
    except PackageNotFoundError:
        pass
    else:
        raise ConfigError(
            f"the name is taken: {names.distribution} {there.version} is installed"
        )
    if find_spec(names.module) is not None:
        raise ConfigError(f"the name is taken: there is a module {names.module}")
